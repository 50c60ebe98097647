"""The designs of the published table, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from analysis.soc.chip.config import SoCConfig

TARGET_DENSITY_TFLOPS_MM2 = 2.0
"""FP16 density that the published study aims at."""

TARGET_POWER_W = 500.0
"""Power that it allows."""

BASELINE = SoCConfig(name="baseline")


def _variant(
    name: str,
    n_sms: int,
    n_tensor_cores: int,
    clock_mhz: float,
    fp16_ops_per_cycle: float,
    area_mm2: float,
    l2_mb: float,
) -> SoCConfig:
    return BASELINE.with_values(
        name=name,
        n_sms=n_sms,
        n_tensor_cores=n_tensor_cores,
        clock_mhz=clock_mhz,
        fp16_ops_per_cycle=fp16_ops_per_cycle,
        area_mm2=area_mm2,
        l2_mb=l2_mb,
    )


DESIGNS: Mapping[str, SoCConfig] = MappingProxyType(
    {
        design.name: design
        for design in (
            BASELINE,
            _variant("realistic", 32, 6, 2300, 192, 350, 7),
            _variant("high-sm-density", 40, 4, 2200, 160, 320, 8),
            _variant("aggressive", 48, 8, 2500, 256, 300, 8),
            _variant("power-optimized", 24, 4, 1800, 128, 380, 6),
        )
    }
)
"""Baseline and variants: four chiplets, eight stacks.  Only the FP16 rate is published for the
variants, so that their other precisions keep the rates of the baseline."""
