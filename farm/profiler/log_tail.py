"""Follows a log that grows.

Bytes are read once, by offset, and only whole lines.  `LogTail.take` hands out the launches that
are complete and keeps the rows of the others for the next time; `LogTail.take_all` hands out
everything.

**Call them when a dump has returned, never in the middle of one**: a launch whose cores have only
been written in part looks complete.  `LogTail.absorb` may be called at any time.  Where the next
dump may be under way already, say where the one to be read ended.

The log may be deleted, renamed or truncated between two calls.  What the old one still held is read
first, if it can be (not after a truncation); its open launches are handed out with the next call,
as incomplete; then the new one is read from its header on.  A file that was rewritten in place is
found out by the last bytes that were read of it.

Clocks run on from call to call, over wraps and new files.  After the reset of a card they begin
anew: begin with a new tail.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from farm.errors import FormatError
from farm.profiler.chip_clock import ChipClocks
from farm.profiler.launch_cells import LaunchLines, LaunchStatus
from farm.profiler.launch_window import LaunchWindow
from farm.profiler.launches import LAUNCH_SCHEMA, LaunchBefore, launch_order, launch_table
from farm.profiler.log_format import MAX_HEADER_BYTES, LogHeader, parse_header
from farm.profiler.log_reader import PIECE_BYTES, WINDOW_ROWS, Profile, add_counts
from farm.profiler.zone_rows import PieceCounts, PieceReader

_N_FINGERPRINT_BYTES = 64


class LogTail:
    """The launches of a log, as they come.

    Parameters
    ----------
    path : str or Path
        A ``profile_log_device.csv``; it need not exist yet.
    from_end : bool
        Skip what the log holds now: leftovers of others.

    Raises
    ------
    FormatError
        From every method that reads: the file is no device-profiler log or cannot be read.
    """

    def __init__(self, path: str | Path, from_end: bool = False) -> None:
        self.path = Path(path)
        self._file: int | None = None
        self._offset = 0
        self._fingerprint = b""
        self._header: LogHeader | None = None
        self._pieces: PieceReader | None = None
        self._window = LaunchWindow(has_ids=True)
        self._clocks = ChipClocks()
        self._before = LaunchBefore()
        self._ready: list[LaunchLines] = []
        self._tables: list[pa.Table] = []
        self._counts = PieceCounts()
        self._n_repeated_rows = 0
        if from_end:
            self.absorb()
            self._drop_everything()

    @property
    def offset(self) -> int:
        """Bytes of the present file that were read; the rest is a line without an end."""
        return self._offset

    @property
    def n_open_rows(self) -> int:
        """Rows held of launches that were not handed out."""
        return self._window.n_rows

    def absorb(self, end: int | None = None) -> int:
        """Read what has been added, as far as there are whole lines.

        Parameters
        ----------
        end : int, optional
            Offset in the file before which to stop: its length when the dump had returned.  Only
            for a log that is not replaced before it has been read.

        Returns
        -------
        int
            Bytes read.
        """
        try:
            return self._absorb(end)
        except OSError as error:
            raise FormatError(f"{self.path}: cannot be read: {error.strerror}") from error

    def take(self, end: int | None = None) -> Profile:
        """Read on, and hand out the launches that are complete; to be called after a dump.

        Parameters
        ----------
        end : int, optional
            See `absorb`.
        """
        self.absorb(end)
        return self._profile(self._window.take_complete(), False, end)

    def take_all(self) -> Profile:
        """Read on, and hand out all launches; those that are not complete say so."""
        self.absorb()
        return self._profile(self._window.take_all(), True, None)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _absorb(self, end: int | None) -> int:
        n_bytes = 0
        while True:
            if self._file is None:
                try:
                    self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    return n_bytes
            if self._was_rewritten():
                self._begin_anew()
            n_bytes += self._read_on(end)
            if self._is_current():
                return n_bytes
            # Once more: lines may have come between the last read and the look at the path.
            n_bytes += self._read_on(end)
            self.close()
            self._begin_anew()

    def _is_current(self) -> bool:
        """Whether the path still names the file that is open."""
        file = self._open_file()
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(file))

    def _open_file(self) -> int:
        if self._file is None:
            raise FormatError(f"{self.path}: the log is closed")
        return self._file

    def _was_rewritten(self) -> bool:
        """Whether the file is shorter than what was read of it, or does not hold that any more."""
        file = self._open_file()
        if os.fstat(file).st_size < self._offset:
            return True
        start = self._offset - len(self._fingerprint)
        return os.pread(file, len(self._fingerprint), start) != self._fingerprint

    def _begin_anew(self) -> None:
        """Close the books of a file that is gone."""
        if self._header is not None:
            self._ready += self._window.take_all()
            self._book()
        self._offset, self._fingerprint = 0, b""
        self._header = self._pieces = None

    def _book(self) -> None:
        """Turn what is ready into a table, with the clock of its header."""
        if self._header is not None and self._ready:
            lines = LaunchLines.joined(self._ready)
            lines = lines[launch_order(lines, self._clocks.chips)]
            self._tables.append(launch_table(lines, self._header.chip_mhz, self._before))
        self._ready = []

    def _read_on(self, stop: int | None) -> int:
        file, n_bytes, size = self._open_file(), 0, PIECE_BYTES
        if self._header is None and not self._read_header():
            return 0
        while True:
            wanted = size if stop is None else max(min(size, stop - self._offset), 0)
            text = os.pread(file, wanted, self._offset)
            end = text.rfind(b"\n") + 1
            if end == 0:
                if len(text) < size:
                    return n_bytes
                size *= 2
                continue
            self._take_in(memoryview(text)[:end])
            n_bytes += end
            # A shorter read than asked for has reached the end.
            if len(text) < size:
                return n_bytes

    def _read_header(self) -> bool:
        start = os.pread(self._open_file(), MAX_HEADER_BYTES, 0)
        self._header = parse_header(start, str(self.path)) if start else None
        if self._header is None:
            return False
        self._pieces = PieceReader(self._header, self._clocks, str(self.path))
        self._window.has_ids = self._header.generation.has_host_ids
        self._offset = self._header.n_bytes
        self._fingerprint = start[: self._offset][-_N_FINGERPRINT_BYTES:]
        return True

    def _take_in(self, text: memoryview) -> None:
        if self._pieces is None:
            raise FormatError(f"{self.path}: rows before the header")
        rows, counts = self._pieces.read(text)
        add_counts(self._counts, counts, self._open_file(), self._offset)
        self._window.add(rows)
        self._offset += len(text)
        self._fingerprint = (self._fingerprint + bytes(text[-_N_FINGERPRINT_BYTES:]))[
            -_N_FINGERPRINT_BYTES:
        ]
        if self._window.n_rows > WINDOW_ROWS:
            self._ready += self._window.take_left_behind()

    def _profile(self, lines: list[LaunchLines], is_all: bool, end: int | None) -> Profile:
        tables = self._tables
        every = self._ready + lines
        self._ready, self._tables = [], []
        if every and self._header is not None:
            joined = LaunchLines.joined(every)
            order = launch_order(joined, self._clocks.chips)
            table = launch_table(joined[order], self._header.chip_mhz, self._before)
            if not is_all:
                is_complete = joined.status[order] == LaunchStatus.COMPLETE
                table = table.filter(pa.array(is_complete))
            tables = [*tables, table]
        counts, self._counts = self._counts, PieceCounts()
        n_repeated = self._window.n_repeated_rows - self._n_repeated_rows
        self._n_repeated_rows += n_repeated
        return Profile(
            self._header,
            pa.concat_tables(tables) if tables else LAUNCH_SCHEMA.empty_table(),
            counts.n_rows,
            counts.n_other_rows,
            n_repeated,
            counts.n_bad_lines,
            tuple(counts.bad_lines),
            self._n_torn_bytes(end),
        )

    def _n_torn_bytes(self, end: int | None) -> int:
        if self._file is None:
            return 0
        end = os.fstat(self._file).st_size if end is None else end
        return max(end - self._offset, 0)

    def _drop_everything(self) -> None:
        self._window.take_all()
        self._ready, self._tables, self._counts = [], [], PieceCounts()
        self._before = LaunchBefore()
