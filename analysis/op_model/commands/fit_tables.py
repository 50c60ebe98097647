"""Tables of what fits of sweeps found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from analysis.op_model.commands.numerals import percent

if TYPE_CHECKING:
    from analysis.op_model.error_measures import ErrorMeasures
    from analysis.op_model.fit.fit_result import FitResult

_MEASURES = ("MAPE", "RRMSE", "RMSRE", "R²")


def error_table(results: Sequence[FitResult], folder: Path) -> Table:
    """Draw up the errors of all fits, one per row; paths as seen from a folder above all."""
    table = Table(box=None, pad_edge=False)
    for name in ("file", "operation", "recipe"):
        table.add_column(name, overflow="fold")
    for name in ("n", *_MEASURES, "repeats apart", "in sample", "original"):
        table.add_column(name, justify="right")
    for result in results:
        apart, held_back = result.configurations, result.held_back
        table.add_row(
            *(escape(_shown(result.path, folder)), f"{result.op} {result.arch}", result.recipe),
            *(str(result.training.n), *_measures(held_back)),
            "-" if apart is None or apart == held_back else percent(apart.mape),
            percent(result.training.mape),
            "-" if result.reference_mape is None else percent(result.reference_mape),
        )
    return table


def coefficient_table(result: FitResult, level: float) -> Table:
    """Draw up the coefficients of one fit."""
    title = f"{result.path.name}, {result.op}: {result.recipe}"
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    table.add_column("term")
    for name in ("cycles", "standard error", f"{100 * level:.0f} % from", "to"):
        table.add_column(name, justify="right")
    for item in result.coefficients:
        numbers = (item.cycles, item.standard_error, item.low, item.high)
        table.add_row(escape(item.term), *(f"{number:,.5g}" for number in numbers))
    return table


def recipe_table(result: FitResult) -> Table:
    """Draw up what each recipe would have reached."""
    table = Table(box=None, pad_edge=False)
    table.add_column("recipe, if always taken")
    table.add_column("MAPE", justify="right")
    for name, mape in result.by_recipe.items():
        table.add_row(name, percent(mape))
    return table


def _shown(path: Path, folder: Path) -> str:
    return str(path.absolute().relative_to(folder))


def _measures(errors: ErrorMeasures | None) -> list[str]:
    if errors is None:
        return ["-"] * len(_MEASURES)
    return [*map(percent, (errors.mape, errors.rrmse, errors.rmsre)), f"{errors.r2:.5f}"]
