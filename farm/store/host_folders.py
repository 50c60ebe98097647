"""Private folders of this host and user, for what does not belong into a sweep directory."""

from __future__ import annotations

import os
from pathlib import Path

from farm.errors import StoreAccessError
from farm.store.disk_access import StoreAccess
from farm.store.location import Location

CACHE_VARIABLE = "SWEEPFARM_CACHE"


def cache_folder() -> Path:
    """Folder for copies of what lies far away; made if needed, mode 0700.

    Raises
    ------
    StoreAccessError
        If it cannot be made, or others may write there.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return _private(Path(chosen) if chosen else _home("XDG_CACHE_HOME", ".cache") / "sweepfarm")


def log_path(location: Location) -> Path:
    """Where the processes of a run print: in the sweep directory, if that is a folder.

    Raises
    ------
    StoreAccessError
        If the private folder for other places cannot be made.
    """
    if location.is_local:
        return location.path / "driver.log"
    state = _home("XDG_STATE_HOME", ".local/state") / "sweepfarm"
    return _private(state / location.digest) / "driver.log"


def _home(variable: str, default: str) -> Path:
    chosen = os.environ.get(variable)
    return Path(chosen) if chosen else Path.home() / default


def _private(folder: Path) -> Path:
    with StoreAccess("make", folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = folder.stat()
    if there.st_uid != os.getuid() or there.st_mode & 0o022:
        raise StoreAccessError(
            f"{folder} is another user's, or others may write there: `chmod 700` it, or name "
            f"another folder in {CACHE_VARIABLE} or XDG_STATE_HOME"
        )
    return folder
