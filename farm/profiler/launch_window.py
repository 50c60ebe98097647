"""Launches that are not handed out yet: rows come in, complete launches go out.

Used by `farm.profiler.log_reader`, which hands out what lies a dump and more behind, so that memory
is bounded by the largest dump and not by the log; and by `farm.profiler.log_tail`, which hands out
what is complete after each dump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.profiler.launch_cells import Aggregate, LaunchLines, LaunchStatus, aggregate
from farm.profiler.zone_rows import ZoneRows

_N_ROWS_AT_ONCE = 2_000_000
# Far more rows than may lie between two rows of a launch where a writer did not go core by core.
_N_ROWS_BEHIND = 250_000


@dataclass(slots=True)
class LaunchWindow:
    """Rows of launches that are still open.

    Attributes
    ----------
    has_ids : bool
        Whether launches have ids.
    n_repeated_rows : int
        Rows dropped because they were there before, to the letter.
    """

    has_ids: bool
    n_repeated_rows: int = 0
    _pieces: list[ZoneRows] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """Rows held."""
        return sum(len(piece) for piece in self._pieces)

    def add(self, rows: ZoneRows) -> None:
        """Take rows in."""
        if len(rows):
            self._pieces.append(rows)

    def take_all(self) -> list[LaunchLines]:
        """Hand out everything; what is incomplete says so in its status."""
        rows = ZoneRows.joined(self._pieces)
        self._pieces = []
        found = [self._aggregated(part) for part in _parts(rows)]
        return [one.lines for one in found]

    def take_complete(self) -> list[LaunchLines]:
        """Let go of complete launches and keep the rows of the others.

        Returns
        -------
        list of LaunchLines
            All launches, complete or not: which follows which can only be told from all of them.
        """
        rows = ZoneRows.joined(self._pieces)
        self._pieces = []
        return [self._without_complete(part).lines for part in _parts(rows)]

    def take_left_behind(self) -> list[LaunchLines]:
        """Hand out complete launches of dumps that are over; see `_is_left_behind`."""
        rows = ZoneRows.joined(self._pieces)
        is_behind = _is_left_behind(rows)
        if np.count_nonzero(is_behind) * 2 < len(rows):
            # Not worth the work, or one very long dump.
            self._pieces = [rows]
            return []
        self._pieces = []
        found = [self._without_complete(part).lines for part in _parts(rows[is_behind])]
        self.add(rows[~is_behind])
        return [lines[lines.status == LaunchStatus.COMPLETE] for lines in found]

    def _without_complete(self, rows: ZoneRows) -> Aggregate:
        found = self._aggregated(rows)
        is_open = found.lines.status != LaunchStatus.COMPLETE
        if is_open.any():
            self.add(found.rows[is_open[found.launch]])
        return found

    def _aggregated(self, rows: ZoneRows) -> Aggregate:
        found = aggregate(rows, self.has_ids)
        self.n_repeated_rows += found.n_repeated_rows
        return found


def _parts(rows: ZoneRows) -> Iterator[ZoneRows]:
    """Rows in parts that hold whole launches, so that working memory is bounded."""
    if len(rows) <= _N_ROWS_AT_ONCE:
        if len(rows):
            yield rows
        return
    code = pa.array(rows.key).dictionary_encode().indices.to_numpy()
    n_until = np.cumsum(np.bincount(code))
    part_of = n_until // _N_ROWS_AT_ONCE
    for part in np.unique(part_of):
        yield rows[part_of[code] == part]


def _is_left_behind(rows: ZoneRows) -> npt.NDArray[np.bool_]:
    """Which rows belong to launches of dumps that are over.

    A dump goes core by core and RISC by RISC: a *stream* is one RISC of one core.  A launch is left
    behind once the stream of its first row has come again after a row of another stream, later than
    its last row: that is the next dump.
    """
    is_behind = np.zeros(len(rows), bool)
    chip = rows.key >> np.uint64(56)
    for one in np.unique(chip):
        at = np.flatnonzero(chip == one)
        stream = rows.core[at].astype(np.int64) * 8 + (rows.marker[at] >> 2)
        stream = pa.array(stream).dictionary_encode().indices.to_numpy()
        launch = pa.array(rows.key[at]).dictionary_encode().indices.to_numpy()
        run = np.cumsum(np.diff(stream, prepend=-1) != 0)
        position = np.arange(len(at))
        last_run_of_stream = np.zeros(int(stream.max()) + 1, np.int64)
        last_run_of_stream[stream] = run
        # Of equal indices the last assignment stays: the last row, and backwards the first.
        last_row = np.zeros(int(launch.max()) + 1, np.int64)
        last_row[launch] = position
        first_row = np.zeros_like(last_row)
        first_row[launch[::-1]] = position[::-1]
        is_over = last_run_of_stream[stream[first_row]] > run[last_row]
        is_over &= last_row < len(at) - _N_ROWS_BEHIND
        is_behind[at] = is_over[launch]
    return is_behind
