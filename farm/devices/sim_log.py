"""The device profiler of a simulated card: a log in the real format, written and read back.

`SimProfiler.dump` renders the launches of a batch as zones on cores and appends them to a log, as a
device does when its buffer is drained.  What it returns reads the log with the project's own reader
and joins launches to vectors by their ids, and may run in another thread while the next batch is
dumped: each read ends where its dump ended, and is the only one to touch the log's tail.

Long batches are dumped in pieces, so that ids and clocks stay unambiguous and memory is bounded.  A
log that has grown large is followed by a new one, which is removed once nothing reads it any more.
"""

from __future__ import annotations

import itertools
import shutil
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.devices.device import PROFILE_SCHEMA
from farm.devices.launch_ranges import LaunchRanges
from farm.devices.profiler_folder import new_folder
from farm.devices.sim_model import COLUMN_ON_NOC, ROW_ON_NOC
from farm.errors import CardError, FormatError
from farm.profiler.launch_join import run_host_ids
from farm.profiler.log_format import CLOCK_BITS, Generation
from farm.profiler.log_tail import LogTail
from farm.profiler.log_writer import LogWriter, ZoneTimes

FIRST_LAUNCH_ID = 1
"""Id of the first launch of a process."""
FIRST_CYCLE = 1 << 20
"""Clock of a card when its process begins."""
ROTATE_BYTES = 64 << 20
"""Size from which on a log is followed by a new one."""

_MOST_ZONES_AT_ONCE = 1 << 16
_MOST_LAUNCHES_AT_ONCE = 1 << 14
_MOST_CYCLES_AT_ONCE = 1 << 40

_PAUSE_CYCLES = 1000
"""From the start of a launch's slot to its kernels, plus from their end to the next slot."""
_LEAD_CYCLES = 500
_MOST_START_SKEW, _MOST_END_SKEW = 2048, 1 << 16
_SKEW_BITS = 10
_N_RISCS_AT_MOST = 8

_CHIPS, _DEVICES = 1 << 8, 1 << 10


