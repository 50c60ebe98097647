"""``farm soc explore``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.soc.commands.options import (
    ChipOption,
    ConfigOption,
    PlotOption,
    SetOption,
    checked_plot,
    chosen_soc,
)
from farm.cli.options import JsonOption, LimitOption
from farm.errors import UsageError

if TYPE_CHECKING:
    from analysis.soc.explore.design_space import DesignSource
    from analysis.soc.explore.evaluation import Setting
    from analysis.soc.explore.exploration import Exploration, OnChunk, Question
    from analysis.soc.explore.study import Study

DEFAULT_GOALS = "density_tflops_mm2,total_power_w"
_STUDY_SUFFIXES = (".yaml", ".yml")
_PROGRESS_S = 5.0

SpaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="[SPACE]",
        help="A sweep of designs by name or file, a study in YAML, or the directory of a sweep "
        "that [b]farm run ... --device model[/b] has filled.",
    ),
]
AxisOption = Annotated[
    list[str],
    typer.Option(
        "--set-axis",
        metavar="AXIS=VALUES",
        help="Replace the values of an axis, such as [b]clock_mhz=1600..2600[/b]: the same as "
        "[b]--limit AXIS:=VALUES[/b]. May be repeated.",
        show_default=False,
    ),
]
ConstraintOption = Annotated[
    list[str],
    typer.Option(
        "--constraint",
        "-k",
        metavar="TEXT",
        help="What a design must fulfil, such as [b]'total_power_w<=500'[/b] or "
        "[b]'n_hbm_stacks>=2*n_chiplets'[/b]. May be repeated.",
        show_default=False,
    ),
]
ParetoOption = Annotated[
    str | None,
    typer.Option(
        metavar="GOAL,...",
        help="Metrics of the Pareto front; max:NAME and min:NAME say which way is better.",
        show_default=DEFAULT_GOALS,
    ),
]
ObjectiveOption = Annotated[
    str | None,
    typer.Option(
        metavar="GOAL",
        help="What the best design is best at.",
        show_default="the first of --pareto",
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        "-p",
        metavar="NAME",
        help="Whose peak and power count.",
        show_default="FP16",
    ),
]
PowerOption = Annotated[
    str | None,
    typer.Option(
        "--power",
        metavar="physical|reference",
        help="Power formulas, see [b]farm soc power[/b].",
        show_default="physical",
    ),
]
WorkloadOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.yaml|gemm:MxNxK",
        help="What time_ns is the time of.",
        show_default="gemm:8192x8192x8192",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "explore",
        epilog="Example: farm soc explore -k 'total_power_w<=500' --plot designs.png",
    )(explore)


def explore(
    space: SpaceArgument = "soc-design",
    limit: LimitOption = [],  # noqa: B006 - typer needs a list
    set_axis: AxisOption = [],  # noqa: B006 - typer needs a list
    constraint: ConstraintOption = [],  # noqa: B006 - typer needs a list
    pareto: ParetoOption = None,
    objective: ObjectiveOption = None,
    config: ConfigOption = None,
    chip: ChipOption = None,
    changes: SetOption = [],  # noqa: B006 - typer needs a list
    precision: PrecisionOption = None,
    power: PowerOption = None,
    workload: WorkloadOption = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search",
            help="Search the best design instead of looking at all: for spaces beyond 10^9.",
        ),
    ] = False,
    trials: Annotated[int, typer.Option(help="Designs that a search proposes.", min=8)] = 300,
    seed: Annotated[int, typer.Option(help="Seed of a search.", min=0)] = 0,
    plot: PlotOption = None,
    front: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv|.parquet", help="Write the Pareto front.", show_default=False
        ),
    ] = None,
    designs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv|.parquet", help="Write every feasible design.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explore a design space: constraints, Pareto front, the best design and why.

    Millions of designs per second, in this process. [b]farm run soc-design --device model[/b]
    evaluates a space on all cores, stored and resumable; give its directory as SPACE.
    """
    from analysis.soc.explore.design_file import check_table_path
    from analysis.soc.explore.study import Study

    checked_plot(plot)
    for path in (front, designs):
        if path is not None:
            check_table_path(path)
    given = Study(
        limits=(*limit, *(text.replace("=", ":=", 1) for text in set_axis)),
        chip=chosen_soc(config, chip, changes) if config or chip or changes else None,
        constraints=tuple(constraint),
        pareto=tuple(pareto.split(",")) if pareto else (),
        objective=objective,
        precision=precision,
        power=power,
        workload=workload,
    )
    task = _task(space, given)
    if search:
        if plot or front or designs:
            raise UsageError("--search finds one design: --plot, --front and --designs need all")
        _search(task, trials, seed, as_json)
    else:
        _explore(task, plot, front, designs, as_json)


@dataclass(frozen=True)
class _Task:
    """A source of designs, and what is asked of it under which conditions."""

    source: DesignSource
    question: Question
    setting: Setting


def _task(space: str, given: Study) -> _Task:
    """Join study, options and defaults; options come first."""
    from analysis.soc.explore.study import Study

    study = Study.load(Path(space)) if space.endswith(_STUDY_SUFFIXES) else Study()
    asked = study.joined(given)
    setting = _setting(asked)
    source = _source(space, given, asked)
    if source.workload is not None:
        setting = replace(setting, workload=source.workload)
    return _Task(source, _question(asked).with_limits(setting), setting)


