"""Mergeable, centred sufficient statistics of straight lines, for many groups at once.

For the points (x, y) of each group `LineMoments` holds

* ``n``, the smallest x and y, and the means as offsets from them, so that x around 2^30 with a
  spread of a few units loses no digits: differences of the origins are exact;
* ``sxx`` = sum (x - mean x)^2 and ``sxy`` = sum (x - mean x)(y - mean y);
* ``sse``, the squared residuals of the group's own least-squares line, kept instead of ``syy`` =
  sse + sxy^2/sxx, because that difference would cancel where a line fits well;
* ``relative``, the second moments of (e, u, v) with e = residual/y, u = 1/y, v = (x - mean x)/y:
  they give the relative error of *any* line, hence of the merged group's line.

Raw sums (sum x^2 ...) are never formed.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque (1983), "Algorithms for computing the sample
   variance", The American Statistician 37(3): corrected two-pass sums and pairwise merging.  The
   merging of ``sse`` is the analysis of variance of the union: each part adds its own sse,
   sxx_i (b_i - b)^2 for the slope it gives up and n_i (distance of its mean from the line)^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LineMoments:
    """Statistics of g groups; see the module's text.

    Attributes
    ----------
    group_ids : ndarray
        Ascending, distinct, shape (g,).
    n : ndarray
        Points per group, at least 1, shape (g,).
    x_min, x_max, y_min : ndarray
        Extremes, shape (g,).
    mean_dx, mean_dy : ndarray
        Means of x - x_min and y - y_min, shape (g,).
    sxx, sxy : ndarray
        Centred second moments, shape (g,).
    sse : ndarray
        Sum of squared residuals of the least-squares line; of the mean where x is constant.
    relative : ndarray
        Sums of ee, eu, ev, uu, uv, vv over the points, shape (6, g); not finite in groups with a y
        that is not positive.
    """

    group_ids: Ints
    n: Ints
    x_min: Floats
    x_max: Floats
    y_min: Floats
    mean_dx: Floats
    mean_dy: Floats
    sxx: Floats
    sxy: Floats
    sse: Floats
    relative: Floats

    @property
    def slope(self) -> Floats:
        """Least-squares slope; 0 where x is constant.  Shape (g,)."""
        return _ratio(self.sxy, self.sxx)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    @staticmethod
    def from_arrays(group_ids: Ints, x: Floats, y: Floats) -> LineMoments:
        """Statistics of points.

        Parameters
        ----------
        group_ids : ndarray
            Group of each point, shape (n,).
        x, y : ndarray
            Finite coordinates, shape (n,).
        """
        ids, inverse = np.unique(group_ids, return_inverse=True)
        group = _Grouping(inverse, len(ids))
        x_min, y_min = group.smallest(x), group.smallest(y)
        n = group.counts()
        mean_dx, cx = group.centred(x - x_min[inverse], n)
        mean_dy, cy = group.centred(y - y_min[inverse], n)
        sxx, sxy = group.sums(cx * cx), group.sums(cx * cy)
        residual = cy - _ratio(sxy, sxx)[inverse] * cx
        u = np.divide(1.0, y, out=np.full_like(y, np.nan), where=y > 0)
        e, v = residual * u, cx * u
        relative = np.stack(
            [group.sums(product) for product in (e * e, e * u, e * v, u * u, u * v, v * v)]
        )
        return LineMoments(
            group_ids=ids.astype(np.int64),
            n=n,
            x_min=x_min,
            x_max=group.largest(x),
            y_min=y_min,
            mean_dx=mean_dx,
            mean_dy=mean_dy,
            sxx=sxx,
            sxy=sxy,
            sse=group.sums(residual * residual),
            relative=relative,
        )

    @staticmethod
    def merge(parts: Sequence[LineMoments]) -> LineMoments:
        """Statistics of the union of disjoint sets of points.

        The result depends on the order of `parts` in the last digits only; the same order gives
        the same bits, whatever other groups the parts hold.
        """
        if not parts:
            empty = np.empty(0)
            return LineMoments.from_arrays(np.empty(0, np.int64), empty, empty)
        part = LineMoments(
            **{
                field.name: np.concatenate([getattr(p, field.name) for p in parts], axis=-1)
                for field in fields(LineMoments)
            }
        )
        ids, inverse = np.unique(part.group_ids, return_inverse=True)
        group = _Grouping(inverse, len(ids))
        x_min, y_min = group.smallest(part.x_min), group.smallest(part.y_min)
        n = group.sums(part.n)
        mean_dx, cx = group.centred(part.x_min - x_min[inverse] + part.mean_dx, n, part.n)
        mean_dy, cy = group.centred(part.y_min - y_min[inverse] + part.mean_dy, n, part.n)
        sxx = group.sums(part.sxx + part.n * cx * cx)
        sxy = group.sums(part.sxy + part.n * cx * cy)
        slope = _ratio(sxy, sxx)[inverse]
        turn = part.slope - slope
        shift = cy - slope * cx
        return LineMoments(
            group_ids=ids,
            n=n.astype(np.int64),
            x_min=x_min,
            x_max=group.largest(part.x_max),
            y_min=y_min,
            mean_dx=mean_dx,
            mean_dy=mean_dy,
            sxx=sxx,
            sxy=sxy,
            sse=group.sums(part.sse + part.sxx * turn * turn + part.n * shift * shift),
            relative=_merged_relative(group, part.relative, turn, shift, cx),
        )


def _merged_relative(
    group: _Grouping, relative: Floats, turn: Floats, shift: Floats, cx: Floats
) -> Floats:
    """Re-express each part's relative moments about the union's line and mean, then add.

    With e' = e + shift u + turn v and v' = v + cx u the moments of (e', u, v') are quadratic forms
    of those of (e, u, v).
    """
    ee, eu, ev, uu, uv, vv = relative
    eu_new = eu + shift * uu + turn * uv
    ev_old = ev + shift * uv + turn * vv
    ee_new = ee + shift * (eu + eu_new) + turn * (ev + ev_old)
    moments = (
        ee_new,
        eu_new,
        ev_old + cx * eu_new,
        uu,
        uv + cx * uu,
        vv + cx * (2.0 * uv + cx * uu),
    )
    return np.stack([group.sums(moment) for moment in moments])


@dataclass(frozen=True)
class _Grouping:
    """Reductions over the elements of each group, in the order of the elements."""

    inverse: npt.NDArray[np.intp]
    n_groups: int

    def counts(self) -> Ints:
        return np.bincount(self.inverse, minlength=self.n_groups).astype(np.int64)

    def sums(self, values: npt.NDArray[np.float64 | np.int64]) -> Floats:
        added = np.bincount(self.inverse, weights=values, minlength=self.n_groups)
        return added.astype(np.float64, copy=False)  # of nothing it is int64

    def smallest(self, values: Floats) -> Floats:
        result = np.full(self.n_groups, np.inf)
        np.minimum.at(result, self.inverse, values)
        return result

    def largest(self, values: Floats) -> Floats:
        result = np.full(self.n_groups, -np.inf)
        np.maximum.at(result, self.inverse, values)
        return result

    def centred(
        self, values: Floats, n: Floats | Ints, weights: Ints | None = None
    ) -> tuple[Floats, Floats]:
        """Means per group, shape (g,), and deviations from them; corrected for rounding."""
        weight = np.ones(1) if weights is None else weights
        mean = self.sums(values * weight) / n
        rest = self.sums((values - mean[self.inverse]) * weight) / n
        mean = mean + rest
        return mean, values - mean[self.inverse]


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
