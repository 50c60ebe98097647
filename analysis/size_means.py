"""Mergeable mean duration of each distinct size: the other convention of fitting.

Earlier reshard studies fitted the line to one point per distinct size of a group: the plain mean
of the durations of all its vectors.  Metrics are then over these means, each with the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.moments import Floats, Ints, LineMoments


@dataclass(frozen=True, eq=False)
class SizeMeans:
    """One row per pair of group and size, ordered by both.

    Attributes
    ----------
    group_ids : ndarray
        Shape (k,).
    sizes : ndarray
        Shape (k,).
    n : ndarray
        Vectors of that group and size, shape (k,).
    mean_ns : ndarray
        Mean of their durations in ns, shape (k,).
    """

    group_ids: Ints
    sizes: Floats
    n: Ints
    mean_ns: Floats

    @staticmethod
    def from_arrays(group_ids: Ints, sizes: Floats, durations_ns: Floats) -> SizeMeans:
        """Average points; all arguments have shape (n,)."""
        return _averaged(group_ids, sizes, np.ones(len(sizes), np.int64), durations_ns)

    @staticmethod
    def merge(parts: Sequence[SizeMeans]) -> SizeMeans:
        """Averages over the union of disjoint sets of points."""
        if not parts:
            return SizeMeans.from_arrays(np.empty(0, np.int64), np.empty(0), np.empty(0))
        return _averaged(
            np.concatenate([part.group_ids for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.n for part in parts]),
            np.concatenate([part.mean_ns for part in parts]),
        )

    def line_moments(self) -> LineMoments:
        """Statistics of the lines through the means, unweighted."""
        return LineMoments.from_arrays(self.group_ids, self.sizes, self.mean_ns)


def _averaged(group_ids: Ints, sizes: Floats, n: Ints, mean_ns: Floats) -> SizeMeans:
    # A stable sort keeps the order of the parts among equal keys, so that sums are reproducible.
    order = np.lexsort((sizes, group_ids))
    ids, ordered = group_ids[order], sizes[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (ids[1:] != ids[:-1]) | (ordered[1:] != ordered[:-1])
    slot = np.cumsum(is_first) - 1
    n_slots = int(np.count_nonzero(is_first))
    counts = np.bincount(slot, weights=n[order], minlength=n_slots)
    first = mean_ns[order][is_first]
    # Deviations from the first mean: equal durations average to exactly themselves.
    deviations = n[order] * (mean_ns[order] - first[slot])
    mean = first + np.bincount(slot, weights=deviations, minlength=n_slots) / counts
    return SizeMeans(
        ids[is_first].astype(np.int64), ordered[is_first], counts.astype(np.int64), mean
    )
