"""Measured ops held against the ceilings of a processor: efficiency, and what binds each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.soc.chip import formulas
from analysis.soc.chip.precision import Precision
from analysis.soc.measured.calibration import BOUNDS, Calibration, IdealTimes, calibrate
from analysis.soc.measured.measured_ops import Floats, MeasuredOps
from analysis.soc.models.performance import PerformanceModel, Processor

QUANTILES = (0.1, 0.5, 0.9)
NOISE = 0.05
"""Relative error of times and ceilings that needs no explanation."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """Ops of one kind of arithmetic, of one source.

    Attributes
    ----------
    source, dtype : str
        Whose ops.
    precision : Precision or None
        Whose peak; None where no op computes.
    rows : ndarray
        Their rows in the source, shape (n,).
    ideal : IdealTimes
        What they would take at the ceilings.
    efficiency : ndarray
        Time on the roofline by measured time, shape (n,).  Above 1 where data came from the cache.
    is_impossible : ndarray
        Whether an op was faster, by more than `NOISE`, than its peak, or than the memory delivers
        what cannot have been in the cache, shape (n,), bool.  Then a ceiling, a count or a time is
        wrong.
    calibration : Calibration
        Factors that fit these ops.
    bound : ndarray
        Index into `BOUNDS` (see `calibration`) of what takes most of the time, shape (n,).
    slowdown : ndarray
        Measured by predicted time of the calibrated model, shape (n,).
    """

    source: str
    dtype: str
    precision: Precision | None
    rows: npt.NDArray[np.intp]
    ideal: IdealTimes
    efficiency: Floats
    is_impossible: npt.NDArray[np.bool_]
    calibration: Calibration
    bound: npt.NDArray[np.intp]
    slowdown: Floats

    @property
    def n_above(self) -> int:
        """Ops above the roofline."""
        return int(np.sum(self.efficiency > 1))

    @property
    def quantiles(self) -> Mapping[float, float]:
        """Quantiles of the efficiency."""
        values = np.quantile(self.efficiency, QUANTILES).tolist()
        return dict(zip(QUANTILES, values, strict=True))

    def worst(self, n: int) -> npt.NDArray[np.intp]:
        """Positions of the ops that are slowest by the calibrated model, the worst first."""
        return np.asarray(np.argsort(-self.slowdown, kind="stable")[:n])

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "source": self.source,
            "dtype": self.dtype,
            "precision": self.precision,
            "n_ops": len(self.rows),
            "efficiency": {
                **{f"p{100 * share:.0f}": value for share, value in self.quantiles.items()},
                "max": float(self.efficiency.max()),
                "n_above_roofline": self.n_above,
                "n_impossible": int(self.is_impossible.sum()),
            },
            "calibration": self.calibration.as_json(),
        }


def assess(
    ops: MeasuredOps, processor: Processor, cache_bytes: float, dtypes: Sequence[str] = ()
) -> list[Assessment]:
    """Hold the kinds of arithmetic of a source against a processor, each on its own.

    Parameters
    ----------
    ops : MeasuredOps
        What was measured.
    processor : Processor
        Its peaks, and the bandwidth of its farthest memory level, count.
    cache_bytes : float
        Last-level cache; 0 where it is not known: then every byte is taken to be the memory's.
    dtypes : sequence of str, optional
        Only these kinds, as far as the source has them.

    Raises
    ------
    ConfigError
        If a peak is missing.
    UsageError
        If there are too few ops to calibrate with.
    """
    return [
        _assess(ops, dtype, processor, cache_bytes)
        for dtype in ops.dtypes
        if not dtypes or dtype in dtypes
    ]


def _assess(ops: MeasuredOps, dtype: str, processor: Processor, cache_bytes: float) -> Assessment:
    rows = ops.rows_of(dtype)
    flops, n_bytes, time_s = ops.flops[rows], ops.bytes_moved[rows], ops.time_s[rows]
    precision = ops.precision(dtype) if np.any(flops > 0) else None
    peak_tflops = np.inf if precision is None else processor.peak_compute(precision)
    bandwidth_gb_s = PerformanceModel(processor).bandwidth_gb_s()
    ideal = IdealTimes(
        compute_s=np.asarray(formulas.compute_time_s(flops, peak_tflops)),
        traffic_s=np.asarray(formulas.memory_time_s(n_bytes, bandwidth_gb_s)),
        is_resident=n_bytes <= cache_bytes,
    )
    calibration = calibrate(ideal, time_s, ops.cluster[rows])
    least_traffic = np.maximum(n_bytes - cache_bytes, 0)
    from_memory_s = formulas.memory_time_s(least_traffic, bandwidth_gb_s)
    return Assessment(
        source=ops.source,
        dtype=dtype,
        precision=precision,
        rows=rows,
        ideal=ideal,
        efficiency=formulas.op_time_s(ideal.compute_s, ideal.traffic_s) / time_s,
        is_impossible=formulas.op_time_s(ideal.compute_s, from_memory_s) > (1 + NOISE) * time_s,
        calibration=calibration,
        bound=calibration.bounds(ideal),
        slowdown=time_s / calibration.predicted_s(ideal),
    )


def bound_shares(assessment: Assessment) -> dict[str, float]:
    """Share of the ops that each of `BOUNDS` binds."""
    n = len(assessment.rows)
    return {name: assessment.calibration.n_bound[name] / n for name in BOUNDS}


def names(assessments: Sequence[Assessment]) -> list[str]:
    """Name each by its dtype, and by its source, too, where there are several."""
    is_one = len({one.source for one in assessments}) == 1
    return [one.dtype if is_one else f"{Path(one.source).name} {one.dtype}" for one in assessments]
