"""Straight lines of duration on size, per group: from statistics to coefficients and errors.

With the residuals r_i = y_i - p_i of the least-squares line p:

======== =========================================================================
r2       1 - sum r^2 / sum (y - mean y)^2; 1 where both are 0, as scikit-learn has it
rrmse    sqrt(mean r^2) / mean y
rmsre    sqrt(mean (r / y)^2)
======== =========================================================================
"""

from __future__ import annotations

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
    n : int
        Points of the fit.
    r2, rrmse, rmsre : float or None
        See the module's text; `rmsre` is None where a duration is 0.
    size_min, size_max : float or None
        Range of the fitted sizes.
    reason : str
        Why numbers are missing; empty where none is.
    """

    coefficient: float | None
    intercept_ns: float | None
    n: int
    r2: float | None
    rrmse: float | None
    rmsre: float | None
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


NOT_MEASURED = LinearFit(None, None, 0, None, None, None, None, None, "no vector was measured")


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
        rows = zip(
            *(
                column.tolist()
                for column in (
                    *(self.coefficient, self.intercept_ns, m.n, self.r2, self.rrmse, self.rmsre),
                    *(m.x_min, m.x_max, self.is_fitted),
                )
            ),
            strict=True,
        )
        return [_row(*row) for row in rows]


def solve(moments: LineMoments) -> Solution:
    """Fit every group of `moments` by ordinary least squares."""
    m = moments
    is_fitted = m.x_max > m.x_min
    slope = m.slope
    mean_y = m.y_min + m.mean_dy
    syy = m.sse + slope * m.sxy
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(syy > 0, 1.0 - m.sse / syy, 1.0)
        rrmse = np.sqrt(m.sse / m.n) / mean_y
        rmsre = np.sqrt(np.maximum(m.relative[0], 0.0) / m.n)
        # The offsets apart from the origins: their sum would round to the spacing of the origins.
        intercept = (m.y_min - slope * m.x_min) + (m.mean_dy - slope * m.mean_dx)
    columns = [
        np.where(is_fitted, column, np.nan) for column in (slope, intercept, r2, rrmse, rmsre)
    ]
    return Solution(m, *columns, is_fitted=is_fitted)


def _row(
    coefficient: float,
    intercept_ns: float,
    n: int,
    r2: float,
    rrmse: float,
    rmsre: float,
    size_min: float,
    size_max: float,
    is_fitted: bool,
) -> LinearFit:
    if not is_fitted:
        reason = (
            "1 point: a line needs at least 2"
            if n == 1
            else f"all {n} points have size {size_min:.17g}"
        )
        return LinearFit(None, None, n, None, None, None, size_min, size_max, reason)
    missing = "" if np.isfinite(rmsre) else "a duration is not positive: no relative error"
    return LinearFit(
        coefficient,
        intercept_ns,
        n,
        r2,
        rrmse if np.isfinite(rrmse) else None,
        rmsre if np.isfinite(rmsre) else None,
        size_min,
        size_max,
        missing,
    )
