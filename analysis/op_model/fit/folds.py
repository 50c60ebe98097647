"""Folds of cross-validation, with or without the repeats of a configuration in one fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.op_model.fit.features import SIZES, TRAITS

if TYPE_CHECKING:
    import pandas as pd

Indices = npt.NDArray[np.intp]


def configurations(rows: pd.DataFrame) -> Indices:
    """Give each distinct configuration a number, in order of appearance: shape (n,)."""
    keys = rows[[*SIZES, *TRAITS]].astype(str).agg("|".join, axis=1)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def folds(units: Indices, n_folds: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Deal out units, all rows of one together.

    Parameters
    ----------
    units : ndarray
        Unit of each row, shape (n,); each row its own for plain folds.
    n_folds : int
        How many; fewer where there are fewer units.
    seed : int
        Of the shuffle.

    Yields
    ------
    tuple of ndarray
        Indices of the rows to learn from, and of those held back.
    """
    from sklearn.model_selection import KFold

    distinct, unit_of_row = np.unique(units, return_inverse=True)
    deal = KFold(min(n_folds, len(distinct)), shuffle=True, random_state=seed)
    for _, held in deal.split(distinct):
        is_held = np.isin(unit_of_row, held)
        yield np.flatnonzero(~is_held), np.flatnonzero(is_held)
