"""Columnar evaluation of designs: arrays of parameters in, arrays of metrics out.

A design is like a base chip but for some fields of `analysis.soc.chip.config.SoCConfig`.
`DesignColumns` holds these fields as columns and computes a metric when it is asked for, at once
for all designs and once only, so an exploration pays for the metrics that it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.soc.chip import formulas
from analysis.soc.chip.config import KEYS, SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.models.power import PowerSemantics
from analysis.soc.workload.argument import DEFAULT_WORKLOAD, parse_workload
from analysis.soc.workload.ops import Op
from analysis.soc.workload.workload import Workload

Floats = npt.NDArray[np.float64]

PARAMETERS = tuple(key for key, path in KEYS.items() if path[0] not in ("name", "technology"))
"""Fields of a chip that may be columns: all its numbers but the constants of its technology."""


@dataclass(frozen=True)
class Setting:
    """What all designs of an evaluation have in common.

    Attributes
    ----------
    base : SoCConfig
        Values of the fields that are no column.
    precision : Precision
        Format for which peak, density and power hold.
    semantics : PowerSemantics
        Which power formulas hold.
    workload : Workload
        What ``time_ns`` is the time of.
    """

    base: SoCConfig = field(default_factory=SoCConfig)
    precision: Precision = Precision.FP16
    semantics: PowerSemantics = PowerSemantics.PHYSICAL
    workload: Workload = field(default_factory=lambda: parse_workload(DEFAULT_WORKLOAD))


class DesignColumns(Mapping[str, Floats]):
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
        self.given = columns
        self.n = len(next(iter(columns.values())))
        self._numbers: dict[str, formulas.Number] = dict(columns)

    def __getitem__(self, name: str) -> Floats:
        return np.broadcast_to(np.asarray(self.number(name), np.float64), (self.n,))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._numbers, *PARAMETERS, *_COMPUTE)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def taken(self, rows: npt.NDArray[np.intp]) -> DesignColumns:
        """Return some of the designs, by their positions."""
        return DesignColumns({name: col[rows] for name, col in self.given.items()}, self.setting)

    def number(self, name: str) -> formulas.Number:
        """Column, or one number where all designs have the same."""
        if name not in self._numbers:
            if name in _COMPUTE:
                self._numbers[name] = _COMPUTE[name](self)
            elif name in PARAMETERS:
                self._numbers[name] = self.setting.base.value(name)
            else:
                raise KeyError(name)
        return self._numbers[name]

    def ops_per_cycle(self, precision: Precision) -> formulas.Number:
        """Rate of one tensor core.

        Where only the FP16 rate is a column, the others keep their ratio to it: a tensor core is
        made wider for all precisions.

        Raises
        ------
        ConfigError
            If the base chip does not have the precision.
        """
        own, fp16 = (f"{p.lower()}_ops_per_cycle" for p in (precision, Precision.FP16))
        if own in self._numbers:
            return self._numbers[own]
        rates = self.setting.base.sm.ops_per_cycle
        if fp16 not in self._numbers:
            return rates[precision]
        return self._numbers[fp16] * (rates[precision] / rates[Precision.FP16])

    def peak_tflops(self, precision: Precision) -> formulas.Number:
        """Peak of all SMs."""
        per_sm = formulas.sm_peak_tflops(
            self.ops_per_cycle(precision), self.number("n_tensor_cores"), self.number("clock_mhz")
        )
        return formulas.soc_peak_tflops(per_sm, self.number("n_sms"), self.number("n_chiplets"))

    @cached_property
    def power(self) -> formulas.PowerParts:
        """Where the watts go at full use."""
        v, setting = self.number, self.setting
        chip = {key: v(key) for key in ("n_sms", "n_chiplets", "l2_mb", "n_hbm_stacks")}
        if setting.semantics is PowerSemantics.REFERENCE:
            return formulas.reference_power(**chip)
        # A space may hold designs that leak without bounds; what overflows there is no power.
        with np.errstate(over="ignore"):
            return formulas.physical_power(
                **chip,
                n_tensor_cores=v("n_tensor_cores"),
                clock_mhz=v("clock_mhz"),
                ops_per_cycle=self.ops_per_cycle(setting.precision),
                bits=setting.precision.bits,
                area_mm2=v("area_mm2"),
                hbm_stack_gb_s=v("hbm_stack_gb_s"),
                technology=setting.base.technology,
            )

    def op_time_s(self, op: Op) -> formulas.Number:
        """Time of one run of an operation; what computes nothing needs no peak."""
        memory_s = formulas.memory_time_s(self._bytes_moved(op), self.number("hbm_bandwidth_gb_s"))
        if not op.flops:
            return memory_s
        compute_s = formulas.compute_time_s(op.flops, self.peak_tflops(op.precision))
        return formulas.op_time_s(compute_s, memory_s)

    def _bytes_moved(self, op: Op) -> formulas.Number:
        # Traffic depends on the cache alone, and a space has few sizes of it.
        cache_mb, which = np.unique(np.asarray(self.number("total_l2_mb")), return_inverse=True)
        return np.array([op.bytes_moved(mb * 1e6) for mb in cache_mb.tolist()])[which]


def _density(d: DesignColumns) -> formulas.Number:
    return formulas.density_tflops_mm2(
        d.number("peak_tflops"), d.number("n_chiplets"), d.number("area_mm2")
    )


def _time_ns(d: DesignColumns) -> formulas.Number:
    return 1e9 * sum(op.count * d.op_time_s(op) for op in d.setting.workload.ops)


_COMPUTE: dict[str, Callable[[DesignColumns], formulas.Number]] = {
    "peak_tflops": lambda d: d.peak_tflops(d.setting.precision),
    "density_tflops_mm2": _density,
    "total_power_w": lambda d: d.power.total_w,
    "tflops_per_w": lambda d: d.number("peak_tflops") / d.number("total_power_w"),
    "junction_c": lambda d: d.power.junction_c,
    "hbm_bandwidth_gb_s": lambda d: formulas.hbm_bandwidth_gb_s(
        d.number("n_hbm_stacks"), d.number("hbm_stack_gb_s")
    ),
    "ridge_flop_per_byte": lambda d: formulas.ridge_point(
        d.number("peak_tflops"), d.number("hbm_bandwidth_gb_s")
    ),
    "time_ns": _time_ns,
    "n_all_sms": lambda d: d.number("n_sms") * d.number("n_chiplets"),
    "total_area_mm2": lambda d: d.number("area_mm2") * d.number("n_chiplets"),
    "total_l2_mb": lambda d: d.number("l2_mb") * d.number("n_chiplets"),
}
