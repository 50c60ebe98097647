"""Pure: what a run requires of a card, and whether one meets it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from farm.errors import UsageError

KEYS = ("kind", "arch", "firmware", "driver")
"""Fields of `farm.devices.device.DeviceInfo` that can be required."""


def parse_requirements(texts: Iterable[str]) -> dict[str, str]:
    """Read ``KEY=PATTERN`` requirements.

    Raises
    ------
    UsageError
        If one is malformed or given twice, or its key is unknown.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, pattern = text.partition("=")
        if not equals or not pattern:
            raise UsageError(f"--require {text!r}: write KEY=PATTERN, for example arch=wormhole*")
        if key not in KEYS:
            raise UsageError(f"--require {text!r}: KEY is one of {', '.join(KEYS)}")
        if key in found:
            raise UsageError(f"--require {key} is given twice; one pattern may hold *, ? and [...]")
        found[key] = pattern
    return found


def unmet(requires: Mapping[str, str], info: Mapping[str, Any]) -> str | None:
    """Say which requirement a card does not meet.

    Parameters
    ----------
    requires : Mapping
        Field -> pattern, as in file names.
    info : Mapping
        `farm.devices.device.DeviceInfo` as data.

    Returns
    -------
    str or None
        The first one that is not met.
    """
    for key, pattern in requires.items():
        value = str(info.get(key, ""))
        if not fnmatchcase(value, pattern):
            return f"{key} {value!r} is not the required {pattern!r}"
    return None
