"""Ceilings of a machine as its own sweeps show them: peak per data type, bandwidth per level.

A ceiling is the 95th percentile of the rates of the ops that can show it, each the median over its
launches: no single lucky or disturbed launch decides, and at most one op in twenty lies above.

========= =====================================================================================
ceiling   ops that can show it
========= =====================================================================================
memory    copies (ops without flops) that move at least four times the last-level cache, so that
          at most a part of the data can come from it (the rule of STREAM)
cache     copies whose working set takes at most half of the last-level cache
peak      ops with flops, of one data type, that use less than half of their level's bandwidth
========= =====================================================================================

Bytes are those that an op must move.  A processor that first reads the lines it is going to
overwrite moves half as many again in a copy; its bandwidth for reads is then higher than this.

References
----------
J. McCalpin, "Memory bandwidth and machine balance in current high performance computers", IEEE
TCCA Newsletter, 1995 (STREAM).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.soc.chip.precision import Precision
from analysis.soc.measured.estimate import Estimate, quantile_estimate
from analysis.soc.measured.measured_ops import MIB, Floats, MeasuredOps
from analysis.soc.models.performance import Ceilings
from farm.errors import UsageError

SHARE = 0.95
MEMORY, CACHE = "memory", "cache"

_LEAST_OPS = 5
_COPY_COLUMNS = 4096
_BEYOND_CACHE = 4.0
_WELL_WITHIN_CACHE = 0.5
_BANDWIDTH_BOUND = 0.5


@dataclass(frozen=True, eq=False)
class MeasuredCeilings:
    """Ceilings with their uncertainty.

    Attributes
    ----------
    system, conditions : str
        What they are of, and for which cores, caches and software.
    peak_tflops : mapping
        By precision.
    memory_levels : mapping
        Bandwidth in GB/s: ``memory``, and ``cache`` where copies fit into it.
    cache_bytes : float
        Last-level cache; 0 where it is not known.
    """

    system: str
    conditions: str
    peak_tflops: Mapping[Precision, Estimate]
    memory_levels: Mapping[str, Estimate]
    cache_bytes: float

    @property
    def processor(self) -> Ceilings:
        """The same without uncertainty, for rooflines."""
        return Ceilings(
            name=self.system,
            peak_tflops={p: peak.value for p, peak in self.peak_tflops.items()},
            memory_levels={name: level.value for name, level in self.memory_levels.items()},
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "system": self.system,
            "conditions": self.conditions,
            "cache_bytes": self.cache_bytes,
            "peak_tflops": {p: peak.as_json() for p, peak in self.peak_tflops.items()},
            "memory_gb_s": {name: level.as_json() for name, level in self.memory_levels.items()},
        }


def measured_ceilings(sources: Sequence[MeasuredOps]) -> MeasuredCeilings:
    """Find the ceilings of the machine that measured some sweeps.

    Parameters
    ----------
    sources : sequence of MeasuredOps
        At least one of copies; those of other ops give the peaks.

    Raises
    ------
    UsageError
        If the sources are of different machines, or cannot show the memory's bandwidth.
    """
    first = sources[0]
    for other in sources[1:]:
        if (other.system, other.conditions) != (first.system, first.conditions):
            raise UsageError(
                f"{first.source} and {other.source} were measured under different conditions, so "
                f"they have no ceilings in common: {first.system}, {first.conditions}; "
                f"{other.system}, {other.conditions}"
            )
    cache_bytes = max(source.cache_bytes for source in sources)
    levels = _memory_levels(sources, cache_bytes)
    return MeasuredCeilings(
        system=first.system,
        conditions=first.conditions,
        peak_tflops=_peaks(sources, levels, cache_bytes),
        memory_levels={name: level.scaled(1e-9) for name, level in levels.items()},
        cache_bytes=cache_bytes,
    )


def _memory_levels(sources: Sequence[MeasuredOps], cache_bytes: float) -> dict[str, Estimate]:
    n_bytes, rates = (
        np.concatenate(columns)
        for columns in zip(*(_copies(source) for source in sources), strict=True)
    )
    beyond = n_bytes >= _BEYOND_CACHE * cache_bytes
    within = n_bytes <= _WELL_WITHIN_CACHE * cache_bytes
    if beyond.sum() < _LEAST_OPS:
        raise _too_few_copies(sources, _BEYOND_CACHE * cache_bytes, n_bytes[beyond])
    levels = {MEMORY: quantile_estimate(rates[beyond], SHARE)}
    if within.sum() >= _LEAST_OPS:
        levels[CACHE] = quantile_estimate(rates[within], SHARE)
    return levels


def _too_few_copies(
    sources: Sequence[MeasuredOps], least_bytes: float, found_bytes: Floats
) -> UsageError:
    """Say what is missing, and how to measure it."""
    # A copy of float32 moves 8 bytes per element.
    least_rows = max(1, math.ceil(least_bytes / (8 * _COPY_COLUMNS)))
    shapes = (f"{math.ceil(least_rows * (1 + i / 4))}x{_COPY_COLUMNS}" for i in range(_LEAST_OPS))
    return UsageError(
        f"the bandwidth of the memory needs {_LEAST_OPS} copies that move at least "
        f"{least_bytes / MIB:.0f} MiB, four times the last-level cache; "
        f"{', '.join(source.source for source in sources)} has {len(found_bytes)}. Measure some: "
        f"farm run memcpy --limit layout=copy --limit dtype=float32 --limit "
        f"'shape:={','.join(shapes)}', or name a chip with --chip"
    )


def _copies(source: MeasuredOps) -> tuple[Floats, Floats]:
    of = source.flops == 0
    return source.bytes_moved[of], source.bytes_moved[of] / source.time_s[of]


def _peaks(
    sources: Sequence[MeasuredOps], levels: Mapping[str, Estimate], cache_bytes: float
) -> dict[Precision, Estimate]:
    found: dict[Precision, list[Estimate]] = {}
    for source in sources:
        shows = (source.flops > 0) & ~_is_bandwidth_bound(source, levels, cache_bytes)
        for dtype in source.dtypes:
            of = shows & (source.dtype == dtype)
            if of.sum() >= _LEAST_OPS:
                peak = quantile_estimate(source.flops[of] / source.time_s[of] * 1e-12, SHARE)
                found.setdefault(source.precision(dtype), []).append(peak)
    return {p: max(found[p], key=lambda peak: peak.value) for p in Precision if p in found}


def _is_bandwidth_bound(
    source: MeasuredOps, levels: Mapping[str, Estimate], cache_bytes: float
) -> npt.NDArray[np.bool_]:
    cache = levels.get(CACHE, levels[MEMORY]).value
    available = np.where(source.bytes_moved <= cache_bytes, cache, levels[MEMORY].value)
    return np.asarray(source.bytes_moved / source.time_s >= _BANDWIDTH_BOUND * available)
