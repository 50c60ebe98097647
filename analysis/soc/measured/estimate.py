"""A number that came out of measurements, with the interval that it is known to."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval.

    Attributes
    ----------
    value, low, high : float
        Best value; ends of the interval, which holds the truth in 95 of 100 such experiments as
        far as the model behind it is right.
    n : int
        Ops that it rests on.
    """

    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)

    def scaled(self, factor: float) -> Estimate:
        """Return the same in another unit."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor, self.n)


def quantile_estimate(values: npt.NDArray[np.float64], share: float) -> Estimate:
    """Estimate the quantile below which a share of all values lies.

    The interval needs no assumption about their distribution: the number of values below the true
    quantile is binomial, so order statistics bound it.  Where too few values lie beyond, the
    extreme value is the end of the interval.

    Parameters
    ----------
    values : ndarray
        At least one, independent of each other.
    share : float
        Between 0 and 1.

    References
    ----------
    W. J. Conover, "Practical nonparametric statistics", 3rd edition, 1999, section 3.2.
    """
    ordered = np.sort(values)
    n = len(ordered)
    tail = (1 - CONFIDENCE) / 2
    # Ranks count from 1: P(rank r value <= quantile) = P(at least r values are below it).
    low = int(stats.binom.ppf(tail, n, share))
    high = int(stats.binom.ppf(1 - tail, n, share)) + 1
    return Estimate(
        value=float(np.quantile(ordered, share)),
        low=float(ordered[min(max(low, 1), n) - 1]),
        high=float(ordered[min(high, n) - 1]),
        n=n,
    )