def _setting(asked: Study) -> Setting:
    from analysis.soc.chip.config import SoCConfig
    from analysis.soc.chip.precision import Precision
    from analysis.soc.explore.evaluation import Setting
    from analysis.soc.models.power import PowerSemantics
    from analysis.soc.workload.argument import DEFAULT_WORKLOAD, parse_workload

    semantics = asked.power or PowerSemantics.PHYSICAL
    if semantics not in tuple(PowerSemantics):
        raise UsageError(f"--power {semantics}: write {' or '.join(PowerSemantics)}")
    return Setting(
        base=asked.chip or SoCConfig(),
        precision=Precision.parse(asked.precision or Precision.FP16),
        semantics=PowerSemantics(semantics),
        workload=parse_workload(asked.workload or DEFAULT_WORKLOAD),
    )


def _question(asked: Study) -> Question:
    from analysis.soc.explore.constraints import Constraint
    from analysis.soc.explore.exploration import Question
    from analysis.soc.explore.metrics import Goal

    goals = tuple(Goal.parse(name) for name in asked.pareto or DEFAULT_GOALS.split(","))
    objective = Goal.parse(asked.objective) if asked.objective else goals[0]
    return Question(goals, objective, tuple(Constraint.parse(text) for text in asked.constraints))


def _source(space: str, given: Study, asked: Study) -> DesignSource:
    from analysis.soc.explore.design_space import DeclaredSpace, StoredSpace
    from farm.catalog import load_sweep, resolve_source
    from farm.store.directory import holds_sweep
    from sweeps.limits import limited
    from sweeps.soc_design import SWEEP

    if holds_sweep(space):
        if given.limits or given.workload:
            raise UsageError(
                f"{space} holds evaluated designs: --limit, --set-axis and --workload cannot "
                f"change them; a --constraint selects among them"
            )
        return StoredSpace(space)
    is_study = space.endswith(_STUDY_SUFFIXES)
    sweep = SWEEP if is_study else load_sweep(resolve_source(space))
    return DeclaredSpace(limited(sweep, list(asked.limits)))


def _explore(
    task: _Task, plot: Path | None, front: Path | None, designs: Path | None, as_json: bool
) -> None:
    from analysis.soc.commands.explore_view import as_data, print_exploration
    from analysis.soc.explore.design_file import open_table
    from analysis.soc.explore.exploration import explore as explored
    from analysis.soc.explore.recommendation import recommend

    axes = [axis.name for axis in task.source.sweep.axes]
    if plot is not None and len(task.question.goals) < 2:
        raise UsageError("--plot: a chart needs two goals; give --pareto two or more")
    with _sink(designs, axes) as sink:
        found = explored(task.source, task.question, task.setting, sink)
    advice = None
    if found.best is not None:
        advice = recommend(
            found.best, found.best_without, task.source.sweep, task.question, task.setting
        )
    if front is not None:
        with open_table(front, axes) as table:
            if found.front is not None:
                table.write(found.front)
    if plot is not None:
        _draw(task, found, plot)
    if as_json:
        typer.echo(json.dumps(as_data(task.source, task.setting, found, advice)))
        return
    print_exploration(task.source, task.setting, found, advice)
    for path in (plot, front, designs):
        if path is not None:
            typer.echo(f"wrote {path}")


@contextmanager
def _sink(path: Path | None, axes: list[str]) -> Iterator[OnChunk]:
    """Take chunks: write the feasible designs if asked, and say now and then how far it is."""
    from contextlib import ExitStack

    from analysis.soc.explore.design_file import open_table

    with ExitStack() as stack:
        table = stack.enter_context(open_table(path, axes)) if path is not None else None
        n_seen, next_s = 0, time.monotonic() + _PROGRESS_S

        def take(designs: Any, feasible: Any) -> None:
            nonlocal n_seen, next_s
            n_seen += designs.n
            if table is not None and len(feasible):
                table.write(designs.taken(feasible))
            if time.monotonic() > next_s:
                next_s = time.monotonic() + _PROGRESS_S
                typer.echo(f"{n_seen:,} designs so far", err=True)

        yield take


def _draw(task: _Task, found: Exploration, path: Path) -> None:
    from analysis.soc.charts.explore import explore_figure
    from analysis.soc.charts.style import save
    from analysis.soc.commands.explore_view import conditions, headline

    axes = [axis.name for axis in task.source.sweep.axes]
    subtitle = f"{found.n_designs:,} designs; {conditions(task.setting)}"
    save(explore_figure(found, headline(task.source, found), subtitle, axes), path)


def _search(task: _Task, trials: int, seed: int, as_json: bool) -> None:
    from analysis.soc.commands.explore_view import print_search, search_data
    from analysis.soc.explore.design_space import DeclaredSpace
    from analysis.soc.explore.recommendation import recommend
    from analysis.soc.explore.search import search

    if not isinstance(task.source, DeclaredSpace):
        raise UsageError("--search is for declared spaces: the designs of a directory are known")
    sweep = task.source.sweep
    found = search(sweep, task.question, task.setting, trials, seed)
    advice = None
    if found.best is not None:
        advice = recommend(found.best, (), sweep, task.question, task.setting)
    if as_json:
        typer.echo(json.dumps(search_data(task.source, task.setting, found, advice)))
    else:
        print_search(task.source, task.setting, found, advice)
