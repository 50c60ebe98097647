"""Writes ``live.json`` while a run lasts.

Lives in the process of ``farm run``, which knows of every restart of its driver and how the run
ended.  Snapshots are made by the thread that feeds the events and written by another one, so that
a slow store holds nobody up; of snapshots that wait only the latest is written.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from farm.errors import StoreError
from farm.store.files import Files
from farm.store.live import EVERY_S, LIVE_FILE, End, Snapshot
from farm.view.run_state import RunState

_LAST_WRITE_S = 10.0

logger = logging.getLogger(__name__)


class LiveWriter:
    """Publishes snapshots of a run.

    Parameters
    ----------
    files : Files
        Of the sweep directory.
    run_id, sweep, device : str
        Which run of which sweep, on what.
    every_s : float
        Seconds between two snapshots.
    clock : Callable
        Monotonic time, seconds.
    """

    def __init__(
        self,
        files: Files,
        run_id: str,
        sweep: str,
        device: str,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files, self._clock = files, clock
        self._base = Snapshot(
            run_id=run_id,
            sweep=sweep,
            directory=str(files.location),
            device=device,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=_now(),
            every_s=every_s,
        )
        self._next_s = clock()
        self._n_written = 0
        self._has_failed = False
        self._waiting: bytes | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_all, daemon=True, name="live-writer")
        self._thread.start()

    def show(self, state: RunState) -> None:
        """Publish a snapshot if one is due; to be called often."""
        if self._clock() >= self._next_s:
            self._next_s = self._clock() + self._base.every_s
            self._hand_over(state.snapshot(self._base))

    def end(self, state: RunState, end: End) -> None:
        """Publish the last snapshot of the run, and wait until it is written."""
        self._hand_over(state.snapshot(self._base, end))
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join(_LAST_WRITE_S)

    def _hand_over(self, snapshot: Snapshot) -> None:
        self._n_written += 1
        content = replace(snapshot, n_written=self._n_written, written_at=_now()).encode()
        with self._changed:
            self._waiting = content
            self._changed.notify()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._is_over)
                content, self._waiting = self._waiting, None
            if content is None:
                return
            self._write(content)

    def _write(self, content: bytes) -> None:
        try:
            self._files.replace(LIVE_FILE, content, is_durable=False)
            self._has_failed = False
        except StoreError as error:
            # The run matters more than its view; what it commits will tell if the store is gone.
            if not self._has_failed:
                logger.warning("the live view cannot be written: %s", error)
            self._has_failed = True


def end_of(exit_code: int, state: RunState) -> End:
    """Say how a run ended, from the exit code of ``farm run``."""
    stop = state.control.stop
    if exit_code == 0:
        return End("finished", exit_code, "every vector is accounted for")
    if exit_code == 130:
        by = f"by {stop.by}" if stop is not None else "by its user"
        return End("stopped", exit_code, f"stopped {by}; what was committed is safe")
    return End("failed", exit_code, state.error or "see driver.log")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
