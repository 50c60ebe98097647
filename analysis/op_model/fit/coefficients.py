"""Coefficients with what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.op_model.fit.relative_least_squares import bootstrap

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

N_RESAMPLES = 200


@dataclass(frozen=True)
class Coefficient:
    """One term of a linear model.

    Attributes
    ----------
    term : str
        Name, see `analysis.op_model.fit.features`; in brackets the level that it is for.
    cycles : float
        Cycles per unit of the term.
    standard_error : float
        Standard deviation over resamples of the data.
    low, high : float
        Percentile interval of the resamples.
    """

    term: str
    cycles: float
    standard_error: float
    low: float
    high: float


def resampled_coefficients(
    names: Sequence[str],
    values: Floats,
    solve: Callable[[Indices], Floats],
    units: Indices,
    level: float,
) -> tuple[Coefficient, ...]:
    """Find errors and intervals of fitted coefficients by fitting resamples.

    Parameters
    ----------
    names : Sequence of str
        Names of the k terms.
    values : ndarray
        Coefficients on all rows, shape (k,).
    solve : Callable
        From the indices of some rows to their coefficients, shape (k,).
    units : ndarray
        Which rows belong together, shape (n,).
    level : float
        Of the intervals, such as 0.9.
    """
    resamples = bootstrap(solve, units, N_RESAMPLES)
    tail = (1 - level) / 2
    low, high = np.quantile(resamples, [tail, 1 - tail], axis=0)
    errors = resamples.std(axis=0, ddof=1)
    columns = (column.tolist() for column in (values, errors, low, high))
    return tuple(Coefficient(*row) for row in zip(names, *columns, strict=True))
