"""How much of its ceilings a processor reaches: factors fitted to measured operations.

The time of an op is modelled as ::

    time = overhead + max(flops / (compute x peak), bytes / (level x bandwidth))

with four unknowns: the efficiency factors `compute` and `memory`; `cache`, which stands in place of
`memory` for ops whose whole working set fits into the last-level cache (it is relative to the
bandwidth of the memory, too, so it may be above 1); and the launch `overhead` in seconds.

They minimise the residuals of log time, so that short and long ops count alike, under the loss
``soft_l1``: quadratic for residuals well below 10 %, linear beyond.  The factors are thus those of
a *typical* op, not of the best; stragglers do not move them.

Intervals are by the delta method for M-estimators (the sandwich of Huber, 1967), summed over
clusters of ops that are not independent of each other, with Student's t.  They say how well the
typical op is known; how far single ops lie from it is `Calibration.error_quantiles`.

References
----------
P. J. Huber, "The behavior of maximum likelihood estimates under nonstandard conditions", Fifth
Berkeley Symposium, 1967.  C. Cameron, D. Miller, "A practitioner's guide to cluster-robust
inference", Journal of Human Resources 50(2), 2015.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import OptimizeResult, least_squares

from analysis.soc.measured.estimate import CONFIDENCE, Estimate
from analysis.soc.measured.measured_ops import Floats
from farm.errors import UsageError

BOUNDS = ("compute", "memory", "cache", "overhead")
"""What can bind an op, in the order of every array over them."""

_OVERHEAD = BOUNDS.index("overhead")
_SCALE = 0.1
_LEAST_OPS = 10
_LEAST_CLUSTERS = 5
_LEAST_BOUND = 5
_VISIBLE = 0.01
_MOST_DOUBT = 3.0
_GOOD_SHARES = (0.9, 0.7, 0.5)
_TOLERANCE = 1e-12
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False)
class IdealTimes:
    """What ops would take at their ceilings, as columns.

    Attributes
    ----------
    compute_s, traffic_s : ndarray
        Flops by peak; bytes by bandwidth of the memory, shape (n,).
    is_resident : ndarray
        Whether the working set fits into the last-level cache, shape (n,), bool.
    """

    compute_s: Floats
    traffic_s: Floats
    is_resident: npt.NDArray[np.bool_]

    @property
    def terms_s(self) -> Floats:
        """One row for each of `BOUNDS` but the overhead, shape (3, n)."""
        zero = np.zeros_like(self.traffic_s)
        return np.stack(
            [
                self.compute_s,
                np.where(self.is_resident, zero, self.traffic_s),
                np.where(self.is_resident, self.traffic_s, zero),
            ]
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Factors of one kind of ops on one processor.

    Attributes
    ----------
    factors : mapping
        ``compute``, ``memory``, ``cache``: share of peak or bandwidth that a typical op reaches;
        ``overhead``: seconds.  What the ops do not tell is missing.
    assumed : mapping
        What the model takes for the missing ones.
    reasons : mapping
        Why they are missing.
    n_ops : int
        Ops of the fit.
    n_bound : mapping
        Ops that each of `BOUNDS` binds.
    error_quantiles : mapping
        Quantile -> measured time by predicted time - 1.
    """

    factors: Mapping[str, Estimate]
    assumed: Mapping[str, float]
    reasons: Mapping[str, str]
    n_ops: int
    n_bound: Mapping[str, int]
    error_quantiles: Mapping[float, float]

    def terms_s(self, ideal: IdealTimes) -> Floats:
        """Time that each of `BOUNDS` takes on its own, shape (4, n)."""
        *factors, overhead = (
            self.factors[name].value if name in self.factors else self.assumed[name]
            for name in BOUNDS
        )
        overhead_s = np.full_like(ideal.traffic_s, overhead)
        return np.vstack([ideal.terms_s / np.array(factors)[:, None], overhead_s])

    def predicted_s(self, ideal: IdealTimes) -> Floats:
        """Time of a typical op, shape (n,)."""
        terms = self.terms_s(ideal)
        return np.asarray(terms[:_OVERHEAD].max(axis=0) + terms[_OVERHEAD])

    def bounds(self, ideal: IdealTimes) -> npt.NDArray[np.intp]:
        """Which of `BOUNDS` takes most of the time, shape (n,)."""
        return np.asarray(self.terms_s(ideal).argmax(axis=0))

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "factors": {name: factor.as_json() for name, factor in self.factors.items()},
            "assumed": dict(self.assumed),
            "missing": dict(self.reasons),
            "n_ops": self.n_ops,
            "n_bound": dict(self.n_bound),
            "error": {f"p{100 * share:.0f}": e for share, e in self.error_quantiles.items()},
        }


