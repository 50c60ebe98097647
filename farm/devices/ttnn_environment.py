"""Environment of an executor, set before anything imports TT-NN, which reads it once.

One card is visible, so that executors cannot touch each other's; the device profiler is on, and
logs to a directory of this process.
"""

from __future__ import annotations

import os
from pathlib import Path

from farm.devices.profiler_folder import new_folder
from farm.errors import CardError

_FOLDER = "TT_METAL_PROFILER_DIR"
_CAPACITY = "TT_METAL_PROFILER_PROGRAM_SUPPORT_COUNT"
_VISIBLE = ("TT_VISIBLE_DEVICES", "TT_METAL_VISIBLE_DEVICES")
"""The variable of the user-mode driver, and the one that tt-metal itself has had for longer."""
_NO_LOG = ("TT_METAL_PROFILER_DISABLE_DUMP_TO_FILES",)
DEFAULT_CAPACITY = 1000
"""Launches that the profiler's buffer holds between two dumps."""


def prepare(card: int, arch: str) -> None:
    """Set the environment of this process for one card.

    Parameters
    ----------
    card : int
        Number of the card on this host.
    arch : str
        Its architecture, for builds that want to be told; empty where it is not known.

    Raises
    ------
    CardError
        If there is no place for the profiler's log.
    """
    os.environ |= dict.fromkeys(_VISIBLE, str(card))
    os.environ |= {"TT_METAL_DEVICE_PROFILER": "1", "TT_METAL_PROFILER_MID_RUN_DUMP": "1"}
    os.environ[_FOLDER] = str(new_folder())
    for name in _NO_LOG:
        os.environ.pop(name, None)
    if arch:
        os.environ.setdefault("ARCH_NAME", arch)


def log_path(card: int) -> Path:
    """Return where the profiler of this process writes its log.

    Raises
    ------
    CardError
        If the environment was not prepared for this card by this process.
    """
    folder = Path(os.environ.get(_FOLDER, ""))
    is_own = folder.name.startswith(f"{os.getpid()}-")
    if not is_own or os.environ.get(_VISIBLE[0]) != str(card):
        raise CardError(
            f"the environment of this process was not prepared for card {card} before TT-NN was "
            f"imported: call the device kind's prepare first"
        )
    return folder / ".logs" / "profile_log_device.csv"


def profiler_capacity() -> int:
    """Say how many launches the profiler's buffer holds between two dumps."""
    text = os.environ.get(_CAPACITY, "")
    return int(text) if text.isdecimal() and int(text) else DEFAULT_CAPACITY
