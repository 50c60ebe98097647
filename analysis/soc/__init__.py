"""SoC models: what would another chip do?  Roofline, power, scaling, exploration, sensitivity.

============ ====================================================================================
chip         a chip and its numbers: configurations, public chips, and every formula once
models       one chip: its roofline, power, scaling, and chips side by side
workload     a list of operations on a chip: time, energy, and what binds
explore      many chips: design spaces, Pareto fronts, search, sensitivity
measured     what was measured: ops under a roofline, ceilings, calibration
charts       pictures of all that
commands     ``farm soc ...``
============ ====================================================================================

Each may import those above it.  The names below are the library's front door; they are imported
when they are first used, so that the command line starts quickly.

Examples
--------
>>> from analysis.soc import PowerModel, Precision, SoCConfig
>>> SoCConfig().peak_compute(Precision.FP16)
65.536
>>> PowerModel(SoCConfig(), "reference").total_power(utilization=1.0)
267.2
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.soc.chip.config import ChipletConfig, OpsPerCycle, SMConfig, SoCConfig
    from analysis.soc.chip.config_file import read_config
    from analysis.soc.chip.precision import Precision
    from analysis.soc.chip.public_chips import Chip, find_chip
    from analysis.soc.chip.technology import Technology
    from analysis.soc.models.marker import Marker
    from analysis.soc.models.performance import PerformanceModel
    from analysis.soc.models.power import PowerModel
    from analysis.soc.models.scaling import ScalingModel
    from analysis.soc.workload.analysis import WorkloadAnalysis
    from analysis.soc.workload.machine import Machine
    from analysis.soc.workload.workload import Workload

_HOMES = {
    "chip.config": ("ChipletConfig", "OpsPerCycle", "SMConfig", "SoCConfig"),
    "chip.config_file": ("read_config",),
    "chip.precision": ("Precision",),
    "chip.public_chips": ("Chip", "find_chip"),
    "chip.technology": ("Technology",),
    "models.marker": ("Marker",),
    "models.performance": ("PerformanceModel",),
    "models.power": ("PowerModel",),
    "models.scaling": ("ScalingModel",),
    "workload.analysis": ("WorkloadAnalysis",),
    "workload.machine": ("Machine",),
    "workload.workload": ("Workload",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Chip",
    "ChipletConfig",
    "Machine",
    "Marker",
    "OpsPerCycle",
    "PerformanceModel",
    "PowerModel",
    "Precision",
    "SMConfig",
    "ScalingModel",
    "SoCConfig",
    "Technology",
    "Workload",
    "WorkloadAnalysis",
    "find_chip",
    "read_config",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