def calibrate(
    ideal: IdealTimes, time_s: Floats, cluster: npt.NDArray[np.int64] | None = None
) -> Calibration:
    """Fit the factors.

    Parameters
    ----------
    ideal : IdealTimes
        Of n ops.
    time_s : ndarray
        Measured, above 0, shape (n,).
    cluster : ndarray, optional
        Ops with equal numbers are not independent of each other, shape (n,); by default all are.

    Raises
    ------
    UsageError
        If there are too few ops.
    """
    n = len(time_s)
    clusters = np.arange(n) if cluster is None else cluster
    if n < _LEAST_OPS or len(np.unique(clusters)) < _LEAST_CLUSTERS:
        raise UsageError(
            f"{n} measured ops are too few to calibrate with: it takes at least {_LEAST_OPS}, of "
            f"{_LEAST_CLUSTERS} different shapes"
        )
    model = _Model(ideal.terms_s, time_s, clusters)
    found = model.fit()
    reasons = model.doubts(found)
    calibration = Calibration(
        factors={name: factor for name, factor in found.items() if name not in reasons},
        assumed={name: found[name].value if name in found else 1.0 for name in reasons},
        reasons=reasons,
        n_ops=n,
        n_bound={},
        error_quantiles={},
    )
    bounds = np.bincount(calibration.bounds(ideal), minlength=len(BOUNDS)).tolist()
    errors = np.quantile(time_s / calibration.predicted_s(ideal) - 1, _QUANTILES)
    return replace(
        calibration,
        n_bound=dict(zip(BOUNDS, bounds, strict=True)),
        error_quantiles=dict(zip(_QUANTILES, errors.tolist(), strict=True)),
    )