@dataclass(frozen=True, slots=True)
class LaunchBatch:
    """What ran between two dumps, vector by vector.

    Attributes
    ----------
    tag : ndarray
        Tag of each vector, shape (n,), int64.
    start, stop : ndarray
        Counter of launch ids before and after each vector, shape (n,), int64; ids wrap where the
        format's do, the counter does not.
    grid : ndarray
        Cores that each vector runs on, x and y, shape (n, 2), int64.
    n_riscs : ndarray
        RISCs that it runs on, in the order of `farm.profiler.log_format.RISCS`, shape (n,), int64.
    cycles : ndarray
        Duration of each launch, one vector after the other, shape (number of launches,), int64.
    """

    tag: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    grid: npt.NDArray[np.int64]
    n_riscs: npt.NDArray[np.int64]
    cycles: npt.NDArray[np.int64]

    def pieces(self) -> list[LaunchBatch]:
        """Cut into batches small enough for one dump; a vector is never cut."""
        n_launches = self.stop - self.start
        last = np.cumsum(n_launches)
        first = last - n_launches
        n_zones = n_launches * self.grid.prod(axis=1) * self.n_riscs
        until = np.concatenate([[0], np.cumsum(self.cycles + _PAUSE_CYCLES)])
        is_first = np.zeros(len(first), bool)
        for after, amount, most in (
            (last, n_launches, _MOST_LAUNCHES_AT_ONCE),
            (np.cumsum(n_zones), n_zones, _MOST_ZONES_AT_ONCE),
            (until[last], until[last] - until[first], _MOST_CYCLES_AT_ONCE),
        ):
            # A vector that is too large stands alone.
            for edge in (after - amount, after):
                is_first |= np.diff(edge // most, prepend=-1) != 0
        edges = [*np.flatnonzero(is_first).tolist(), len(first)]
        return [
            LaunchBatch(
                self.tag[a:b],
                self.start[a:b],
                self.stop[a:b],
                self.grid[a:b],
                self.n_riscs[a:b],
                self.cycles[first[a] : last[b - 1]],
            )
            for a, b in itertools.pairwise(edges)
        ]

    def zone_times(self, clock: int) -> ZoneTimes:
        """Zones of all launches, the first slot of which begins at `clock`.

        Kernels begin and end at different times on different cores; the first start and the last
        end are exactly as far apart as the launch lasts.
        """
        slot = self.cycles + _PAUSE_CYCLES
        begin = clock + _LEAD_CYCLES + np.cumsum(slot) - slot
        n_launches = self.stop - self.start
        n_zones = np.repeat(self.grid.prod(axis=1) * self.n_riscs, n_launches)
        launch = np.repeat(np.arange(len(slot)), n_zones)
        zone = np.arange(len(launch)) - np.repeat(np.cumsum(n_zones) - n_zones, n_zones)
        core, risc = np.divmod(zone, np.repeat(self.n_riscs, n_launches)[launch])
        y, x = np.divmod(core, np.repeat(self.grid[:, 0], n_launches)[launch])
        # Sorted as a device writes: core by core, RISC by RISC, launch by launch.  Sorting numbers
        # of 16 bits takes linear time.
        site = ((x * len(ROW_ON_NOC) + y) * _N_RISCS_AT_MOST + risc).astype(np.uint16)
        order = np.argsort(site, kind="stable")
        launch, zone = launch[order], zone[order]
        return ZoneTimes(
            launch,
            COLUMN_ON_NOC[x[order]],
            ROW_ON_NOC[y[order]],
            risc[order],
            _zone_cycles(begin[launch], self.cycles[launch], zone, n_zones[launch]),
        )


def _zone_cycles(
    begin: npt.NDArray[np.int64],
    duration: npt.NDArray[np.int64],
    zone: npt.NDArray[np.int64],
    n_zones: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Clocks of zone number `zone` of each launch: see `ZoneTimes.cycles`."""
    late = np.where(zone == 0, 0, zone * 37 % 128)
    early = np.where(zone == n_zones - 1, 0, (zone * 101 + 50) % 512)
    cycles = np.empty((len(zone), 4), np.int64)
    cycles[:, 1] = begin + ((np.minimum(duration, _MOST_START_SKEW) * late) >> _SKEW_BITS)
    end_skew = (np.minimum(duration, _MOST_END_SKEW) * early) >> _SKEW_BITS
    cycles[:, 2] = begin + duration - end_skew
    cycles[:, 0] = cycles[:, 1] - 60 - zone % 7
    cycles[:, 3] = cycles[:, 2] + 40 + zone % 5
    return cycles


class _Log:
    """One log: its writer, used by dumps, and its tail, used by reads."""

    def __init__(self, folder: Path, number: int, generation: Generation) -> None:
        self.number = number
        self.folder = folder / str(number)
        path = self.folder / ".logs" / "profile_log_device.csv"
        self.writer = LogWriter(path, generation)
        self.tail = LogTail(path)
        self.n_bytes = 0

    def remove(self) -> None:
        """Delete it."""
        self.tail.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Dump:
    """A piece of a batch in a log, and where it ends there."""

    log: _Log
    end: int
    batch: LaunchBatch


class SimProfiler:
    """Profiler of one simulated card.

    Parameters
    ----------
    index : int
        Slot number of the card.
    generation : Generation
        Generation of the format that is written.
    capacity : int
        Launches that its buffer holds between two dumps; what comes after them is not logged.
    """

    def __init__(self, index: int, generation: Generation, capacity: int) -> None:
        self._capacity = capacity
        self._chip, self._device = index % _CHIPS, index % _DEVICES
        self._generation = generation
        self._folder: Path | None = None
        self._logs: deque[_Log] = deque()
        self._n_logs = 0
        self._clock = FIRST_CYCLE
        self._remove: Callable[[], object] | None = None

    def open(self) -> None:
        """Make a directory for the logs, and remove those of dead processes.

        Raises
        ------
        CardError
            If that is not possible.
        """
        self.close()
        self._folder = new_folder()
        # Also when the process ends without closing the card.
        self._remove = weakref.finalize(self, _remove, self._folder, self._logs)

    def close(self) -> None:
        """Remove the logs; what was not read is lost."""
        if self._remove is not None:
            self._remove()
        self._remove = self._folder = None

    def dump(self, batch: LaunchBatch) -> Callable[[], pa.Table]:
        """Write the launches of a batch.

        Returns
        -------
        callable
            Reads them: columns of `PROFILE_SCHEMA`, in the order of the log.  Vectors whose
            launches are not accepted are left out.  Raises `CardError` if the log is unreadable.

        Raises
        ------
        CardError
            If the log cannot be written, or the profiler is not open.
        """
        dumps, room = [], self._capacity
        try:
            for piece in batch.pieces():
                dumps.append(self._dumped(piece, room))
                room = max(0, room - len(piece.cycles))
        except OSError as error:
            raise CardError(f"the profiler's log cannot be written: {error}") from error
        return partial(self._read, dumps)

    def _dumped(self, batch: LaunchBatch, room: int) -> _Dump:
        log = self._log()
        n_launches = batch.stop - batch.start
        ids = np.repeat(batch.start + n_launches - np.cumsum(n_launches), n_launches)
        ids = run_host_ids(ids + np.arange(len(ids)), self._generation, self._device)
        times = batch.zone_times(self._clock)
        if len(ids) > room:
            # As on a card: a full buffer drops markers, and nothing in the log says so.
            times = times[times.launch < room]
        log.n_bytes += log.writer.dump(times, ids, self._chip)
        busy = int(batch.cycles.sum()) + len(batch.cycles) * _PAUSE_CYCLES
        self._clock = (self._clock + busy) % (1 << CLOCK_BITS)
        return _Dump(log, log.n_bytes, batch)

    def _log(self) -> _Log:
        """Log to append to; a new one is only begun between two dumps."""
        if self._folder is None:
            raise CardError("the profiler is not open")
        if not self._logs or self._logs[-1].n_bytes >= ROTATE_BYTES:
            self._logs.append(_Log(self._folder, self._n_logs, self._generation))
            self._n_logs += 1
        return self._logs[-1]

    def _read(self, dumps: list[_Dump]) -> pa.Table:
        tables = [self._read_one(dump) for dump in dumps]
        return pa.concat_tables(tables) if tables else PROFILE_SCHEMA.empty_table()

    def _read_one(self, dump: _Dump) -> pa.Table:
        # Reads come in the order of their dumps, so whatever is older than this log was read.
        while self._logs and self._logs[0].number < dump.log.number:
            self._logs.popleft().remove()
        try:
            profile = dump.log.tail.take(dump.end)
        except FormatError as error:
            raise CardError(f"the profiler's log cannot be read: {error}") from error
        batch = dump.batch
        repeats = batch.stop - batch.start
        ranges = LaunchRanges(batch.tag, batch.start, batch.stop, repeats, np.zeros_like(repeats))
        return ranges.records(profile, self._generation, self._chip)


def _remove(folder: Path, logs: deque[_Log]) -> None:
    """Remove a card's directory with its logs."""
    while logs:
        logs.pop().remove()
    shutil.rmtree(folder, ignore_errors=True)
