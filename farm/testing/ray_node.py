"""One real Ray node of a test cluster: a process session that can be hit as a whole or in part.

``ray start --block`` leads a session of its own, and everything that Ray starts for the node stays
in it: raylet, agents, actors and their executors.  So a node is killed, stopped and found by its
session, and other Ray instances of the machine are never touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from farm.errors import FarmError

START_TIMEOUT_S = 60.0
_EXIT_S = 20.0
_UP = "Ray runtime started"


class ClusterStartError(FarmError):
    """A Ray node of a test did not come up."""


@dataclass
class RayNode:
    """A node that was started by `start_node`.

    Attributes
    ----------
    name : str
        As Ray knows it (``--node-name``).
    node_id : str
        Ray's id of the node, hexadecimal; empty if Ray chose it.
    process : subprocess.Popen
        ``ray start --block``, the leader of the session.
    log_path : Path
        What it printed.
    """

    name: str
    node_id: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def members(self, mark: str = "") -> list[psutil.Process]:
        """Living processes of the node whose command line contains `mark`."""
        return [p for p in session_members(self.process.pid) if mark in command_line(p)]

    def kill(self, mark: str = "") -> int:
        """SIGKILL every process of the node, or those that `mark` names.

        Returns
        -------
        int
            How many were killed.
        """
        n_killed = _signal(self.members(mark), signal.SIGKILL)
        if mark:
            return n_killed
        end = time.monotonic() + _EXIT_S
        while (left := self.members()) and time.monotonic() < end:
            n_killed += _signal(left, signal.SIGKILL)
            time.sleep(0.02)
        self.process.wait(_EXIT_S)
        return n_killed

    def stop(self, mark: str = "", but: str | None = None) -> None:
        """SIGSTOP the node: to the others it looks like the far side of a broken network.

        Parameters
        ----------
        mark : str
            Names the processes to stop; all if it is empty.
        but : str or None
            Names processes to leave running.
        """
        stopped = [p for p in self.members(mark) if but is None or but not in command_line(p)]
        _signal(stopped, signal.SIGSTOP)

    def go_on(self, mark: str = "") -> None:
        """SIGCONT the node, or the processes that `mark` names."""
        _signal(self.members(mark), signal.SIGCONT)

    def leave(self) -> None:
        """SIGTERM to ``ray start --block``: the node drains, then goes."""
        self.process.terminate()

    @property
    def is_up(self) -> bool:
        """Whether the node's raylet lives."""
        return bool(self.members("raylet/raylet"))


def start_node(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    name: str,
    log_path: Path,
    node_id: str = "",
    prefix: Sequence[str] = (),
) -> RayNode:
    """Start ``ray start --block`` without waiting for the node, see `wait_until_up`.

    Parameters
    ----------
    arguments : Sequence of str
        The command.
    environment : Mapping
        Of the node; its actors inherit it.
    name : str
        Of the node.
    log_path : Path
        Where its output goes.
    node_id : str
        Id that Ray is to use; empty: Ray chooses.
    prefix : Sequence of str
        Command that runs the command, such as one that enters a network namespace.

    Returns
    -------
    RayNode
        The node.
    """
    environment = dict(environment)
    if node_id:
        environment["RAY_OVERRIDE_NODE_ID_FOR_TESTING"] = node_id
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*prefix, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return RayNode(name, node_id, process, log_path)


def wait_until_up(node: RayNode, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait for a node to say that it runs.

    Raises
    ------
    ClusterStartError
        If it ends, or takes longer than `timeout_s`.
    """

    def is_up() -> bool:
        if node.process.poll() is not None:
            raise ClusterStartError(f"node {node.name} ended:\n{_tail(node.log_path)}")
        return _UP in node.log_path.read_text(errors="replace")

    if not wait_for(is_up, timeout_s):
        node.kill()
        raise ClusterStartError(f"node {node.name} does not come up:\n{_tail(node.log_path)}")


def wait_for(condition: Callable[[], bool], timeout_s: float, every_s: float = 0.05) -> bool:
    """Wait until a condition holds; returns whether it came to hold in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True


def session_members(session_id: int) -> list[psutil.Process]:
    """Living processes of a session."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(pid) == session_id:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def command_line(process: psutil.Process) -> str:
    """Command line of a process as one text; empty if it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> int:
    n_sent = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
            n_sent += 1
    return n_sent


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-3000:] if path.exists() else ""
