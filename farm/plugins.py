"""Plug-ins by entry point: what the farm uses without importing it.

========================== ==========================================================
group                      what each entry is
========================== ==========================================================
``sweepfarm.devices``      a `farm.devices.device.DeviceKind`
``sweepfarm.analysis``     the analysis worker class, see `farm.actor`
``sweepfarm.commands``     a function that adds commands to the ``farm`` typer app
``sweepfarm.sim_models``   a `farm.devices.sim_model.SimModel`, named after its operation
========================== ==========================================================
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from farm.errors import PluginError

DEVICES = "sweepfarm.devices"
ANALYSIS = "sweepfarm.analysis"
COMMANDS = "sweepfarm.commands"
SIM_MODELS = "sweepfarm.sim_models"


def names(group: str) -> list[str]:
    """Names of the installed entries of a group, sorted."""
    return sorted(entry.name for entry in entry_points(group=group))


def load(group: str, name: str) -> Any:
    """Import one entry.

    Raises
    ------
    PluginError
        If there is none of that name, or importing it fails.
    """
    found: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=group)}
    what = group.removeprefix("sweepfarm.").rstrip("s")
    if name not in found:
        known = ", ".join(sorted(found)) or "none (is sweepfarm installed with pip?)"
        raise PluginError(f"unknown {what} {name!r}; installed: {known}")
    try:
        return found[name].load()
    except ImportError as error:
        raise PluginError(f"{what} {name!r} cannot be imported: {error}") from error
