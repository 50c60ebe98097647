"""Straight lines of duration on size, per group: from statistics to coefficients and errors.

With the residuals r_i = y_i - p_i of the least-squares line p:

======== =========================================================================
r2       1 - sum r^2 / sum (y - mean y)^2; 1 where both are 0, as scikit-learn has it
rrmse    sqrt(mean r^2) / mean y
rmsre    sqrt(mean (r / y)^2)
======== =========================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.moments import Floats, LineMoments


@dataclass(frozen=True)
class LinearFit:
    """A line for one group, or the reason why there is none.

    Attributes
    ----------
    coefficient : float or None
        Slope in ns per unit of size.
    intercept_ns : float or None
        Duration at size 0 in ns.
    r2, rrmse, rmsre : float or None
        See the module's text; `rmsre` is None where a duration is 0.
    n : int
        Points of the fit.
    size_min, size_max : float or None
        Range of the fitted sizes.
    reason : str
        Why numbers are missing; empty where none is.
    """

    coefficient: float | None
    intercept_ns: float | None
    r2: float | None
    rrmse: float | None
    rmsre: float | None
    n: int
    size_min: float | None
    size_max: float | None
    reason: str = ""

    @property
    def is_fitted(self) -> bool:
        """Whether there is a line."""
        return self.coefficient is not None

    def predict_ns(self, size: float) -> float:
        """Duration on the line in ns.

        Raises
        ------
        ValueError
            If there is no line.
        """
        if self.coefficient is None or self.intercept_ns is None:
            raise ValueError(f"the group has no line: {self.reason}")
        return self.intercept_ns + self.coefficient * size


NOT_MEASURED = LinearFit(None, None, None, None, None, 0, None, None, "no vector was measured")


@dataclass(frozen=True, eq=False)
class Solution:
    """Lines of g groups as columns; not a number where a group has no line.

    Attributes
    ----------
    moments : LineMoments
        What they were computed from.
    coefficient, intercept_ns, r2, rrmse, rmsre : ndarray
        As in `LinearFit`, shape (g,).
    is_fitted : ndarray
        Which groups have a line, shape (g,), bool.
    """

    moments: LineMoments
    coefficient: Floats
    intercept_ns: Floats
    r2: Floats
    rrmse: Floats
    rmsre: Floats
    is_fitted: npt.NDArray[np.bool_]

    def fits(self) -> list[LinearFit]:
        """One `LinearFit` per group, in the order of ``moments.group_ids``."""
        m = self.moments
        columns = (
            *(self.coefficient, self.intercept_ns, self.r2, self.rrmse, self.rmsre),
            *(m.n, m.x_min, m.x_max),
        )
        return [
            LinearFit(
                coefficient=_known(coefficient),
                intercept_ns=_known(intercept_ns),
                r2=_known(r2),
                rrmse=_known(rrmse),
                rmsre=_known(rmsre),
                n=n,
                size_min=_known(size_min),
                size_max=_known(size_max),
                reason=_missing_rmsre(rmsre)
                if math.isfinite(coefficient)
                else _missing_line(n, size_min, size_max),
            )
            for coefficient, intercept_ns, r2, rrmse, rmsre, n, size_min, size_max in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]


def solve(moments: LineMoments) -> Solution:
    """Fit every group of `moments` by ordinary least squares."""
    m = moments
    slope = m.slope
    is_fitted = (m.x_max > m.x_min) & np.isfinite(slope) & np.isfinite(m.sse)
    mean_y = m.y_min + m.mean_dy
    syy = m.sse + slope * m.sxy
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(syy > 0, 1.0 - m.sse / syy, 1.0)
        rrmse = np.sqrt(m.sse / m.n) / mean_y
        rmsre = np.sqrt(np.maximum(m.relative[0], 0.0) / m.n)
        # The offsets apart from the origins: their sum would round to the spacing of the origins.
        intercept = (m.y_min - slope * m.x_min) + (m.mean_dy - slope * m.mean_dx)
    no_line = np.full_like(slope, np.nan)
    coefficient, intercept, r2, rrmse, rmsre = (
        np.where(is_fitted, column, no_line) for column in (slope, intercept, r2, rrmse, rmsre)
    )
    return Solution(m, coefficient, intercept, r2, rrmse, rmsre, is_fitted)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _missing_line(n: int, size_min: float, size_max: float) -> str:
    if size_min != size_max:  # also where they are not a number
        return "a size or a duration is not a finite number"
    if n == 1:
        return "1 point: a line needs at least 2"
    return f"all {n} points have size {size_min:.17g}"


def _missing_rmsre(rmsre: float) -> str:
    return "" if math.isfinite(rmsre) else "a duration is not positive: no relative error"
