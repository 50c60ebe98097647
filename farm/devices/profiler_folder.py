"""Private directories for the profiler logs of executors.

Processes that share a directory share one log, so every executor has its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from farm.card_lock import private_folder
from farm.errors import CardError


def new_folder() -> Path:
    """Make a directory of this process, and remove those that dead processes left behind.

    Raises
    ------
    CardError
        If that is not possible.
    """
    try:
        home = private_folder("profiler")
        _remove_leftovers(home)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
    except OSError as error:
        raise CardError(f"no directory for the profiler's log: {error}") from error


def _remove_leftovers(home: Path) -> None:
    for folder in home.iterdir():
        pid = folder.name.partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
