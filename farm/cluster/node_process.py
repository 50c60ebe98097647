"""The processes of nodes on this host: become one, start one in the background, stop them all.

Each has a file named after its process number in a private folder, which is how those of this user
are found again; a number that has gone to another process meanwhile is not touched.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import psutil

from farm.card_lock import private_folder
from farm.cluster.node import Start
from farm.errors import ClusterError

MODULE = "farm.cluster.ray_start"
UP = "the node is up"
_WANTED_FILES = 65536
_LONGEST_START_S = 120.0
_EXIT_MARGIN_S = 15.0
_POLL_S = 0.1


def become(start: Start, environment: Mapping[str, str]) -> NoReturn:
    """Turn this process into the node."""
    _allow_many_files()
    _note(os.getpid(), start)
    sys.stdout.flush()
    os.execve(sys.executable, _command(start), dict(environment))


def detach(start: Start, environment: Mapping[str, str]) -> Path:
    """Start the node in the background, and wait until it is up.

    Returns
    -------
    Path
        Its log.

    Raises
    ------
    ClusterError
        If it does not come up; the message says why.
    """
    _allow_many_files()
    log = private_folder("node") / f"node-{time.time_ns() // 1_000_000}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(start),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _note(process.pid, start)
    deadline = time.monotonic() + _LONGEST_START_S
    while UP not in (said := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            last = [line for line in said.splitlines() if line.strip()][-3:]
            raise ClusterError(f"the node did not come up: {' / '.join(last)} (log {log})")
        time.sleep(_POLL_S)
    return log


def stop_all() -> int:
    """Ask all nodes of this user on this host to drain and end; returns how many there were."""
    asked: dict[psutil.Process, float] = {}
    for note in _notes():
        process = _node(note)
        if process is None:
            note.unlink(missing_ok=True)
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
        asked[process] = time.monotonic() + float(note.read_text() or 0) + _EXIT_MARGIN_S
    for process, deadline in asked.items():
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except psutil.TimeoutExpired:
            process.kill()  # Ray's reaper ends what it started
    return len(asked)


def _command(start: Start) -> list[str]:
    reach = "loopback" if start.is_loopback else "network"
    return [sys.executable, "-P", "-m", MODULE, reach, *start.arguments]


def _note(pid: int, start: Start) -> None:
    (private_folder("node", "processes") / str(pid)).write_text(f"{start.drain_s:g}")


def _notes() -> list[Path]:
    return [note for note in private_folder("node", "processes").iterdir() if note.name.isdigit()]


def _node(note: Path) -> psutil.Process | None:
    """Process of a note, if it is still the node that it was."""
    try:
        process = psutil.Process(int(note.name))
        return process if MODULE in process.cmdline() else None
    except psutil.Error:
        return None


def _allow_many_files() -> None:
    """Raise the limit of open files as far as is wanted and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
