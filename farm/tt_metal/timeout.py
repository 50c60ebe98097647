"""How long a vector of a sweep module may take."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from farm.errors import UsageError

DEFAULT_TIMEOUT_S = 30


def timeout_of(module: ModuleType, path: Path) -> float:
    """Read ``TIMEOUT`` of an imported module, s.

    Raises
    ------
    UsageError
        If it is no positive number.
    """
    timeout_s = getattr(module, "TIMEOUT", DEFAULT_TIMEOUT_S)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or timeout_s <= 0:
        raise UsageError(f"{path}: TIMEOUT = {timeout_s!r} is no positive number of seconds")
    return float(timeout_s)


def scanned_timeout_s(path: Path) -> float:
    """Read the timeout as the sweep runner does: from the file's text, s.

    Every line that contains TIMEOUT counts, comments too: what follows its last ``=`` must be a
    whole number, and the first line where it is not ends the scan.  So ``TIMEOUT = 15  # longer``
    leaves the default of 30 s.

    Raises
    ------
    UsageError
        If the number found is not positive.
    """
    timeout_s = DEFAULT_TIMEOUT_S
    for line in path.read_text().splitlines():
        if "TIMEOUT" in line:
            try:
                timeout_s = int(line.rpartition("=")[2])
            except ValueError:
                break
    if timeout_s <= 0:
        raise UsageError(f"{path}: the text scan finds a TIMEOUT of {timeout_s} s")
    return float(timeout_s)
