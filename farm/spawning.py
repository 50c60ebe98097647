"""Start an executor process, and find all that it started.

What shapes this module was measured: the parent-death signal of a child fires when the *thread*
that started it ends, so one permanent thread starts them all; and the children of a process that
died are adopted by init, so they are found by a mark in their environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import psutil

MARK_VARIABLE = "SWEEPFARM_EXECUTOR"
"""Environment variable that tells the processes of one executor from all others."""

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def start_marked(process: Any, mark: str) -> None:
    """Start a spawned process whose whole offspring bears a mark.

    Parameters
    ----------
    process : multiprocessing.Process
        Not yet started, of the *spawn* context.
    mark : str
        Unique; inherited by whatever the process starts.
    """
    _SPAWNER.submit(_start, process, mark).result()


def family(pid: int | None, mark: str) -> list[psutil.Process]:
    """Find a process, its living children, and all that bears its mark."""
    return [*_tree(pid), *_marked(mark)]


def _tree(pid: int | None) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []


def _marked(mark: str) -> list[psutil.Process]:
    """Find what an executor has started, even after its death has made orphans of them."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(psutil.Process(int(folder.name)))
    return found


def _start(process: Any, mark: str) -> None:
    """Start a spawned process without re-importing this process' main module in it.

    Under Ray the main module is Ray's worker, whose import costs a second and opens sockets.  The
    mark in its environment is inherited by whatever it starts.
    """
    resource_tracker.ensure_running()  # it serves all executors and must not bear this one's mark
    os.environ[MARK_VARIABLE] = mark
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    try:
        if hasattr(main, "__file__"):
            del main.__file__
        main.__spec__ = None
        process.start()
    finally:
        del os.environ[MARK_VARIABLE]
        for name, value in hidden.items():
            if value is not None:
                setattr(main, name, value)