class _Model:
    """Log time as a function of the logarithms of the free factors."""

    def __init__(self, terms_s: Floats, time_s: Floats, clusters: npt.NDArray[np.int64]) -> None:
        self._terms_s, self._log_time, self._time_s = terms_s, np.log(time_s), time_s
        self._clusters = np.unique(clusters, return_inverse=True)[1].reshape(-1)
        active, is_any = terms_s.argmax(axis=0), terms_s.max(axis=0) > 0
        self._own = {name: (active == i) & is_any for i, name in enumerate(BOUNDS[:_OVERHEAD])}

    def fit(self) -> dict[str, Estimate]:
        """Estimate the overhead, and the factors that bind ops on the roofline itself.

        A factor that binds nothing at the ceilings could only explain slow ops of another kind, so
        it stays at 1.
        """
        free = (*(name for name, own in self._own.items() if own.sum() >= _LEAST_BOUND), "overhead")
        # The model has kinks where the binding term changes: the best of a few starts is taken.
        fits = [self._minimum(self._start(free, share), free) for share in _GOOD_SHARES]
        best: Floats = min(fits, key=lambda fit: fit.cost).x
        margin = self._margins(best, free)
        n_bound = self._n_active(best, free)
        return {
            name: Estimate(math.exp(x), math.exp(x - d), _exp(x + d), n)
            for name, x, d, n in zip(free, best.tolist(), margin, n_bound, strict=True)
        }

    def doubts(self, found: Mapping[str, Estimate]) -> dict[str, str]:
        """Say which factors the ops do not tell, and why."""
        shortest_s = float(self._time_s.min())
        doubts = {}
        for name in BOUNDS:
            n = found[name].n if name in found else int(self._own[name].sum())
            if n < _LEAST_BOUND:
                doubts[name] = f"it binds {n} ops, of which {_LEAST_BOUND} are needed"
            elif name == "overhead" and found[name].value < _VISIBLE * shortest_s:
                doubts[name] = f"below 1 % of the shortest op ({shortest_s * 1e6:.3g} µs)"
            elif found[name].high > _MOST_DOUBT * found[name].value:
                doubts[name] = f"known to a factor of {_MOST_DOUBT:g} at best"
        return doubts

    def _minimum(self, start: Floats, free: tuple[str, ...]) -> OptimizeResult:
        return least_squares(
            lambda x: self._residuals(x, free),
            start,
            jac=lambda x: self._jacobian(x, free),
            loss="soft_l1",
            f_scale=_SCALE,
            ftol=_TOLERANCE,
            xtol=_TOLERANCE,
            gtol=_TOLERANCE,
        )

    def _start(self, free: tuple[str, ...], good_share: float) -> Floats:
        """Start from what good ops reach, and from a part of the shortest time."""
        start = []
        for name in free:
            if name == "overhead":
                start.append(good_share * float(self._time_s.min()))
            else:
                own = self._own[name]
                reached = self._terms_s[BOUNDS.index(name), own] / self._time_s[own]
                start.append(float(np.quantile(reached, good_share)))
        return np.log(start)

    def _parts(
        self, x: Floats, free: tuple[str, ...]
    ) -> tuple[Floats, npt.NDArray[np.intp], Floats]:
        """Overhead and largest term of each op, and which term that is."""
        value = dict(zip(free, np.exp(x).tolist(), strict=True))
        factors = np.array([value.get(name, 1.0) for name in BOUNDS[:_OVERHEAD]])
        terms = self._terms_s / factors[:, None]
        active = terms.argmax(axis=0)
        largest = terms.max(axis=0)
        return largest, active, largest + value.get("overhead", 0.0)

    def _residuals(self, x: Floats, free: tuple[str, ...]) -> Floats:
        return self._log_time - np.log(self._parts(x, free)[2])

    def _jacobian(self, x: Floats, free: tuple[str, ...]) -> Floats:
        largest, active, total = self._parts(x, free)
        share = largest / total
        return np.stack(
            [
                share - 1.0 if name == "overhead" else share * (active == BOUNDS.index(name))
                for name in free
            ],
            axis=1,
        )

    def _n_active(self, x: Floats, free: tuple[str, ...]) -> list[int]:
        _, active, _ = self._parts(x, free)
        n = len(active)
        return [n if f == "overhead" else int(np.sum(active == BOUNDS.index(f))) for f in free]

    def _margins(self, x: Floats, free: tuple[str, ...]) -> list[float]:
        """Half the width of each interval, in the logarithm."""
        residuals, jacobian = self._residuals(x, free), self._jacobian(x, free)
        relative = 1 + (residuals / _SCALE) ** 2
        bread = np.linalg.pinv((jacobian / relative[:, None] ** 1.5).T @ jacobian, hermitian=True)
        scores = np.zeros((int(self._clusters.max()) + 1, len(free)))
        np.add.at(scores, self._clusters, jacobian * (residuals / np.sqrt(relative))[:, None])
        n_clusters = len(scores)
        degrees = max(1, n_clusters - len(free))
        covariance = bread @ (scores.T @ scores) @ bread * n_clusters / degrees
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees))
        variances = np.maximum(np.diag(covariance), 0.0)
        margins: list[float] = (quantile * np.sqrt(variances)).tolist()
        return margins


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0))
