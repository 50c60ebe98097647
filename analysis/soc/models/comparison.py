"""Designs and public chips side by side, and the models held against what is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.public_chips import Chip
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.models.power import PowerSemantics
from analysis.soc.models.summary import Summary, summarize


@dataclass(frozen=True)
class Entry:
    """One chip of a comparison, modelled or published.

    Attributes
    ----------
    name : str
        Of the chip.
    is_published : bool
        Whether the figures are those of its maker.
    peak_tflops, bandwidth_gb_s : float
        Peak in the precision of the comparison, and bandwidth of the farthest memory level.
    ridge_point : float
        Intensity in flop/byte at which both are the limit.
    area_mm2, density_tflops_mm2 : float or None
        Compute silicon, and peak by it.
    power_w, tflops_per_w : float or None
        At full load; the design power of a published chip.
    junction_c : float or None
        Of a modelled chip.
    is_too_hot : bool
        Whether a modelled chip could not run like that.
    reason : str
        Why a figure is missing.
    """

    name: str
    is_published: bool
    peak_tflops: float
    bandwidth_gb_s: float
    ridge_point: float
    area_mm2: float | None
    density_tflops_mm2: float | None
    power_w: float | None
    tflops_per_w: float | None
    junction_c: float | None = None
    is_too_hot: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """What the models say about a public chip, and what its maker says.

    Attributes
    ----------
    chip : Chip
        The chip; its structure is public.
    published_tflops : float
        Peak in the precision of the comparison.
    modelled : Summary
        The same chip from its structure.
    """

    chip: Chip
    published_tflops: float
    modelled: Summary

    @property
    def peak_ratio(self) -> float:
        """Modelled by published peak."""
        return self.modelled.peak_tflops / self.published_tflops

    @property
    def power_ratio(self) -> float | None:
        """Modelled power at full load by design power."""
        if self.modelled.power_w is None or self.chip.tdp_w is None:
            return None
        return self.modelled.power_w / self.chip.tdp_w


@dataclass(frozen=True)
class Comparison:
    """Chips side by side.

    Attributes
    ----------
    precision : Precision
        Of all peaks.
    semantics : PowerSemantics
        Of all modelled powers.
    entries : tuple of Entry
        One per chip.
    checks : tuple of Check
        One per public chip of which the structure is public.
    """

    precision: Precision
    semantics: PowerSemantics
    entries: tuple[Entry, ...]
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "precision": self.precision,
            "power": self.semantics,
            "chips": [asdict(entry) for entry in self.entries],
            "model_against_published": [
                {
                    "name": check.chip.name,
                    "published_tflops": check.published_tflops,
                    "modelled_tflops": check.modelled.peak_tflops,
                    "peak_ratio": check.peak_ratio,
                    "tdp_w": check.chip.tdp_w,
                    "modelled_power_w": check.modelled.power_w,
                    "power_ratio": check.power_ratio,
                }
                for check in self.checks
            ],
        }


def compare(
    chips: list[SoCConfig | Chip],
    precision: Precision = Precision.FP16,
    semantics: PowerSemantics = PowerSemantics.PHYSICAL,
) -> Comparison:
    """Put chips side by side.

    Raises
    ------
    ConfigError
        If one of them does not have the precision.
    """
    entries = [
        _published(chip, precision)
        if isinstance(chip, Chip)
        else _modelled(summarize(chip, precision, semantics))
        for chip in chips
    ]
    checks = [
        Check(chip, chip.peak_compute(precision), summarize(chip.design, precision, semantics))
        for chip in chips
        if isinstance(chip, Chip) and chip.design is not None
        if precision in chip.design.precisions
    ]
    return Comparison(precision, semantics, tuple(entries), tuple(checks))


def _modelled(summary: Summary) -> Entry:
    return Entry(
        name=summary.name,
        is_published=False,
        peak_tflops=summary.peak_tflops,
        bandwidth_gb_s=summary.bandwidth_gb_s,
        ridge_point=summary.ridge_point,
        area_mm2=summary.total_area_mm2,
        density_tflops_mm2=summary.density_tflops_mm2,
        power_w=summary.power_w,
        tflops_per_w=summary.tflops_per_w,
        junction_c=summary.junction_c,
        is_too_hot=summary.is_too_hot,
        reason=summary.reason,
    )


def _published(chip: Chip, precision: Precision) -> Entry:
    peak = chip.peak_compute(precision)
    bandwidth = next(iter(chip.memory_levels.values()))
    return Entry(
        name=chip.name,
        is_published=True,
        peak_tflops=peak,
        bandwidth_gb_s=bandwidth,
        ridge_point=PerformanceModel(chip).ridge_point(precision),
        area_mm2=chip.die_area_mm2,
        density_tflops_mm2=None if chip.die_area_mm2 is None else peak / chip.die_area_mm2,
        power_w=chip.tdp_w,
        tflops_per_w=None if chip.tdp_w is None else peak / chip.tdp_w,
    )
