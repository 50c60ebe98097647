"""What an exploration or a search found, as data and as text on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import typer
from rich.table import Table

from analysis.console import say, show
from analysis.soc.explore.design_space import DesignSource
from analysis.soc.explore.evaluation import DesignColumns, Setting
from analysis.soc.explore.exploration import Exploration
from analysis.soc.explore.metrics import METRICS, unit_of
from analysis.soc.explore.recommendation import Recommendation
from analysis.soc.explore.search import SearchResult
from analysis.units import duration_text, significant

_MOST_ROWS = 12
MOST_JSON_DESIGNS = 1000


def conditions(setting: Setting) -> str:
    """Say what the numbers hold for."""
    return f"{setting.precision}, {setting.semantics} power, time of {setting.workload.name}"


def headline(source: DesignSource, found: Exploration) -> str:
    """Say what came out, in one line."""
    if found.best is None:
        return f"{source.label}: no design fulfils all constraints"
    goals = {goal.name: goal for goal in (found.question.objective, *found.question.goals)}
    values = [_with_unit(name, found.best[name]) for name in goals]
    return f"Best of {source.label}: {', '.join(values[:3])}"


def _with_unit(name: str, value: float) -> str:
    unit = unit_of(name)
    return duration_text(value) if unit == "ns" else f"{significant(value)} {unit}".rstrip()


def as_data(
    source: DesignSource, setting: Setting, found: Exploration, advice: Recommendation | None
) -> dict[str, Any]:
    """Return plain data; of the front no more than `MOST_JSON_DESIGNS` designs."""
    axes = [axis.name for axis in source.sweep.axes]
    front = found.front
    counts = zip(found.question.constraints, found.n_failing, found.n_failing_only, strict=True)
    return _without_nan(
        {
            **_setting_data(source, setting),
            "goals": [goal.text for goal in found.question.goals],
            "objective": found.question.objective.text,
            "dropped": dict(source.dropped),
            "n_designs": found.n_designs,
            "n_feasible": found.n_feasible,
            "constraints": [
                {"text": constraint.text, "n_failing": n, "n_failing_only": n_only}
                for constraint, n, n_only in counts
            ],
            "best": found.best,
            "best_without": {
                constraint.text: other
                for constraint, other in zip(
                    found.question.constraints, found.best_without, strict=True
                )
            },
            "n_front": 0 if front is None else front.n,
            "front": [] if front is None else _rows(front, axes)[:MOST_JSON_DESIGNS],
            "recommendation": None if advice is None else advice.as_json(),
            "wall_s": found.wall_s,
        }
    )


def search_data(
    source: DesignSource, setting: Setting, found: SearchResult, advice: Recommendation | None
) -> dict[str, Any]:
    """Return plain data."""
    return _without_nan(
        {
            **_setting_data(source, setting),
            **asdict(found),
            "recommendation": None if advice is None else advice.as_json(),
        }
    )


def _setting_data(source: DesignSource, setting: Setting) -> dict[str, Any]:
    return {
        "space": source.label,
        "chip": setting.base.name,
        "precision": setting.precision,
        "power": setting.semantics,
        "workload": setting.workload.name,
        "n_candidates": source.n_candidates,
    }


def _rows(designs: DesignColumns, axes: list[str]) -> list[dict[str, float]]:
    names = [*axes, *METRICS]
    columns = [designs[name][:MOST_JSON_DESIGNS].tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _without_nan(data: dict[str, Any]) -> dict[str, Any]:
    """Write what is not a finite number as null, as JSON has no other word for it."""
    return {key: _or_null(value) for key, value in data.items()}


def _or_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _or_null(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_or_null(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_exploration(
    source: DesignSource, setting: Setting, found: Exploration, advice: Recommendation | None
) -> None:
    """Print counts, constraints, the front and the recommendation."""
    rate = found.n_designs / max(found.wall_s, 1e-9)
    say(
        f"{source.label}: {source.n_candidates:,} candidates, {found.n_designs:,} designs, "
        f"{found.n_feasible:,} feasible ({found.wall_s:.2f} s, {rate / 1e6:.1f} million/s)"
    )
    say(conditions(setting))
    for reason, n in source.dropped.items():
        if n:
            typer.echo(f"  {n:>14,}  {reason}")
    if found.question.constraints:
        show(_constraint_table(found))
    if found.front is not None:
        show(_front_table(found, [axis.name for axis in source.sweep.axes]))
    typer.echo("")
    for sentence in advice.words() if advice is not None else _why_nothing(found):
        say(f"- {sentence}")


def _constraint_table(found: Exploration) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("constraint")
    for name in ("broken by", "by it alone"):
        table.add_column(name, justify="right")
    for constraint, n, n_only in zip(
        found.question.constraints, found.n_failing, found.n_failing_only, strict=True
    ):
        table.add_row(constraint.text, f"{n:,}", f"{n_only:,}")
    return table


def _front_table(found: Exploration, axes: list[str]) -> Table:
    """Designs evenly over the front; axes on which all are alike are left out."""
    front = found.front
    if front is None:
        raise ValueError("there is no front")
    n_shown = min(front.n, _MOST_ROWS)
    shown = np.unique(np.linspace(0, front.n - 1, n_shown).astype(np.intp))
    some = "" if n_shown == front.n else f", {n_shown} of them"
    varied = [name for name in axes if front.n > 1 and np.ptp(front[name])] or axes
    goals = [goal.name for goal in found.question.goals]
    names = [*(name for name in varied if name not in goals), *goals]
    table = Table(
        title=f"Pareto front: {front.n:,} design{'s' if front.n != 1 else ''}{some}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in names:
        table.add_column(name, justify="right")
    for row in shown.tolist():
        table.add_row(*(_cell(float(front[name][row])) for name in names))
    return table


def _cell(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else significant(value, 4)


def _why_nothing(found: Exploration) -> list[str]:
    """Say which constraint leaves no design, and what there would be without it."""
    if not found.n_designs:
        return ["The rules leave no design: see the reasons above, and widen the space."]
    objective = found.question.objective.name
    sentences = ["No design fulfils all constraints."]
    for constraint, other, n in zip(
        found.question.constraints, found.best_without, found.n_failing_only, strict=True
    ):
        if other is not None:
            sentences.append(
                f"Without {constraint.text} there would be {n:,}, the best with {objective} "
                f"{significant(other[objective])} {unit_of(objective)}".rstrip()
                + "."
            )
    if len(sentences) == 1:
        sentences.append("Each design breaks two or more: relax several, or widen the space.")
    return sentences


def print_search(
    source: DesignSource, setting: Setting, found: SearchResult, advice: Recommendation | None
) -> None:
    """Print what was looked at and the recommendation."""
    say(
        f"{source.label}: {found.n_candidates:,} candidates; {found.n_proposed:,} proposed "
        f"({found.n_feasible:,} feasible), {found.n_climbed:,} looked at in climbs, "
        f"seed {found.seed} ({found.wall_s:.2f} s)"
    )
    say(f"{conditions(setting)}\n")
    sentences = ["No feasible design was found: relax a constraint, or give more --trials."]
    for sentence in advice.words() if advice is not None else sentences:
        say(f"- {sentence}")
