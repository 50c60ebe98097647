"""Pure: what a profiler read costs per read and per launch, learned from reads of any sizes."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Any

import numpy as np

LEAST_READS_PER_LINE = 64
"""Reads after which the line is kept, to be compared with later reads."""

DRIFT = 0.4
"""Relative deviation of the median of the latest reads that is drift and no longer noise."""

_KEPT_PER_OCTAVE = 5
_KEPT_FOR_DRIFT = 15
_FIT_ROUNDS = 8
_LEAST_DEVIATION = 0.02
_LEAST_READ_S = 1e-9


class ReadCost:
    """The line ``read_s = fixed_s + launch_s * n_launches``, in spite of noise and outliers.

    Attributes
    ----------
    fixed_s, launch_s : float
        Seconds per read and per launch; 0 before the first read.

    Notes
    -----
    The latest few reads of each octave of launches are kept, so that many reads of one size do not
    crowd out the few that show what a small one costs.  The line has the least sum of absolute
    deviations, each relative to the median read of its octave (iteratively reweighted least
    squares); neither coefficient is negative.  From reads of one size alone, all cost is fixed.

    Reads of one size cannot tell a dearer launch from a dearer read, so that a line that followed
    them would be led astray.  It is kept after `LEAST_READS_PER_LINE` reads (but for octaves that
    it does not know yet), and `has_drifted` says when it is to be learned anew, with all sizes.
    """

    def __init__(self) -> None:
        self._octaves: dict[int, deque[tuple[int, float]]] = {}
        self._latest: deque[tuple[int, float]] = deque(maxlen=_KEPT_FOR_DRIFT)
        self._n = 0
        self.fixed_s = self.launch_s = 0.0

    def learn(self, n_launches: int, read_s: float) -> None:
        """Take in one read.

        Parameters
        ----------
        n_launches : int
            Launches that it read, at least 1.
        read_s : float
            Seconds that it took, not negative.
        """
        octave = self._octaves.setdefault(n_launches.bit_length(), deque(maxlen=_KEPT_PER_OCTAVE))
        octave.append((n_launches, read_s))
        self._latest.append((n_launches, read_s))
        self._n += 1
        if self._n <= LEAST_READS_PER_LINE or len(octave) < _KEPT_PER_OCTAVE:
            self._fit()

    @property
    def span(self) -> float:
        """Largest over smallest number of launches seen."""
        seen = [n for octave in self._octaves.values() for n, _ in octave]
        return max(seen) / min(seen) if seen else 1.0

    @property
    def has_drifted(self) -> bool:
        """Whether the latest reads cost something else than the line says."""
        if self._n <= LEAST_READS_PER_LINE:
            return False
        ratio = median(
            (read_s + _LEAST_READ_S) / (self.fixed_s + self.launch_s * n + _LEAST_READ_S)
            for n, read_s in self._latest
        )
        return abs(ratio - 1) > DRIFT

    def _fit(self) -> None:
        points = np.array([point for octave in self._octaves.values() for point in octave], float)
        scale = np.concatenate(
            [
                np.full(len(octave), max(median(s for _, s in octave), _LEAST_READ_S))
                for octave in self._octaves.values()
            ]
        )
        n, read_s = points.T
        weight = scale**-2.0
        for _ in range(_FIT_ROUNDS):
            fixed_s, launch_s = _line(n, read_s, weight)
            deviation = np.abs(read_s - fixed_s - launch_s * n) / scale
            weight = 1 / (scale**2 * np.maximum(deviation, _LEAST_DEVIATION))
        self.fixed_s, self.launch_s = fixed_s, launch_s


def _line(x: Any, y: Any, weight: Any) -> tuple[float, float]:
    """Intercept and slope of the weighted least-squares line with neither below 0."""
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = np.sum(weight * (x - x_mean) ** 2)
    slope = np.sum(weight * (x - x_mean) * (y - y_mean)) / spread if spread > 0 else 0.0
    if slope <= 0:
        return float(y_mean), 0.0
    if y_mean < slope * x_mean:
        return 0.0, float(np.sum(weight * x * y) / np.sum(weight * x * x))
    return float(y_mean - slope * x_mean), float(slope)
