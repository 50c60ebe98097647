"""Global sensitivity: how much of a metric's variance each parameter explains over a space.

All parameters vary at once, each evenly over its range.  With the variance V of the metric:

=========== ==================================================================================
first order V[E(y | x_i)] / V: what x_i explains on its own
total       1 - V[E(y | all but x_i)] / V: what x_i explains together with the others
interaction what a pair explains beyond the sum of both
=========== ==================================================================================

References
----------
A. Saltelli et al., "Variance based sensitivity analysis of model output", Computer Physics
Communications 181(2), 2010: sampling and estimators, as SALib has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.soc.explore.evaluation import DesignColumns, Floats, Setting
from analysis.soc.explore.metrics import METRICS
from analysis.soc.explore.sensitivity import ParameterRange
from farm.errors import UsageError

CONFIDENCE = 0.95
MOST_CENSORED = 0.02
"""Share of the designs that may have no number."""


@dataclass(frozen=True, eq=False)
class SobolIndices:
    """Indices of one metric.

    Attributes
    ----------
    metric : str
        Which.
    parameters : tuple of str
        In the order of all arrays.
    first, total : ndarray
        Indices of first order and total indices, shape (k,).
    first_margin, total_margin : ndarray
        Half the width of their 95 % confidence intervals, shape (k,).
    second, second_margin : ndarray
        Interactions, shape (k, k), above the diagonal; not a number elsewhere.
    mean, std : float
        Of the metric over the space.
    n_evaluations, n_censored : int
        Designs that were evaluated, and those of them that no cooling holds: they count as the
        most extreme of the others.
    """

    metric: str
    parameters: tuple[str, ...]
    first: Floats
    first_margin: Floats
    total: Floats
    total_margin: Floats
    second: Floats
    second_margin: Floats
    mean: float
    std: float
    n_evaluations: int
    n_censored: int

    def pairs(self) -> list[tuple[str, str, float, float]]:
        """Interactions: two parameters, index and margin; the strongest first."""
        rows, columns = np.triu_indices(len(self.parameters), 1)
        found = [
            (
                self.parameters[i],
                self.parameters[j],
                float(self.second[i, j]),
                float(self.second_margin[i, j]),
            )
            for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        return sorted(found, key=lambda pair: -abs(pair[2]))

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        names = ("first", "first_margin", "total", "total_margin")
        return {
            "metric": self.metric,
            "mean": self.mean,
            "std": self.std,
            "n_evaluations": self.n_evaluations,
            "n_censored": self.n_censored,
            "confidence": CONFIDENCE,
            "parameters": [
                {"parameter": p, **{name: float(getattr(self, name)[i]) for name in names}}
                for i, p in enumerate(self.parameters)
            ],
            "interactions": [
                {"parameters": [a, b], "index": index, "margin": margin}
                for a, b, index, margin in self.pairs()
            ],
        }


def sobol_indices(
    setting: Setting,
    ranges: Sequence[ParameterRange],
    metrics: Sequence[str],
    n_samples: int,
    seed: int,
) -> list[SobolIndices]:
    """Estimate the indices of some metrics; all of them on the same designs.

    Parameters
    ----------
    setting : Setting
        Base chip, for all other fields, and what the metrics hold for.
    ranges : Sequence of ParameterRange
        At least two parameters, taken as continuous.
    metrics : Sequence of str
        Which.
    n_samples : int
        A power of 2: ``n_samples * (2 k + 2)`` designs are evaluated.
    seed : int
        From 0, of the sample and of the bootstrap: equal seeds give equal indices.

    Raises
    ------
    UsageError
        If SALib is missing, there are too few parameters or samples, or a metric has no number
        somewhere or is the same everywhere.
    """
    try:
        from SALib.analyze import sobol as analysis
        from SALib.sample import sobol as sampling
    except ImportError as error:
        raise UsageError(
            "Sobol indices need SALib: pip install 'sweepfarm[explore]', or leave --sobol out"
        ) from error
    if len(ranges) < 2:
        raise UsageError("Sobol indices need at least two parameters: interactions are of pairs")
    if n_samples < 2 or n_samples & (n_samples - 1):
        raise UsageError(f"--samples {n_samples}: give a power of 2, such as 1024 or 4096")
    names = [span.name for span in ranges]
    problem = {
        "num_vars": len(names),
        "names": names,
        "bounds": [[span.low, span.high] for span in ranges],
    }
    points = sampling.sample(problem, n_samples, calc_second_order=True, seed=seed)
    designs = DesignColumns(dict(zip(names, points.T, strict=True)), setting)
    found = []
    for metric in metrics:
        y, n_censored = _censored(metric, designs[metric])
        # Centred and scaled: the estimators lose digits where the mean is far from 0.  The seed
        # is never 0, which SALib takes for none.
        standard = (y - y.mean()) / y.std()
        indices = analysis.analyze(
            problem, standard, calc_second_order=True, conf_level=CONFIDENCE, seed=seed + 1
        )
        found.append(
            SobolIndices(
                metric=metric,
                parameters=tuple(names),
                first=indices["S1"],
                first_margin=indices["S1_conf"],
                total=indices["ST"],
                total_margin=indices["ST_conf"],
                second=indices["S2"],
                second_margin=indices["S2_conf"],
                mean=float(y.mean()),
                std=float(y.std()),
                n_evaluations=len(y),
                n_censored=n_censored,
            )
        )
    return found


def _censored(metric: str, y: Floats) -> tuple[Floats, int]:
    """Let the few designs without a number count as the most extreme one that has a number.

    They are those that no cooling holds, so the metric is beyond that of all others; leaving them
    out would tear holes into the sample, on whose structure the estimators rest.
    """
    is_missing = ~np.isfinite(y)
    n_missing = int(np.count_nonzero(is_missing))
    if n_missing > MOST_CENSORED * len(y):
        raise UsageError(
            f"{metric} has no number for {n_missing:,} of {len(y):,} designs, which get hotter "
            f"than they can cool; choose narrower ranges"
        )
    known = y[~is_missing]
    extreme = known.max() if METRICS[metric].sense < 0 else known.min()
    filled = np.where(is_missing, extreme, y)
    if np.ptp(filled) <= 1e-12 * abs(filled.mean()):
        raise UsageError(f"{metric} depends on none of the parameters; choose others")
    return filled, n_missing
