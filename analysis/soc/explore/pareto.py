"""Pareto fronts: the points that no other point betters in every respect.

A point dominates another if it is at least as good in all columns and better in one; larger is
better here.  Equal points do not dominate each other, so all copies of a best point are kept.

`front` is exact for any number of columns.  A sieve by a few good points first removes what they
dominate, which is most of an ordinary cloud.  What is left is sorted, halved and merged: rows of
the second half fall to rows of the first that are at least as good in the other columns.  The time
is O(n log n) for two columns and O(n log^(k-2) n) for k > 2.

References
----------
H. Kung, F. Luccio, F. Preparata, "On finding the maxima of a set of vectors", Journal of the ACM
22(4), 1975.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MOST_PIVOTS = 32
_SIEVE_PAYS = 0.02
"""Share of the points that a pivot must remove for another to be tried."""
_BROAD_PAIRS = 1 << 14
"""Pairs of points up to which comparing each with each is quicker than dividing."""


def front(values: Floats) -> npt.NDArray[np.intp]:
    """Find the points that none dominates.

    Parameters
    ----------
    values : ndarray
        Points, shape (n, k); larger is better in every column.

    Returns
    -------
    ndarray
        Their positions, ascending.

    Raises
    ------
    ValueError
        If a value is not finite, or there is no column.
    """
    if values.ndim != 2 or values.shape[1] == 0 or not np.isfinite(values).all():
        raise ValueError("points need at least one column, and finite values only")
    if not len(values):
        return np.empty(0, np.intp)
    left = _sieved(values)
    distinct, copy_of = _distinct_descending(values[left])
    return left[_sorted_front(distinct)[copy_of]]


def is_dominated(by: Floats, values: Floats) -> Mask:
    """Say which points are dominated by one of a front.

    Parameters
    ----------
    by : ndarray
        Points of which none dominates another, shape (m, k).
    values : ndarray
        Points, shape (n, k).

    Returns
    -------
    ndarray
        Shape (n,), bool.
    """
    if not len(by) or not len(values):
        return np.zeros(len(values), np.bool_)
    # Equal points are covered, not dominated; what is equal to one of a front, no other dominates.
    covered = _is_covered(by, values)
    suspects = np.flatnonzero(covered)
    covered[suspects[_is_among(by, values[suspects])]] = False
    return np.asarray(covered)


def _is_among(points: Floats, values: Floats) -> Mask:
    stacked = np.concatenate([points, values])
    _, inverse = np.unique(stacked, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    return np.asarray(np.isin(inverse[len(points) :], inverse[: len(points)]))


def _sieved(values: Floats) -> npt.NDArray[np.intp]:
    """Positions of the points that are left when a few good ones have removed what they beat."""
    low, high = values.min(axis=0), values.max(axis=0)
    score = ((values - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)
    left = np.arange(len(values))
    tried: set[int] = set()
    for _ in range(_MOST_PIVOTS):
        best = int(left[np.argmax(score[left])])
        if best in tried:
            break
        tried.add(best)
        score[best] = -np.inf
        pivot, points = values[best], values[left]
        beaten = (points <= pivot).all(axis=1) & (points < pivot).any(axis=1)
        n_before, left = len(left), left[~beaten]
        if n_before - len(left) < _SIEVE_PAYS * n_before:
            break
    return left


def _distinct_descending(values: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Sort rows, the largest first column first, without copies; also which row each point is."""
    order = np.lexsort(tuple(-column for column in values.T[::-1]))
    ordered = values[order]
    is_new = np.ones(len(ordered), np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    copy_of = np.empty(len(values), np.intp)
    copy_of[order] = np.cumsum(is_new) - 1
    return ordered[is_new], copy_of


def _sorted_front(points: Floats) -> Mask:
    """Mask of the front of distinct points in descending order: none is dominated by a later."""
    n, k = points.shape
    if k == 1:
        return np.asarray(np.arange(n) == 0)
    if k == 2:
        second = points[:, 1]
        before = np.concatenate([[-np.inf], np.maximum.accumulate(second)[:-1]])
        return np.asarray(second > before)
    if n * n <= _BROAD_PAIRS:
        others = points[:, 1:]
        covers = (others[:, None] >= others[None]).all(axis=2)
        return np.logical_not(np.triu(covers, 1).any(axis=0))
    half = n // 2
    on_front = np.concatenate([_sorted_front(points[:half]), _sorted_front(points[half:])])
    low = half + np.flatnonzero(on_front[half:])
    on_front[low] = ~_is_covered(points[:half][on_front[:half]][:, 1:], points[low][:, 1:])
    return on_front


def _is_covered(by: Floats, points: Floats) -> Mask:
    """Which points have one among `by` that is at least as good in all columns."""
    if not len(by) or not len(points):
        return np.zeros(len(points), np.bool_)
    k = points.shape[1]
    if k == 1:
        return np.asarray(points[:, 0] <= by[:, 0].max())
    if k == 2:
        return _is_below_staircase(by, points)
    if len(by) * len(points) <= _BROAD_PAIRS:
        return np.asarray((by[:, None] >= points[None]).all(axis=2).any(axis=0))
    first = by[:, 0]
    smallest = first.min()
    middle = np.median(first)
    if middle == smallest:
        above = first[first > smallest]
        if not len(above):
            covered = points[:, 0] <= smallest
            covered[covered] = _is_covered(by[:, 1:], points[covered][:, 1:])
            return np.asarray(covered)
        middle = above.min()
    by_high, high = first >= middle, points[:, 0] >= middle
    covered = np.empty(len(points), np.bool_)
    covered[high] = _is_covered(by[by_high], points[high])
    low = points[~high]
    covered_low = _is_covered(by[~by_high], low)
    # Better in the first column anyway: only the others are left to compare.
    open_ = ~covered_low
    covered_low[open_] = _is_covered(by[by_high][:, 1:], low[open_][:, 1:])
    covered[~high] = covered_low
    return np.asarray(covered)


def _is_below_staircase(by: Floats, points: Floats) -> Mask:
    order = np.argsort(-by[:, 0])
    best_second = np.maximum.accumulate(by[order, 1])
    n_as_good = np.searchsorted(-by[order, 0], -points[:, 0], side="right")
    stairs = np.concatenate([[-np.inf], best_second])
    return np.asarray(stairs[n_as_good] >= points[:, 1])


class RunningFront:
    """Front of points that arrive in pieces, each with a row of numbers that belong to it.

    Parameters
    ----------
    n_columns, n_more : int
        Columns of a point, and numbers that belong to it.
    """

    def __init__(self, n_columns: int, n_more: int) -> None:
        self._values = np.empty((0, n_columns))
        self._more = np.empty((0, n_more))
        self._waiting: list[tuple[Floats, Floats]] = []
        self._n_waiting = 0

    def add(self, values: Floats, more: Floats) -> None:
        """Add points, shape (n, k), and what belongs to them, shape (n, m)."""
        is_open = ~is_dominated(self._values, values)
        self._waiting.append((values[is_open], more[is_open]))
        self._n_waiting += int(is_open.sum())
        # Merging costs as much as the front is long: wait until there is as much to gain.
        if self._n_waiting > len(self._values):
            self._merge()

    def _merge(self) -> None:
        values = np.concatenate([self._values, *(waiting for waiting, _ in self._waiting)])
        more = np.concatenate([self._more, *(waiting for _, waiting in self._waiting)])
        kept = front(values)
        self._values, self._more = values[kept], more[kept]
        self._waiting, self._n_waiting = [], 0

    def result(self) -> tuple[Floats, Floats]:
        """Return the points of the front and what belongs to them, as they arrived."""
        self._merge()
        return self._values, self._more
