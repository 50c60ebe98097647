"""``farm soc sensitivity``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.console import say, show
from analysis.soc.commands.options import (
    ChipOption,
    ConfigOption,
    PlotOption,
    PowerOption,
    SetOption,
    checked_plot,
    chosen_soc,
)
from farm.cli.options import JsonOption
from farm.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.explore.evaluation import Setting
    from analysis.soc.explore.sensitivity import Sensitivity
    from analysis.soc.explore.sobol import SobolIndices

_PAIRS_SHOWN = 3
DEFAULT_METRICS = "density_tflops_mm2,total_power_w"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "sensitivity",
        epilog="Example: farm soc sensitivity --sobol --plot tornado.png --plot-sobol sobol.png",
    )(sensitivity)


def sensitivity(
    parameter: Annotated[
        list[str],
        typer.Option(
            "--parameter",
            metavar="NAME[=LOW..HIGH]",
            help="What is varied and how far; default: the five that the published designs vary, "
            "over the range in which they do. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    metric: Annotated[
        str, typer.Option("--metric", "-m", metavar="NAME,...", help="What is looked at.")
    ] = DEFAULT_METRICS,
    config: ConfigOption = None,
    chip: ChipOption = None,
    changes: SetOption = [],  # noqa: B006 - typer needs a list
    precision: Annotated[
        str, typer.Option("--precision", "-p", metavar="NAME", help="Whose peak and power count.")
    ] = "FP16",
    semantics: PowerOption = "physical",
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.yaml|gemm:MxNxK",
            help="What time_ns is the time of.",
            show_default="gemm:8192x8192x8192",
        ),
    ] = None,
    sobol: Annotated[
        bool,
        typer.Option("--sobol", help="Also vary all at once: Sobol indices with interactions."),
    ] = False,
    samples: Annotated[
        int, typer.Option(help="Base samples of --sobol, a power of 2; 2 k + 2 designs for each.")
    ] = 16_384,
    seed: Annotated[int, typer.Option(help="Seed of --sobol.", min=0)] = 0,
    plot: PlotOption = None,
    plot_sobol: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|.svg", help="Draw the Sobol indices.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which parameters of a chip matter: elasticities, and Sobol indices of the space."""
    from analysis.soc.explore.metrics import require_names
    from analysis.soc.explore.sensitivity import USUAL_PARAMETERS, ParameterRange, one_at_a_time
    from analysis.soc.explore.sobol import sobol_indices

    for path in (plot, plot_sobol):
        checked_plot(path)
    if plot_sobol is not None and not sobol:
        raise UsageError("--plot-sobol draws what --sobol computes: give both")
    metrics = [name.strip() for name in metric.split(",")]
    require_names(metrics)
    setting = _setting(config, chip, changes, precision, semantics, workload)
    ranges = [ParameterRange.parse(text) for text in parameter or USUAL_PARAMETERS]
    _require_once([span.name for span in ranges], "parameter")
    _require_once(metrics, "metric")
    effects = one_at_a_time(setting, ranges, metrics)
    indices = sobol_indices(setting, ranges, metrics, samples, seed) if sobol else []
    _draw(setting, effects, indices, plot, plot_sobol)
    if as_json:
        typer.echo(json.dumps(_data(setting, effects, indices)))
        return
    for name in metrics:
        show(_effect_table([effect for effect in effects if effect.metric == name]))
        typer.echo("")
    for found in indices:
        _print_sobol(found)
    for path in (plot, plot_sobol):
        if path is not None:
            typer.echo(f"wrote {path}")


def _setting(
    config: Path | None,
    chip: str | None,
    changes: list[str],
    precision: str,
    semantics: str,
    workload: str | None,
) -> Setting:
    from analysis.soc.chip.precision import Precision
    from analysis.soc.explore.evaluation import Setting
    from analysis.soc.models.power import PowerModel
    from analysis.soc.workload.argument import DEFAULT_WORKLOAD, parse_workload

    base = chosen_soc(config, chip, changes)
    return Setting(
        base=base,
        precision=Precision.parse(precision),
        semantics=PowerModel(base, semantics).semantics,
        workload=parse_workload(workload or DEFAULT_WORKLOAD),
    )


def _require_once(names: Sequence[str], what: str) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"--{what} {twice[0]} is given twice")


def _draw(
    setting: Setting,
    effects: Sequence[Sensitivity],
    indices: Sequence[SobolIndices],
    plot: Path | None,
    plot_sobol: Path | None,
) -> None:
    if plot is None and plot_sobol is None:
        return
    from analysis.soc.charts.sensitivity import sobol_figure, tornado_figure
    from analysis.soc.charts.style import save

    name, conditions = setting.base.name, f"{setting.precision}, {setting.semantics} power"
    if plot is not None:
        subtitle = f"{conditions}; each parameter over its range, the others as in the chip"
        save(tornado_figure(effects, f"What moves {name}", subtitle), plot)
    if plot_sobol is not None:
        n = indices[0].n_evaluations
        subtitle = f"{conditions}; Sobol indices of {n:,} designs, with 95 % intervals"
        title = f"What moves the designs around {name}"
        save(sobol_figure(indices, title, subtitle), plot_sobol)


def _data(
    setting: Setting, effects: Sequence[Sensitivity], indices: Sequence[SobolIndices]
) -> dict[str, object]:
    return {
        "chip": setting.base.name,
        "precision": setting.precision,
        "power": setting.semantics,
        "one_at_a_time": [effect.as_json() for effect in effects],
        "sobol": [found.as_json() for found in indices],
    }


def _effect_table(effects: Sequence[Sensitivity]) -> Table:
    from rich.table import Table

    from analysis.soc.explore.metrics import unit_of
    from analysis.units import significant

    first = effects[0]
    base = f"{significant(first.at_base, 4)} {unit_of(first.metric)}".rstrip()
    table = Table(
        title=f"{first.metric}: {base}, one parameter at a time",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("parameter")
    for name in ("range", "at low", "at high", "normalised", "elasticity"):
        table.add_column(name, justify="right")
    for effect in effects:
        table.add_row(
            effect.parameter,
            f"{effect.low:g} .. {effect.base:g} .. {effect.high:g}",
            significant(effect.at_low, 4),
            significant(effect.at_high, 4),
            f"{effect.normalised:+.3f}",
            f"{effect.elasticity:+.3f}",
        )
    return table


def _print_sobol(found: SobolIndices) -> None:
    from rich.table import Table

    from analysis.soc.explore.metrics import unit_of
    from analysis.units import percent, significant

    spread = f"{significant(found.mean, 4)} ± {significant(found.std, 3)} {unit_of(found.metric)}"
    say(f"{found.metric}: {spread.rstrip()} over {found.n_evaluations:,} designs")
    table = Table(
        title="Sobol indices",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("parameter")
    table.add_column("first order", justify="right")
    table.add_column("total", justify="right")
    for i, name in enumerate(found.parameters):
        table.add_row(
            name,
            f"{found.first[i]:.3f} ± {found.first_margin[i]:.3f}",
            f"{found.total[i]:.3f} ± {found.total_margin[i]:.3f}",
        )
    show(table)
    for a, b, index, margin in found.pairs()[:_PAIRS_SHOWN]:
        doubt = "" if abs(index) > margin else ", not told apart from 0"
        say(f"interaction {a} x {b}: {index:.3f} ± {margin:.3f}{doubt}")
    if found.n_censored:
        say(
            f"{found.n_censored:,} designs ({percent(found.n_censored / found.n_evaluations)}) get "
            f"hotter than any cooling holds: they count as the most extreme of the others"
        )
    typer.echo("")
