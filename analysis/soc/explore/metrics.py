"""The metrics of designs: what they are, their units, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.soc.explore.evaluation import PARAMETERS
from farm.errors import UsageError
from sweeps.errors import near_or_known


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that follows from a design's parameters.

    Attributes
    ----------
    name : str
        Column of `analysis.soc.explore.evaluation.DesignColumns`.
    unit : str
        Unit; empty for counts.
    sense : int
        1 where more is better, -1 where less is, 0 where neither is.
    text : str
        What it is.
    """

    name: str
    unit: str
    sense: int
    text: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("peak_tflops", "TFLOPS", 1, "peak of all SMs"),
        Metric("density_tflops_mm2", "TFLOPS/mm²", 1, "peak per area of compute silicon"),
        Metric("total_power_w", "W", -1, "power at full use"),
        Metric("tflops_per_w", "TFLOPS/W", 1, "peak per power at full use"),
        Metric("junction_c", "°C", -1, "junction temperature at full use"),
        Metric("hbm_bandwidth_gb_s", "GB/s", 1, "bandwidth of all stacks"),
        Metric("ridge_flop_per_byte", "flop/byte", 0, "intensity at which the roofline bends"),
        Metric("time_ns", "ns", -1, "time of the workload"),
        Metric("n_all_sms", "", 0, "SMs of all chiplets"),
        Metric("total_area_mm2", "mm²", -1, "area of all chiplets"),
        Metric("total_l2_mb", "MB", 0, "L2 of all chiplets"),
    )
}
"""Every metric by its name."""

_PARAMETER_UNITS = {
    "clock_mhz": "MHz",
    "area_mm2": "mm²",
    "l2_mb": "MB",
    "hbm_stack_gb_s": "GB/s",
}


def unit_of(name: str) -> str:
    """Look up the unit of a metric or parameter; empty for counts and rates per cycle."""
    return METRICS[name].unit if name in METRICS else _PARAMETER_UNITS.get(name, "")


def require_names(names: Iterable[str]) -> None:
    """Check that every name is a metric or a parameter of a design.

    Raises
    ------
    UsageError
        If one is neither.
    """
    known = [*METRICS, *PARAMETERS]
    for name in names:
        if name not in known:
            hint = near_or_known(name, known)
            raise UsageError(f"there is no metric or parameter {name!r}; {hint}")


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric or parameter to be made as large or as small as possible.

    Attributes
    ----------
    name : str
        Of the metric or parameter.
    sense : int
        1 to maximise, -1 to minimise.
    """

    name: str
    sense: int

    @staticmethod
    def parse(text: str) -> Goal:
        """Read ``NAME``, ``max:NAME`` or ``min:NAME``.

        Raises
        ------
        UsageError
            If there is no such name, or it has no better direction and none is given.
        """
        prefix, colon, name = text.strip().rpartition(":")
        require_names([name])
        if colon:
            if prefix not in ("max", "min"):
                raise UsageError(f"goal {text!r}: write {name}, max:{name} or min:{name}")
            return Goal(name, 1 if prefix == "max" else -1)
        sense = METRICS[name].sense if name in METRICS else 0
        if not sense:
            raise UsageError(f"goal {name!r}: say which way is better, max:{name} or min:{name}")
        return Goal(name, sense)

    @property
    def text(self) -> str:
        """As `parse` reads it."""
        return f"{'max' if self.sense > 0 else 'min'}:{self.name}"
