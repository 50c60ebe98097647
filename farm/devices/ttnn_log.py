"""What an executor launched, and the log of the device profiler that says how long it took.

Programs are known by their launch ids: the counter is read before and after each run.  A batch is
read at once, from where the last read ended to where the log ended when the dump had returned, so
that it may be read while the next batch runs.  The profiler's buffer drops what does not fit, and
nothing in the log says so; so it is also drained between two runs, whenever the next one might not
fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from farm.devices.device import N_LAUNCHES, PROFILE_SCHEMA
from farm.devices.launch_ranges import LaunchRanges
from farm.errors import CardError, FormatError
from farm.profiler.log_tail import LogTail

ROTATE_BYTES = 256 << 20
"""Size from which on a log that was read is deleted; the device's writer begins a new one."""


@dataclass(frozen=True, slots=True)
class MeasuredRuns:
    """The launches of one vector.

    Attributes
    ----------
    tag : int
        Tag of the vector.
    start, stop : int
        Counter of launch ids before and after what is joined.
    n_repeats, n_warmups : int
        Runs that are measured, and unmeasured ones before them, in that range.
    n_wanted : int
        Records to hand out: the first of the measured runs.
    """

    tag: int
    start: int
    stop: int
    n_repeats: int
    n_warmups: int
    n_wanted: int


@dataclass
class _Batch:
    runs: list[MeasuredRuns] = field(default_factory=list)

    def ranges(self) -> LaunchRanges:
        columns = zip(
            *((r.tag, r.start, r.stop, r.n_repeats, r.n_warmups) for r in self.runs), strict=True
        )
        return LaunchRanges(*(np.array(column, np.int64) for column in columns))

    def only_wanted(self, records: pa.Table) -> pa.Table:
        wanted = {run.tag: run.n_wanted for run in self.runs}
        tags, repeats = records["tag"].to_pylist(), records["repeat"].to_pylist()
        return records.filter(pa.array([r < wanted[t] for t, r in zip(tags, repeats, strict=True)]))


class LaunchLog:
    """Launches of one open card since the last read, and the log.

    Parameters
    ----------
    path : Path
        The profiler's log; it need not exist yet.
    counter : Callable
        Returns the id of the next launch.
    dump : Callable
        Waits for the card and drains the profiler's buffer into the log.
    capacity : int
        Launches that the buffer holds.
    """

    def __init__(
        self, path: Path, counter: Callable[[], int], dump: Callable[[], None], capacity: int
    ) -> None:
        self._path, self._counter, self._dump, self._capacity = path, counter, dump, capacity
        self._tail = LogTail(path, from_end=True)
        self._batch = _Batch()
        self._unread: deque[int] = deque()
        self._read_at = self._dumped_at = counter()
        self._most_per_run = 1

    def run(self, run: Callable[[], None]) -> int:
        """Call a run of a vector, with room for its launches in the profiler's buffer.

        Returns
        -------
        int
            How many programs it launched.

        Raises
        ------
        CardError
            If the buffer cannot be drained.
        """
        start = self._counter()
        if start - self._dumped_at + self._most_per_run > self._capacity:
            self._drain()
        try:
            run()
        finally:
            n_launches = self._counter() - start
            self._most_per_run = max(self._most_per_run, n_launches)
        return n_launches

    def add(self, runs: MeasuredRuns) -> None:
        """Note what a vector launched."""
        self._batch.runs.append(runs)

    def end_batch(self) -> Callable[[], pa.Table]:
        """Drain the profiler, and leave reading the log to the function that is returned.

        Raises
        ------
        CardError
            If the buffer cannot be drained, or the log cannot be rotated.
        """
        self._rotate()
        self._drain()
        end = self._n_bytes()
        n_launches = self._dumped_at - self._read_at
        batch, self._batch, self._read_at = self._batch, _Batch(), self._dumped_at
        self._unread.append(end)
        return partial(self._read, batch, n_launches, end)

    def close(self) -> None:
        """Let go of the log and delete it."""
        self._tail.close()
        self._path.unlink(missing_ok=True)

    def _drain(self) -> None:
        self._dump()
        self._dumped_at = self._counter()

    def _n_bytes(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def _rotate(self) -> None:
        # What is in the log beyond the last read was drained in the middle of this batch.
        is_all_read = not self._unread and self._n_bytes() == self._tail.offset
        if is_all_read and self._tail.offset >= ROTATE_BYTES:
            try:
                self._path.unlink()
            except OSError as error:
                raise CardError(f"the profiler's log cannot be deleted: {error}") from error

    def _read(self, batch: _Batch, n_launches: int, end: int) -> pa.Table:
        try:
            profile = self._tail.take(end)
        except FormatError as error:
            raise CardError(f"the profiler's log cannot be read: {error}") from error
        finally:
            self._unread.popleft()
        if not batch.runs:
            return PROFILE_SCHEMA.empty_table()
        if profile.header is None:
            raise CardError(
                f"the device profiler wrote no log to {self._path}: is this a build of tt-metal "
                f"with the profiler (build_metal.sh --enable-profiler, or newer than 2025)?"
            )
        generation = profile.header.generation
        if not generation.has_host_ids:
            raise CardError("this build of tt-metal logs no launch ids; take one since 2024-08-16")
        records = batch.only_wanted(batch.ranges().records(profile, generation, chip=None))
        return records.replace_schema_metadata({N_LAUNCHES: str(n_launches).encode()})
