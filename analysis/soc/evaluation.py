"""Columnar evaluation of designs: arrays of parameters in, arrays of metrics out.

A design is a chip that is like a base chip but for some fields of `analysis.soc.config.SoCConfig`.
`Designs` holds these fields as columns and computes a metric when it is asked for, at once for all
designs and once only, so an exploration pays for the metrics that it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.soc import formulas
from analysis.soc.config import KEYS, SoCConfig
from analysis.soc.design_workload import DEFAULT_WORKLOAD, DesignWorkload
from analysis.soc.precision import Precision
from farm.errors import UsageError

Floats = npt.NDArray[np.float64]

OPS_SUFFIX = "_ops_per_cycle"

PARAMETERS = tuple(key for key, path in KEYS.items() if path[0] not in ("name", "technology"))
"""Fields of a chip that may be columns: all numbers but the constants of its technology."""


class PowerSemantics(StrEnum):
    """Which power formulas hold."""

    PHYSICAL = "physical"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Setting:
    """What all designs of an evaluation have in common.

    Attributes
    ----------
    base : SoCConfig
        Values of the fields that are no column.
    precision : Precision
        Format for which peak, density and power hold.  A precision without a column of its own
        keeps its ratio to FP16: tensor cores grow as a whole.
    power : PowerSemantics
        Which power formulas hold.
    workload : DesignWorkload
        What ``time_ns`` is the time of.
    """

    base: SoCConfig = field(default_factory=SoCConfig)
    precision: Precision = Precision.FP16
    power: PowerSemantics = PowerSemantics.PHYSICAL
    workload: DesignWorkload = field(default_factory=lambda: DesignWorkload.parse(DEFAULT_WORKLOAD))

    @cached_property
    def rate_to_fp16(self) -> float:
        """Rate of the precision over the FP16 rate, in the base chip."""
        rates = self.base.sm.ops_per_cycle
        return rates[self.precision] / rates[Precision.FP16]


class Designs(Mapping[str, Floats]):
    """Parameters and metrics of n designs as columns of shape (n,).

    Parameters
    ----------
    columns : Mapping
        Name -> values, shape (n,).  Names are those of `PARAMETERS`; a metric that is given, such
        as a stored ``time_ns``, is not computed.
    setting : Setting
        What the designs have in common.
    """

    def __init__(self, columns: Mapping[str, Floats], setting: Setting) -> None:
        self.setting = setting
        self.n = len(next(iter(columns.values())))
        self._columns: dict[str, formulas.Number] = dict(columns)

    def __getitem__(self, name: str) -> Floats:
        return np.broadcast_to(np.asarray(self.number(name), np.float64), (self.n,))

    def number(self, name: str) -> formulas.Number:
        """Column, or one number where all designs have the same."""
        if name not in self._columns:
            if name in METRICS:
                self._columns[name] = METRICS[name].compute(self)
            elif name in PARAMETERS:
                self._columns[name] = self.setting.base.value(name)
            else:
                raise KeyError(name)
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*PARAMETERS, *METRICS))

    def __len__(self) -> int:
        return len(PARAMETERS) + len(METRICS)

    @cached_property
    def power(self) -> formulas.PowerParts:
        """Where the watts go at full use."""
        v = self.number
        chip = {key: v(key) for key in ("n_sms", "n_chiplets", "l2_mb", "n_hbm_stacks")}
        if self.setting.power is PowerSemantics.REFERENCE:
            return formulas.reference_power(**chip)
        return formulas.physical_power(
            **chip,
            n_tensor_cores=v("n_tensor_cores"),
            clock_mhz=v("clock_mhz"),
            ops_per_cycle=self.ops_per_cycle,
            bits=self.setting.precision.bits,
            area_mm2=v("area_mm2"),
            hbm_stack_gb_s=v("hbm_stack_gb_s"),
            technology=self.setting.base.technology,
        )

    @cached_property
    def ops_per_cycle(self) -> formulas.Number:
        """Rate of one tensor core in the precision of the setting."""
        own = self.setting.precision.lower() + OPS_SUFFIX
        fp16 = Precision.FP16.lower() + OPS_SUFFIX
        if own in self._columns or fp16 not in self._columns:
            return self.number(own)
        return self.setting.rate_to_fp16 * self._columns[fp16]


def _peak_tflops(d: Designs) -> formulas.Number:
    per_sm = formulas.sm_peak_tflops(
        d.ops_per_cycle, d.number("n_tensor_cores"), d.number("clock_mhz")
    )
    return formulas.soc_peak_tflops(per_sm, d.number("n_sms"), d.number("n_chiplets"))


def _density(d: Designs) -> formulas.Number:
    return formulas.density_tflops_mm2(
        d.number("peak_tflops"), d.number("n_chiplets"), d.number("area_mm2")
    )


def _bandwidth(d: Designs) -> formulas.Number:
    return formulas.hbm_bandwidth_gb_s(d.number("n_hbm_stacks"), d.number("hbm_stack_gb_s"))


def _ridge_point(d: Designs) -> formulas.Number:
    return formulas.ridge_point(d.number("peak_tflops"), d.number("hbm_bandwidth_gb_s"))


def _time_ns(d: Designs) -> formulas.Number:
    workload, n_bytes = d.setting.workload, d.setting.precision.n_bytes
    attainable = formulas.attainable_tflops(
        d.number("peak_tflops"), d.number("hbm_bandwidth_gb_s"), workload.intensity(n_bytes)
    )
    return workload.flops * 1e-3 / attainable


@dataclass(frozen=True)
class Metric:
    """A number that follows from a design's parameters.

    Attributes
    ----------
    unit : str
        Unit; empty for counts.
    sense : int
        1 where more is better, -1 where less is, 0 where neither.
    text : str
        What it is.
    compute : Callable
        `Designs` -> column, or one number.
    """

    unit: str
    sense: int
    text: str
    compute: Callable[[Designs], formulas.Number]


METRICS: dict[str, Metric] = {
    "peak_tflops": Metric("TFLOPS", 1, "peak of all SMs", _peak_tflops),
    "density_tflops_mm2": Metric("TFLOPS/mm²", 1, "peak per area of compute silicon", _density),
    "total_power_w": Metric("W", -1, "power at full use", lambda d: d.power.total_w),
    "tflops_per_w": Metric(
        "TFLOPS/W",
        1,
        "peak per power at full use",
        lambda d: d.number("peak_tflops") / d.number("total_power_w"),
    ),
    "junction_c": Metric(
        "°C", -1, "junction temperature at full use", lambda d: d.power.junction_c
    ),
    "hbm_bandwidth_gb_s": Metric("GB/s", 1, "bandwidth of all stacks", _bandwidth),
    "ridge_flop_per_byte": Metric("flop/byte", 0, "where the roofline bends", _ridge_point),
    "time_ns": Metric("ns", -1, "time of the workload", _time_ns),
    "n_all_sms": Metric(
        "", 0, "SMs of all chiplets", lambda d: d.number("n_sms") * d.number("n_chiplets")
    ),
    "total_area_mm2": Metric(
        "mm²", -1, "area of all chiplets", lambda d: d.number("area_mm2") * d.number("n_chiplets")
    ),
    "total_l2_mb": Metric(
        "MB", 0, "L2 of all chiplets", lambda d: d.number("l2_mb") * d.number("n_chiplets")
    ),
}
"""Every metric by its name."""


def require_names(names: list[str]) -> None:
    """Check that every name is a metric or a parameter of a design.

    Raises
    ------
    UsageError
        If one is neither.
    """
    from difflib import get_close_matches

    known = [*METRICS, *PARAMETERS]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
            raise UsageError(f"there is no metric or parameter {name!r}; {hint}")
