"""``farm run`` on a test cluster: started, watched, hit where it hurts."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from farm.store.directory import SweepDirectory
from farm.testing.ray_cluster import RayCluster
from farm.testing.ray_node import command_line, wait_for

FARM = str(Path(sys.executable).with_name("farm"))
RESHARD = ("reshard", "-l", "input_grid=1x1", "-l", "shape=1x1x32x32..1x1x320x512")


class ClusterRun:
    """One ``farm run --address`` as a process, and what it says.

    Parameters
    ----------
    cluster : RayCluster
        Where.
    path : Path
        The sweep directory.
    arguments : Sequence of str
        Of ``farm run``, without the directory, the cluster and ``--json``.
    """

    def __init__(self, cluster: RayCluster, path: Path, arguments: Sequence[str]) -> None:
        self.path = path
        self.began_at = time.time()
        self.events: list[dict[str, Any]] = []
        self._errors = path.with_suffix(".stderr").open("ab")
        self.process = subprocess.Popen(
            [
                *cluster.entrance, FARM, "run", *arguments, "--out", str(path),
                "--address", cluster.address, "--json",
            ],
            env=cluster.client_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> ClusterRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._children():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.kill()
        self.wait(30)

    def _read(self) -> None:
        if self.process.stdout is None:
            return
        for line in self.process.stdout:
            if line.startswith(b"{"):
                self.events.append({"heard_at": time.time(), **json.loads(line)})

    def wait(self, timeout_s: float = 150.0) -> int:
        """Wait for the end of the run; returns its exit code.

        Raises
        ------
        TimeoutError
            If it takes longer, with the end of the driver's log.
        """
        try:
            exit_code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(self.story()) from error
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()
        return exit_code

    @property
    def directory(self) -> SweepDirectory:
        """The sweep directory."""
        return SweepDirectory.open(self.path)

    @property
    def progress(self) -> dict[str, Any]:
        """The latest progress event; empty before the first."""
        found = [event for event in self.events if event["event"] == "progress"]
        return found[-1] if found else {}

    @property
    def n_committed(self) -> int:
        """Chunks with results."""
        return sum(1 for _ in (self.path / "results").glob("*/*.parquet"))

    def wait_for_chunks(self, n: int, timeout_s: float = 90.0) -> None:
        """Wait until so many chunks are committed.

        Raises
        ------
        TimeoutError
            If it takes longer, with the end of the driver's log.
        """

        def has_come() -> bool:
            return self.n_committed >= n or self.process.poll() is not None

        if not wait_for(has_come, timeout_s) or self.n_committed < n:
            raise TimeoutError(f"{self.n_committed} of {n} chunks: {self.story()}")

    def incidents(self, *kinds: str) -> list[dict[str, Any]]:
        """Incidents in the journal, of the kinds named."""
        return [record for record in self.directory.incidents() if record["kind"] in kinds]

    def wait_for_incident(
        self, *kinds: str, since_at: float = 0.0, timeout_s: float = 60.0
    ) -> float:
        """Wait for an incident; returns its wall-clock time.

        Raises
        ------
        TimeoutError
            If none comes.
        """

        def first() -> float | None:
            times = [journalled_at(record) for record in self.incidents(*kinds)]
            return next((at for at in times if at >= since_at), None)

        if not wait_for(lambda: first() is not None, timeout_s):
            raise TimeoutError(f"no incident of {kinds}: {self.story()}")
        return first() or 0.0

    def cards(self) -> dict[str, str]:
        """Name the card of every committed chunk."""
        directory = self.directory
        return {chunk: directory.result_meta(chunk).card for chunk in directory.committed()}

    def driver(self) -> psutil.Process:
        """Return the living driver process."""
        found: list[psutil.Process] = []

        def has_driver() -> bool:
            found[:] = [p for p in self._children() if "farm.driver" in command_line(p)]
            return bool(found)

        wait_for(has_driver, 30.0)
        return found[0]

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            return []

    def story(self) -> str:
        """Return the last words of the run, for a test that fails."""
        log = self.path / "driver.log"
        said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        errors = self.path.with_suffix(".stderr").read_text(errors="replace")[-2000:]
        last = [event for event in self.events if event["event"] != "progress"][-8:]
        return f"exit {self.process.poll()}\n{last}\n{self.progress}\n{errors}\n{said}"


def journalled_at(record: dict[str, Any]) -> float:
    """Wall-clock time of a record of a journal, seconds since 1970."""
    return datetime.fromisoformat(str(record["time"])).timestamp()
