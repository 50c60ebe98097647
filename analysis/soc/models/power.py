"""How many watts a chip takes, and how warm that makes it."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from analysis.soc.chip import formulas
from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.formulas import PowerParts
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError, ThermalRunawayError

PART_NAMES = {
    "interconnect_w": "interconnect",
    "io_w": "I/O",
    "chiplet_w": "chiplets",
    "leakage_w": "leakage",
    "hbm_w": "HBM",
    "l2_w": "L2",
    "compute_w": "SMs",
}
"""Fields of `PowerParts` that add up to the total, as people call them."""


class PowerSemantics(StrEnum):
    """Which set of formulas: see ``docs/soc-models.md``."""

    PHYSICAL = "physical"
    REFERENCE = "reference"


class PowerModel:
    """Power of one chip.

    Parameters
    ----------
    soc : SoCConfig
        Whose.
    semantics : PowerSemantics or str
        ``physical`` (switching, leakage, temperature) or ``reference`` (the published table).

    Examples
    --------
    >>> PowerModel(SoCConfig(), "reference").total_power(utilization=1.0)
    267.2
    """

    def __init__(
        self, soc: SoCConfig, semantics: PowerSemantics | str = PowerSemantics.PHYSICAL
    ) -> None:
        try:
            self.semantics = PowerSemantics(semantics)
        except ValueError:
            known = ", ".join(PowerSemantics)
            raise ConfigError(f"power semantics {semantics!r}: known are {known}") from None
        self.soc = soc
        if self.semantics is PowerSemantics.PHYSICAL:
            _check_clock(soc)

    @property
    def voltage_v(self) -> float | None:
        """Supply voltage of the clock; None with the reference semantics, which have none."""
        if self.semantics is PowerSemantics.REFERENCE:
            return None
        return float(formulas.voltage_v(self.soc.sm.clock_mhz, self.soc.technology))

    def total_power(self, utilization: float = 1.0, precision: Precision | None = None) -> float:
        """Power in W; see `parts`."""
        return float(self.parts(utilization, precision).total_w)

    def junction_temperature(
        self, utilization: float = 1.0, precision: Precision | None = None
    ) -> float:
        """Temperature of the junction in °C; see `parts`."""
        return float(self.parts(utilization, precision).junction_c)

    def tflops_per_w(self, precision: Precision | None = None) -> float:
        """Peak by the power that it takes."""
        chosen = precision or usual_precision(self.soc)
        return self.soc.peak_compute(chosen) / self.total_power(1.0, chosen)

    def parts(
        self,
        utilization: float = 1.0,
        precision: Precision | None = None,
        *,
        memory_utilization: float | None = None,
    ) -> PowerParts:
        """Power by part.

        Parameters
        ----------
        utilization : float
            Share of its peak at which the chip works, 0 to 1.
        precision : Precision, optional
            What the tensor cores compute in; FP16, or the widest that they have without it.  The
            reference semantics do not look at it.
        memory_utilization : float, optional
            Share of the HBM bandwidth in use, where it is not that of the compute.

        Raises
        ------
        ThermalRunawayError
            If no junction temperature holds.
        ConfigError
            If the utilisation is not between 0 and 1, or the precision is missing.
        """
        for name, share in (
            ("utilization", utilization),
            ("memory_utilization", memory_utilization),
        ):
            if share is not None and not 0 <= share <= 1:
                raise ConfigError(f"{name} = {share:g}: a share from 0 to 1 is expected")
        parts = self._parts(utilization, memory_utilization, precision)
        if not np.isfinite(parts.junction_c):
            raise _runaway(self.soc, parts)
        return parts

    def _parts(
        self,
        utilization: float,
        memory_utilization: float | None,
        precision: Precision | None,
    ) -> PowerParts:
        soc, chiplet = self.soc, self.soc.chiplet
        if self.semantics is PowerSemantics.REFERENCE:
            return formulas.reference_power(
                n_sms=chiplet.n_sms,
                n_chiplets=soc.n_chiplets,
                l2_mb=chiplet.l2_mb,
                n_hbm_stacks=soc.n_hbm_stacks,
                utilization=utilization,
                memory_utilization=memory_utilization,
            )
        chosen = precision or usual_precision(soc)
        return formulas.physical_power(
            n_sms=chiplet.n_sms,
            n_tensor_cores=soc.sm.n_tensor_cores,
            clock_mhz=soc.sm.clock_mhz,
            ops_per_cycle=soc.sm.ops_per_cycle[chosen],
            bits=chosen.bits,
            n_chiplets=soc.n_chiplets,
            area_mm2=chiplet.area_mm2,
            l2_mb=chiplet.l2_mb,
            n_hbm_stacks=soc.n_hbm_stacks,
            hbm_stack_gb_s=soc.hbm_stack_gb_s,
            utilization=utilization,
            memory_utilization=memory_utilization,
            technology=soc.technology,
        )


def usual_precision(soc: SoCConfig) -> Precision:
    """FP16, or the widest precision of a chip that does not have it."""
    return Precision.FP16 if Precision.FP16 in soc.precisions else soc.precisions[-1]


def _check_clock(soc: SoCConfig) -> None:
    fastest = formulas.max_clock_mhz(soc.technology)
    clock = soc.sm.clock_mhz
    if clock > fastest:
        needed = float(formulas.voltage_v(clock, soc.technology))
        raise ConfigError(
            f"{soc.name}: {clock:g} MHz needs {needed:.2f} V, more than "
            f"max_voltage_v = {soc.technology.max_voltage_v:g} V; the fastest clock is "
            f"{fastest:.0f} MHz"
        )


def _runaway(soc: SoCConfig, parts: PowerParts) -> ThermalRunawayError:
    t = soc.technology
    switching_w = float(
        parts.compute_w
        + parts.l2_w
        + parts.hbm_w
        + parts.chiplet_w
        + parts.interconnect_w
        + parts.io_w
    )
    without_leakage_c = t.ambient_c + t.thermal_resistance_k_per_w * switching_w
    return ThermalRunawayError(
        f"{soc.name}: thermal runaway: {switching_w:.0f} W heat the junction to "
        f"{without_leakage_c:.0f} °C even without leakage, and from there leakage grows faster "
        f"than {t.thermal_resistance_k_per_w:g} K/W can shed it; lower clock_mhz or the "
        f"utilisation, or cool better (thermal_resistance_k_per_w, ambient_c)"
    )
