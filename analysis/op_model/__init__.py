"""Op parameter models: from sweeps of operations to weights to estimates of their cycles.

============ ====================================================================================
descriptors  the question: operations, sizes, formats, modes; one by one or in columns
parameters   versioned files of weights, attribute sets, what is known of their fits
estimator    formulas, and the answer with one parameter file
sweep_files  the CSV files of op sweeps: every generation is read, one is written
fit          from sweeps to weights, and to models that know how far off they are
evaluate     estimates of whole tables, against silicon, and of two versions
run_sweep    ``farm run-sweep``: from operations to measurements to a version of the weights
commands     ``farm run-sweep`` and ``farm op-model ...``
============ ====================================================================================

Each may import those above it; `simulated` is what simulated cards know of operations.  The names
below are the library's front door; they are imported when they are first used, so that the command
line starts quickly.

Examples
--------
>>> from analysis.op_model import Descriptor, Estimator, Parameters
>>> weights = {"add": {"base": {"ublock_weight": 100.0, "tile_weight": 50.0}}}
>>> estimator = Estimator(Parameters("wormhole_b0", 1, weights, "invented"))
>>> estimator.estimate(Descriptor("add", mblock_m=2, ublock_ct=4)).cycles
600.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.op_model.descriptors.descriptor import Descriptor
    from analysis.op_model.descriptors.descriptor_table import Descriptors
    from analysis.op_model.estimator.estimator import Estimator
    from analysis.op_model.estimator.opening import Source
    from analysis.op_model.estimator.selection import Mode
    from analysis.op_model.fit.fitted_model import FittedModel, read_model
    from analysis.op_model.fit.fitting import fit_model
    from analysis.op_model.parameters.parameter_file import Parameters, read_parameters
    from analysis.op_model.sweep_files.reader import SweepTable, read_sweep

_HOMES = {
    "descriptors.descriptor": ("Descriptor",),
    "descriptors.descriptor_table": ("Descriptors",),
    "estimator.estimator": ("Estimator",),
    "estimator.opening": ("Source",),
    "estimator.selection": ("Mode",),
    "fit.fitted_model": ("FittedModel", "read_model"),
    "fit.fitting": ("fit_model",),
    "parameters.parameter_file": ("Parameters", "read_parameters"),
    "sweep_files.reader": ("SweepTable", "read_sweep"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Descriptor",
    "Descriptors",
    "Estimator",
    "FittedModel",
    "Mode",
    "Parameters",
    "Source",
    "SweepTable",
    "fit_model",
    "read_model",
    "read_parameters",
    "read_sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
