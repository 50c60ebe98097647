"""What a workload meets on a chip: attainable peak, bandwidth, cache and launch overhead."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from analysis.soc.chip import formulas
from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.public_chips import Chip
from analysis.soc.models.performance import PerformanceModel, Processor
from analysis.soc.models.power import PowerModel
from analysis.soc.workload.ops import Op
from farm.errors import FormatError

RESOURCES = ("compute", "memory", "cache", "overhead")
"""What a chip could have more of; less, of the launch overhead."""


@dataclass(frozen=True)
class Reach:
    """How much of its ceilings a chip reaches in one precision: 1, 1, 0 on paper.

    Attributes
    ----------
    compute, memory : float
        Share of the peak, and of the memory's bandwidth.
    overhead_s : float
        Time that a launch costs beside the work.
    """

    compute: float = 1.0
    memory: float = 1.0
    overhead_s: float = 0.0


@dataclass(frozen=True)
class OpTime:
    """Where the time of one run of an op goes; computing and moving data overlap.

    Attributes
    ----------
    flops, n_bytes : float
        Work, and traffic between memory and chip.
    compute_s, memory_s, overhead_s : float
        What each takes on its own.
    """

    flops: float
    n_bytes: float
    compute_s: float
    memory_s: float
    overhead_s: float

    @property
    def time_s(self) -> float:
        """Overhead, then the longer of computing and moving data."""
        return float(formulas.op_time_s(self.compute_s, self.memory_s, self.overhead_s))

    @property
    def bound(self) -> str:
        """What takes most of the time: ``compute``, ``memory`` or ``overhead``."""
        if self.overhead_s > max(self.compute_s, self.memory_s):
            return "overhead"
        return "compute" if self.compute_s >= self.memory_s else "memory"


@dataclass(frozen=True)
class Machine:
    """A processor with the factors that hold for it.

    Attributes
    ----------
    processor : Processor
        Its peaks, and the bandwidth of its farthest memory level.
    cache_bytes : float
        What it holds on the chip; infinite where that is not known, so that every operand is
        counted once.
    soc : SoCConfig or None
        Its structure, which its power follows from; None where that is not public.
    reach : mapping
        By precision; what is missing is reached in full.
    scale : mapping
        Resource -> how many times as much of it there is as `processor` has.
    """

    processor: Processor
    cache_bytes: float = math.inf
    soc: SoCConfig | None = None
    reach: Mapping[Precision, Reach] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 1.0))

    @staticmethod
    def of(processor: Processor, reach: Mapping[Precision, Reach] | None = None) -> Machine:
        """Make the machine of a configuration, a published chip or measured ceilings."""
        soc = processor if isinstance(processor, SoCConfig) else None
        cache_mb = None if soc is None else soc.total_l2_mb
        if isinstance(processor, Chip):
            soc, cache_mb = processor.design, processor.cache_mb
        cache_bytes = math.inf if cache_mb is None else cache_mb * 1e6
        return Machine(processor, cache_bytes, soc, reach or {})

    def with_more(self, resource: str, factor: float) -> Machine:
        """Return the machine with `factor` times as much of one of `RESOURCES`."""
        scale = MappingProxyType({**self.scale, resource: self.scale[resource] * factor})
        return replace(self, scale=scale)

    @property
    def bandwidth_gb_s(self) -> float:
        """Bandwidth of the memory."""
        return PerformanceModel(self.processor).bandwidth_gb_s() * self.scale["memory"]

    def time(self, op: Op) -> OpTime:
        """Predict one run of an op.

        Raises
        ------
        ConfigError
            If the chip does not have the op's precision.
        """
        reach = self.reach.get(op.precision, Reach())
        flops, n_bytes = op.flops, op.bytes_moved(self.cache_bytes * self.scale["cache"])
        compute_s = 0.0
        if flops:
            peak_tflops = self._peak_tflops(op.precision) * reach.compute
            compute_s = float(formulas.compute_time_s(flops, peak_tflops))
        return OpTime(
            flops=flops,
            n_bytes=n_bytes,
            compute_s=compute_s,
            memory_s=float(formulas.memory_time_s(n_bytes, self.bandwidth_gb_s * reach.memory)),
            overhead_s=reach.overhead_s / self.scale["overhead"],
        )

    def power_w(self, op: Op, spent: OpTime) -> float | None:
        """Mean power while an op runs, from the rates it reaches; None where that is not known.

        Raises
        ------
        ThermalRunawayError
            If no junction temperature holds.
        """
        if self.soc is None:
            return None
        compute = 0.0
        if spent.flops:
            at_peak_s = formulas.compute_time_s(spent.flops, self._peak_tflops(op.precision))
            compute = float(at_peak_s / spent.time_s)
        memory = float(formulas.memory_time_s(spent.n_bytes, self.bandwidth_gb_s) / spent.time_s)
        precision = op.precision if op.precision in self.soc.precisions else None
        parts = PowerModel(self.soc).parts(
            min(1.0, compute), precision, memory_utilization=min(1.0, memory)
        )
        return float(parts.total_w)

    def _peak_tflops(self, precision: Precision) -> float:
        return self.processor.peak_compute(precision) * self.scale["compute"]


def read_reach(path: Path) -> dict[Precision, Reach]:
    """Read the factors that ``farm soc calibrate --json`` printed.

    Raises
    ------
    FormatError
        If the file is anything else, or has more than one set of factors for a precision.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found: dict[Precision, Reach] = {}
        origin: dict[Precision, str] = {}
        for entry in content["assessments"]:
            if entry["precision"] is None:
                continue
            precision = Precision.parse(entry["precision"])
            if precision in found:
                raise FormatError(
                    f"{path}: there are factors for {precision} from {origin[precision]} and from "
                    f"{entry['dtype']}; calibrate with one of them: --dtype {entry['dtype']}"
                )
            found[precision] = _reach(entry["calibration"]["factors"])
            origin[precision] = entry["dtype"]
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise FormatError(
            f"{path} is not what farm soc calibrate --json prints: {error}"
        ) from error
    return found


def _reach(factors: Mapping[str, Any]) -> Reach:
    def value(name: str, default: float) -> float:
        return float(factors[name]["value"]) if name in factors else default

    return Reach(value("compute", 1.0), value("memory", 1.0), value("overhead", 0.0))
