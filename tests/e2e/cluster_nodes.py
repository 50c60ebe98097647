"""Nodes of a real cluster on this machine, each a ``farm node`` process with a home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psutil

FARM = str(Path(sys.executable).with_name("farm"))
_UP_S, _DOWN_S = 60.0, 60.0


def free_port() -> int:
    """Find a TCP port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass
class Nodes:
    """Starts nodes and ends them.

    Attributes
    ----------
    port : int
        Of the head.
    folder : Path
        Short, private; holds temporary files and the user's home.
    """

    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sf", dir="/tmp")))
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the head."""
        return f"127.0.0.1:{self.port}"

    @property
    def token(self) -> Path:
        """The file that the head made."""
        return self.folder / "home" / ".ray" / "auth_token"

    def environment(self, home: str = "home", **variables: str) -> dict[str, str]:
        """Build the environment of a user with that home, who has no other settings of Ray."""
        (self.folder / home).mkdir(exist_ok=True)
        (self.folder / "t").mkdir(mode=0o700, exist_ok=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        place = {"HOME": str(self.folder / home), "TMPDIR": str(self.folder / "t")}
        return {**own, **place, "COLUMNS": "160", **variables}

    def start(
        self, *arguments: object, home: str = "home", **variables: str
    ) -> subprocess.Popen[str]:
        """Start a node, without waiting for it."""
        process = subprocess.Popen(
            [FARM, "node", *map(str, arguments)],
            env=self.environment(home, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def start_head(self, *arguments: object) -> str:
        """Start a head and wait until it is up; returns what it said."""
        return wait_until_up(self.start("--head", "--port", self.port, *arguments))

    def join(self, *arguments: object, **variables: str) -> str:
        """Join a node and wait until it is up; returns what it said."""
        return wait_until_up(self.start("--address", self.address, *arguments, **variables))

    def fail(self, *arguments: object, home: str = "home", **variables: str) -> tuple[int, str]:
        """Run a node that does not come up; returns its exit code and what it said."""
        process = self.start(*arguments, home=home, **variables)
        said = process.communicate(timeout=_UP_S)[0]
        return process.returncode, said

    def python(
        self, *arguments: str, home: str = "home", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python as the user."""
        return self._run(sys.executable, *arguments, home=home, **variables)

    def farm(
        self, *arguments: object, home: str = "home", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a farm command as the user."""
        return self._run(FARM, *map(str, arguments), home=home, **variables)

    def _run(self, *command: str, home: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(home, **variables),
            capture_output=True,
            text=True,
            timeout=_UP_S,
            check=False,
        )

    def stop(self, process: subprocess.Popen[str]) -> int:
        """Ask a node to stop, as a service manager does; returns its exit code."""
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_DOWN_S)
        return process.returncode

    def close(self) -> None:
        """End every node that is left, and all that it started."""
        families = []
        for process in reversed(self.processes):
            if process.poll() is None:
                with contextlib.suppress(psutil.Error):
                    families += psutil.Process(process.pid).children(recursive=True)
                process.terminate()
        for process in self.processes:
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        for child in families:
            with contextlib.suppress(psutil.Error):
                child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_until_up(process: subprocess.Popen[str]) -> str:
    """Read what a node says until it is up.

    Raises
    ------
    AssertionError
        If it ends instead.
    """
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if line.startswith("the node is up"):
            return said
    raise AssertionError(said)
