"""Reads a whole log.

Every launch comes out once, with durations or with a status that says why it has none.  Outcomes of
the cases that occur, each with a test:

- a last line without an end is not read (`Profile.n_torn_bytes`); what it belongs to is NOT_ENDED
- a dump that ends early, or a core without any row, cannot be seen in one launch: `core_count` and
  `n_zones` differ from those of its repeats (`farm.profiler.launch_join` compares them)
- rows in any order, chips in blocks or row by row, CR LF, empty lines, several dumps in one
  file, cores that no two launches share, ERISC cores, clocks such as 1202 MHz: read as they are;
  pauses are per chip
- a dump that was written twice: exact repeats are dropped and counted (`n_repeated_rows`)
- a second header in the file: skipped if it says the same, else an error
- the 44-bit clock wraps, within a launch (`is_wrapped`) or between two: unwrapped per chip
- a marker 2^32 cycles low: put right, `is_repaired`
- a launch with starts only, with one marker, or with a core whose ends are missing: NOT_ENDED, a
  launch of its own, its neighbours exact; the pause after it is null
- the start of a zone is missing: NOT_STARTED; rows of the master RISC missing: NO_FIRMWARE
- an id several times (trace replay, wrap of 16 bits), and id 0 (no id): `segment` 0, 1, ... by time
- zones of users, sums, data up to 2^64 - 1, dispatch cores: counted (`n_other_rows`)
- a line that is no row: set aside and counted (`n_bad_lines`, `bad_lines`)
- a log with a header and no rows: no launches; an empty file, or half a header: an error
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.errors import FormatError
from farm.profiler.chip_clock import ChipClocks
from farm.profiler.launch_cells import LaunchLines, LaunchStatus
from farm.profiler.launch_window import LaunchWindow
from farm.profiler.launches import LAUNCH_SCHEMA, LaunchBefore, launch_order, launch_table
from farm.profiler.log_format import MAX_HEADER_BYTES, LogHeader, parse_header
from farm.profiler.zone_rows import BadLine, PieceCounts, PieceReader

PIECE_BYTES = 1 << 21
WINDOW_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """What was read of a log.

    Attributes
    ----------
    header : LogHeader or None
        Its first two lines; None only of a growing log that has none yet.
    launches : pyarrow.Table
        See `farm.profiler.launches`.
    n_rows : int
        Rows read, without bad lines.
    n_other_rows : int
        Rows among them that are no start or end of a firmware or kernel zone.
    n_repeated_rows : int
        Rows that were there before, to the letter; dropped.
    n_bad_lines : int
        Lines that are no rows.
    bad_lines : tuple of BadLine
        The first of them, with their numbers in the file where known.
    n_torn_bytes : int
        Length of the last line, if it has no end.
    """

    header: LogHeader | None
    launches: pa.Table
    n_rows: int = 0
    n_other_rows: int = 0
    n_repeated_rows: int = 0
    n_bad_lines: int = 0
    bad_lines: tuple[BadLine, ...] = field(default=())
    n_torn_bytes: int = 0


def read_log(path: str | Path, piece_bytes: int = PIECE_BYTES) -> Profile:
    """Read a device-profiler log.

    Memory is bounded by the largest dump in the log (about a fifth of its text), not by the log.

    Parameters
    ----------
    path : str or Path
        A ``profile_log_device.csv``, complete: nobody writes to it.
    piece_bytes : int
        Read so much at a time.

    Returns
    -------
    Profile
        Its launches, and what else was found.

    Raises
    ------
    FormatError
        If it is no such log, is unreadable, or two logs with different headers in one file.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            return _read(file, str(path), piece_bytes)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error


def _read(file: IO[bytes], where: str, piece_bytes: int) -> Profile:
    start = file.read(MAX_HEADER_BYTES)
    if not start:
        raise FormatError(f"{where}, line 1: the file is empty; was the profiler enabled?")
    header = parse_header(start, where)
    if header is None:
        raise FormatError(
            f"{where}, line 2: the header is cut off; is the log still being written?"
        )
    clocks = ChipClocks()
    pieces = PieceReader(header, clocks, where)
    window = LaunchWindow(header.generation.has_host_ids)
    totals = PieceCounts()
    lines: list[LaunchLines] = []
    file.seek(header.n_bytes)
    offset, rest = header.n_bytes, b""
    while True:
        read = file.read(piece_bytes)
        text = rest + read if rest else read
        # Only whole lines are read; the rest waits for its end.
        end = text.rfind(b"\n") + 1
        if end:
            rows, counts = pieces.read(memoryview(text)[:end])
            add_counts(totals, counts, file.fileno(), offset)
            window.add(rows)
        offset, rest = offset + end, text[end:]
        if not read:
            break
        if window.n_rows > WINDOW_ROWS:
            lines += window.take_left_behind()
    lines += window.take_all()
    return Profile(
        header,
        _table(lines, header, clocks),
        totals.n_rows,
        totals.n_other_rows,
        window.n_repeated_rows,
        totals.n_bad_lines,
        tuple(totals.bad_lines),
        len(rest),
    )


def add_counts(totals: PieceCounts, counts: PieceCounts, file: int, offset: int) -> None:
    """Add what a piece held to the totals; numbers of bad lines become those of the file.

    Parameters
    ----------
    totals, counts : PieceCounts
        Of the log so far, and of the piece.
    file : int
        Descriptor of the log.
    offset : int
        Where the piece begins in the log, bytes.
    """
    totals.n_rows += counts.n_rows
    totals.n_other_rows += counts.n_other_rows
    if not counts.n_bad_lines:
        return
    # Lines are counted only now: bad ones are rare, and counting would cost every log its time.
    n_before = _n_lines_before(file, offset)
    n_bad = totals.n_bad_lines + counts.n_bad_lines
    for bad in counts.bad_lines:
        number = None if bad.number is None else bad.number + n_before
        totals.set_aside(number, bad.text)
    totals.n_bad_lines = n_bad


def _n_lines_before(file: int, end: int) -> int:
    n_lines = 0
    for offset in range(0, end, PIECE_BYTES):
        n_lines += os.pread(file, min(end - offset, PIECE_BYTES), offset).count(b"\n")
    return n_lines


def _table(lines: list[LaunchLines], header: LogHeader, clocks: ChipClocks) -> pa.Table:
    if not lines:
        return LAUNCH_SCHEMA.empty_table()
    every = LaunchLines.joined(lines)
    if len(lines) > 1:
        every.status[_overlap(every)] |= np.uint8(LaunchStatus.SCATTERED)
    every = every[launch_order(every, clocks.chips)]
    return launch_table(every, header.chip_mhz, LaunchBefore())


def _overlap(lines: LaunchLines) -> npt.NDArray[np.int64]:
    """Find launches that begin before another one of the same id has ended, and those others."""
    order = np.lexsort((lines.first_cycle, lines.key))
    is_same = lines.key[order[1:]] == lines.key[order[:-1]]
    is_early = lines.first_cycle[order[1:]] <= lines.firmware[order[:-1], 1]
    at = np.flatnonzero(is_same & is_early)
    return np.concatenate([order[at], order[at + 1]])
