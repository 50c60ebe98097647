"""What a fit of sweeps found, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.op_model.coefficients import Coefficient
    from analysis.op_model.error_measures import ErrorMeasures

_MEASURES = ("MAPE", "RRMSE", "RMSRE", "R²")


@dataclass(frozen=True)
class FitResult:
    """The fit of one operation of one file.

    Attributes
    ----------
    path : Path
        The sweep.
    arch, op : str
        Architecture and operation.
    recipe : str
        How it was fitted; of the reference, which rows.
    training : ErrorMeasures
        On the rows of the fit.
    held_back : ErrorMeasures or None
        On rows that were held back singly; None if there are too few.
    configurations : ErrorMeasures or None
        On configurations that were held back with all their repeats.
    reference_mape : float or None
        Error of the original regression on the rows of its fit, in percent.
    coefficients : tuple of Coefficient
        The terms.
    by_recipe : dict
        Name of each recipe -> its error on rows that were held back, in percent.
    n_dropped : int
        Rows of the file without measurement.
    model : str
        Where the model was written; empty if it was not.
    """

    path: Path
    arch: str
    op: str
    recipe: str
    training: ErrorMeasures
    held_back: ErrorMeasures | None
    configurations: ErrorMeasures | None
    reference_mape: float | None
    coefficients: tuple[Coefficient, ...]
    by_recipe: dict[str, float]
    n_dropped: int
    model: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "path": str(self.path)}


def summary(results: Sequence[FitResult]) -> dict[str, float | int | None]:
    """Count fits, and take the medians of their errors in percent."""
    held_back = [r.held_back.mape for r in results if r.held_back is not None]
    references = [r.reference_mape for r in results if r.reference_mape is not None]
    return {
        "n_fits": len(results),
        "n_rows": sum(result.training.n for result in results),
        "median_mape": median(held_back) if held_back else None,
        "median_reference_mape": median(references) if references else None,
    }


def error_table(results: Sequence[FitResult], folder: Path) -> Table:
    """Draw up the errors of all fits, one per row; paths as seen from a folder above all."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("file", "operation", "recipe"):
        table.add_column(name, overflow="fold")
    for name in ("n", *_MEASURES, "repeats apart", "in sample", "original"):
        table.add_column(name, justify="right")
    for result in results:
        apart, held_back = result.configurations, result.held_back
        table.add_row(
            *(_shown(result.path, folder), f"{result.op} {result.arch}", result.recipe),
            *(str(result.training.n), *_measures(held_back)),
            "-" if apart is None or apart == held_back else _percent(apart.mape),
            _percent(result.training.mape),
            "-" if result.reference_mape is None else _percent(result.reference_mape),
        )
    return table


def coefficient_table(result: FitResult, level: float) -> Table:
    """Draw up the coefficients of one fit."""
    from rich.markup import escape
    from rich.table import Table

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
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("recipe, if always taken")
    table.add_column("MAPE", justify="right")
    for name, mape in result.by_recipe.items():
        table.add_row(name, _percent(mape))
    return table


def _shown(path: Path, folder: Path) -> str:
    return str(path.absolute().relative_to(folder))


def _measures(errors: ErrorMeasures | None) -> list[str]:
    if errors is None:
        return ["-"] * len(_MEASURES)
    return [*map(_percent, (errors.mape, errors.rrmse, errors.rmsre)), f"{errors.r2:.5f}"]


def _percent(value: float) -> str:
    return f"{value:.3g} %" if value < 100 else f"{value:,.0f} %"
