"""The supervisor: the process of ``farm run`` that owns the terminal and has no Ray.

Ray can end its driver without ``finally``, or leave it hanging for ever.  So the driver is a child:
the supervisor holds the directory's run lock, reads the driver's events, notices its silence, and
starts it again after any death, giving up after `MAX_RESUMES` deaths without progress.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farm import logs, ray_environment
from farm.cluster import open_probe
from farm.errors import ClusterError, DirectoryBusyError, FarmError
from farm.settings import RunSettings
from farm.store.files import RunLock
from farm.store.host_folders import log_path
from farm.store.location import Location

MAX_RESUMES = 5
"""Deaths of the driver in a row without a vector done in between."""

SILENCE_S = 120.0
"""A driver that says nothing for so long is taken for hung and killed."""

EXIT_INTERRUPTED = 130
EXIT_STOPPED = 4

OnEvent = Callable[[dict[str, Any]], None]


def enter_cluster(settings: RunSettings, environment: MutableMapping[str, str]) -> None:
    """Make sure that the cluster of a run admits it, and set Ray's variables for joining it.

    Raises
    ------
    UsageError
        If the address, the token or the certificates cannot be used.
    AccessError
        If nobody answers there, the cluster lets anybody in, or it does not accept our token.
    """
    tls = Path(settings.tls) if settings.tls else None
    open_probe.enter(environment, settings.address, settings.allows_open_cluster, tls)


@dataclass
class Supervisor:
    """Runs one sweep to its end.

    Attributes
    ----------
    settings : RunSettings
        Of the run.
    on_event : Callable
        Called with every event of the driver, and with None-like ``tick`` events in between.
    lock : RunLock or None
        The right to run in the directory; its loss ends the run.
    """

    settings: RunSettings
    on_event: OnEvent
    lock: RunLock | None = None
    _n_interrupts: int = 0
    _n_forwarded: int = 0
    _n_done: int = field(default=-1)

    def run(self) -> int:
        """Run and return the exit code."""
        handlers = {n: signal.signal(n, self._interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            return self._run_drivers()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: object) -> None:
        del number, frame
        self._n_interrupts += 1
        self.on_event({"event": "interrupt", "n": self._n_interrupts})

    def _run_drivers(self) -> int:
        n_deaths = 0
        while True:
            n_before = self._n_done
            exit_code, is_final = self._run_driver()
            if is_final:
                return exit_code
            if self._n_interrupts:
                return EXIT_INTERRUPTED
            n_deaths = 1 if self._n_done > n_before else n_deaths + 1
            if n_deaths > MAX_RESUMES:
                message = (
                    f"the driver died {n_deaths} times without progress (exit {exit_code}); see "
                    f"{self._log_path}"
                )
                self.on_event({"event": "error", "message": message, "exit_code": EXIT_STOPPED})
                return EXIT_STOPPED
            wait_s = min(10.0, 0.5 * 2**n_deaths)
            message = f"the driver ended (exit {exit_code}); resuming in {wait_s:g} s"
            self.on_event({"event": "resume", "message": message})
            time.sleep(wait_s)

    @property
    def _log_path(self) -> Path:
        return log_path(Location.parse(self.settings.directory))

    def _run_driver(self) -> tuple[int, bool]:
        """Run one driver; returns its exit code and whether that is the run's."""
        try:
            environment = self._environment()
        except FarmError as error:
            if self._n_done < 0:
                raise
            # The cluster was there before: its head may be on its way back.
            self.on_event({"event": "resume", "message": str(error)})
            return error.exit_code, False
        read_end, write_end = os.pipe()
        logs.rotate(self._log_path)
        with self._log_path.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "farm.driver", str(write_end), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[write_end],
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
            )
        os.close(write_end)
        stdin = child.stdin
        if stdin is not None:
            stdin.write(self.settings.to_json().encode() + b"\n")
            stdin.close()
        is_final = False
        self._n_forwarded = 0
        for event in self._events(read_end, child):
            if event["event"] == "progress":
                self._n_done = max(self._n_done, int(event["n_done"]))
            is_final = is_final or (event["event"] == "error" and not self._may_pass(event))
            self.on_event(event)
        exit_code = child.wait()
        return exit_code, is_final or exit_code in {0, EXIT_INTERRUPTED}

    def _may_pass(self, error: dict[str, Any]) -> bool:
        """Whether an error that ended a driver may be over when the next one starts."""
        return self._n_done >= 0 and error.get("kind") == ClusterError.__name__

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self.settings.is_cluster_run:
            enter_cluster(self.settings, environment)
        else:
            ray_environment.prepare(environment)
        return environment

    def _events(self, read_end: int, child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
        """Yield events until the driver closes its end or is taken for hung."""
        pending = b""
        heard_s = time.monotonic()
        with os.fdopen(read_end, "rb", buffering=0) as stream:
            while True:
                self._forward_interrupts(child)
                self._require_lock(child)
                if select.select([stream], [], [], 0.1)[0]:
                    data = stream.read(1 << 16)
                    if not data:
                        return
                    heard_s = time.monotonic()
                    *lines, pending = (pending + data).split(b"\n")
                    yield from (json.loads(line) for line in lines)
                elif child.poll() is not None:
                    return
                elif time.monotonic() - heard_s > SILENCE_S:
                    child.kill()
                    return
                else:
                    yield {"event": "tick"}

    def _require_lock(self, child: subprocess.Popen[bytes]) -> None:
        """End the run if another has taken over its directory."""
        try:
            if self.lock is not None:
                self.lock.require_held()
        except DirectoryBusyError:
            child.kill()
            child.wait()
            raise

    def _forward_interrupts(self, child: subprocess.Popen[bytes]) -> None:
        while self._n_forwarded < self._n_interrupts:
            self._n_forwarded += 1
            child.send_signal(signal.SIGTERM)
