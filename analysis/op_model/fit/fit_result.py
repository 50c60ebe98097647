"""What a fit of a sweep found, and of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.op_model.error_measures import ErrorMeasures
    from analysis.op_model.fit.coefficients import Coefficient


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
