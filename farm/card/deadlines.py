"""Pure: how long a vector may take, learned from those that came back.

A sweep's `timeout_s` must allow for its slowest vector; a hang among kernels of 100 us should not
cost that much.  Each group remembers the longest time and the highest time per size that it has
seen, without the warm-up where a device warms up apart (`farm.devices.device.WarmingDevice`):
compiling a kernel takes as long as it takes, and the timeout is for that.  The larger of the two
predictions, times a generous factor, is the deadline; never below a floor, never above the sweep's
timeout.  Where the group is not known yet, all groups together predict, with more patience; until
anything is known, the timeout holds.  A trial, which decides a vector's fate, is given that
patience, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MIN_SEEN = 3
"""Vectors that a group must have seen before its deadlines tighten."""

PATIENCE = 10.0
"""Trials, and vectors of unknown groups, may take so many times the deadline that is predicted."""


@dataclass
class _Group:
    n: int = 0
    longest_s: float = 0.0
    highest_rate: float = 0.0


class DeadlineModel:
    """Deadlines of one card.

    Parameters
    ----------
    timeout_s : float
        The sweep's: no deadline is later.
    floor_s : float
        No tightened deadline is earlier.
    factor : float
        Deadline over predicted time.
    """

    def __init__(self, timeout_s: float, floor_s: float, factor: float) -> None:
        self._timeout_s, self._floor_s, self._factor = timeout_s, floor_s, factor
        self._groups: dict[int, _Group] = {}
        self._all = _Group()

    def learn(
        self,
        groups: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.float64],
        wall_s: npt.NDArray[np.float64],
        is_measured: npt.NDArray[np.bool_],
    ) -> None:
        """Take in vectors that came back.

        Parameters
        ----------
        groups, sizes, wall_s : ndarray
            Group id, size and wall time in seconds of each, shape (n,).
        is_measured : ndarray
            Whether each ran to its end, shape (n,).  How soon others failed says nothing about how
            long a vector takes.
        """
        for group_id in np.unique(groups):
            is_member = groups == group_id
            rates = wall_s[is_member] / np.maximum(sizes[is_member], 1.0)
            for known in (self._groups.setdefault(int(group_id), _Group()), self._all):
                known.n += int(np.count_nonzero(is_member & is_measured))
                known.longest_s = max(known.longest_s, float(wall_s[is_member].max()))
                known.highest_rate = max(known.highest_rate, float(rates.max()))

    def deadlines_s(
        self, groups: npt.NDArray[np.int64], sizes: npt.NDArray[np.float64], is_trial: bool = False
    ) -> npt.NDArray[np.float64]:
        """Longest time that each vector may take, seconds, shape (n,)."""
        deadlines = np.full(len(groups), self._timeout_s)
        for group_id in np.unique(groups):
            known = self._groups.get(int(group_id), self._all)
            if known.n < MIN_SEEN:
                known = self._all
            if known.n < MIN_SEEN:
                continue
            patience = PATIENCE if is_trial or known is self._all else 1.0
            is_member = groups == group_id
            predicted_s = np.maximum(known.longest_s, known.highest_rate * sizes[is_member])
            tightened_s = np.maximum(self._factor * predicted_s, self._floor_s) * patience
            deadlines[is_member] = np.minimum(tightened_s, self._timeout_s)
        return deadlines
