"""The figures by which chips are compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ThermalRunawayError
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.models.power import PowerModel, PowerSemantics


@dataclass(frozen=True)
class Summary:
    """One chip at full utilisation.

    Attributes
    ----------
    name : str
        Of the chip.
    precision : Precision
        Of the peak and of the work.
    peak_tflops, density_tflops_mm2 : float
        Peak, and peak per area of compute silicon.
    bandwidth_gb_s, ridge_point : float
        Of HBM; the intensity in flop/byte at which both are the limit.
    n_all_sms, n_hbm_stacks : int
        SMs of all chiplets, and stacks of memory.
    total_area_mm2 : float
        Compute silicon.
    power_w, junction_c, tflops_per_w : float or None
        None where no junction temperature holds.
    max_junction_c : float
        Hottest allowed junction.
    reason : str
        Why there is no power; empty where there is.
    """

    name: str
    precision: Precision
    peak_tflops: float
    density_tflops_mm2: float
    bandwidth_gb_s: float
    ridge_point: float
    n_all_sms: int
    n_hbm_stacks: int
    total_area_mm2: float
    power_w: float | None
    junction_c: float | None
    tflops_per_w: float | None
    max_junction_c: float
    reason: str = ""

    @property
    def is_too_hot(self) -> bool:
        """Whether the chip would have to slow down, or would not survive."""
        return self.junction_c is None or self.junction_c > self.max_junction_c

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"is_too_hot": self.is_too_hot}


def summarize(
    soc: SoCConfig,
    precision: Precision = Precision.FP16,
    semantics: PowerSemantics | str = PowerSemantics.PHYSICAL,
) -> Summary:
    """Compute the figures of a chip.

    Raises
    ------
    ConfigError
        If it does not have the precision, or its clock needs more than the largest voltage.
    """
    peak = soc.peak_compute(precision)
    power_w: float | None = None
    junction_c: float | None = None
    reason = ""
    try:
        parts = PowerModel(soc, semantics).parts(1.0, precision)
        power_w, junction_c = float(parts.total_w), float(parts.junction_c)
    except ThermalRunawayError as error:
        reason = str(error)
    return Summary(
        name=soc.name,
        precision=precision,
        peak_tflops=peak,
        density_tflops_mm2=soc.compute_density(precision),
        bandwidth_gb_s=soc.hbm_bandwidth_gb_s,
        ridge_point=PerformanceModel(soc).ridge_point(precision),
        n_all_sms=soc.n_all_sms,
        n_hbm_stacks=soc.n_hbm_stacks,
        total_area_mm2=soc.total_area_mm2,
        power_w=power_w,
        junction_c=junction_c,
        tflops_per_w=None if power_w is None else peak / power_w,
        max_junction_c=soc.technology.max_junction_c,
        reason=reason,
    )
