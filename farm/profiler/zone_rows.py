"""Rows of firmware and kernel zones in compact form, and how a piece of a log becomes them.

One row of text (110 to 190 bytes) becomes 21 bytes.  A piece holds whole lines only.  Lines that
are no rows are set aside one by one: with too few or too many fields, or without a number where one
must be.  A second header in the middle of a log, as two logs in one file have, is no bad line if it
says the same as the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from farm.errors import FormatError
from farm.profiler.chip_clock import ChipClocks
from farm.profiler.log_format import (
    PHASES,
    LogHeader,
    marker_code,
    parse_clock_line,
    parse_column_line,
)

_TEXT = pa.dictionary(pa.int32(), pa.string())
_LARGEST = {"chip": 255, "x": 32767, "y": 32767, "cycles": 2**63 - 1, "id": 2**32 - 1}
_N_BAD_KEPT = 20
_HEADER_STARTS = ("ARCH:", "Chip clock is at ", "PCIe slot")
_ASCII = bytes(range(128))
_TO_ASCII = _ASCII + b"?" * 128


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no row: its number in its piece, from 1, or None if unknown, and its text."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ZoneRows:
    """Start and end markers of firmware and kernel zones, in the order of the log.

    Attributes
    ----------
    key : ndarray
        Which launch, shape (n,), uint64: chip in bits 56 to 63, trace id counter + 1 in bits 32 to
        55 (0: none), run host id in bits 0 to 31.
    core : ndarray
        ``core_x << 16 | core_y``, shape (n,), int32.
    marker : ndarray
        See `farm.profiler.log_format.marker_code`, shape (n,), int8.
    cycles : ndarray
        Unwrapped clock of the chip, shape (n,), int64.
    """

    key: npt.NDArray[np.uint64]
    core: npt.NDArray[np.int32]
    marker: npt.NDArray[np.int8]
    cycles: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, which: Any) -> ZoneRows:
        return ZoneRows(self.key[which], self.core[which], self.marker[which], self.cycles[which])

    @staticmethod
    def joined(parts: Iterable[ZoneRows]) -> ZoneRows:
        """Put pieces one after the other."""
        known = [part for part in parts if len(part)]
        if len(known) == 1:
            return known[0]
        if not known:
            return ZoneRows(
                np.empty(0, np.uint64),
                np.empty(0, np.int32),
                np.empty(0, np.int8),
                np.empty(0, np.int64),
            )
        return ZoneRows(
            np.concatenate([part.key for part in known]),
            np.concatenate([part.core for part in known]),
            np.concatenate([part.marker for part in known]),
            np.concatenate([part.cycles for part in known]),
        )


@dataclass(slots=True)
class PieceCounts:
    """What a piece of a log held.

    Attributes
    ----------
    n_rows : int
        Rows, without bad lines.
    n_other_rows : int
        Rows among them that are no start or end of a firmware or kernel zone.
    n_bad_lines : int
        Lines that are no rows.
    bad_lines : list of BadLine
        The first of them.
    """

    n_rows: int = 0
    n_other_rows: int = 0
    n_bad_lines: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)

    def set_aside(self, number: int | None, text: str) -> None:
        """Count a bad line, and keep it if it is one of the first."""
        self.n_bad_lines += 1
        if len(self.bad_lines) < _N_BAD_KEPT:
            self.bad_lines.append(BadLine(number, text[:200]))


class PieceReader:
    """Reads pieces of one log.

    Parameters
    ----------
    header : LogHeader
        Header of the log.
    clocks : ChipClocks
        Clocks of the chips; they run on from piece to piece.
    where : str
        Name of the log, for errors.
    """

    def __init__(self, header: LogHeader, clocks: ChipClocks, where: str) -> None:
        self.header = header
        self._clocks = clocks
        self._where = where
        named = {
            "chip": header.column("PCIe slot"),
            "x": header.column("core_x"),
            "y": header.column("core_y"),
            "risc": header.column("RISC processor type"),
            "cycles": header.column("time[cycles since reset]"),
            "id": header.column("run host ID"),
            "replay": header.column("trace id counter"),
            "zone": header.column("zone name"),
            "phase": header.column("zone phase", "type"),
        }
        self._names = {use: name for use, name in named.items() if name is not None}
        types = {
            "chip": pa.uint8(),
            "x": pa.int16(),
            "y": pa.int16(),
            "risc": _TEXT,
            "cycles": pa.int64(),
            "id": pa.uint32(),
            "replay": pa.int32(),
            "zone": _TEXT,
            "phase": _TEXT,
        }
        self._types = {name: types[use] for use, name in self._names.items()}

    def read(self, piece: bytes | memoryview) -> tuple[ZoneRows, PieceCounts]:
        """Read whole lines.

        Raises
        ------
        FormatError
            If a second header differs from the first.
        """
        counts = PieceCounts()
        if len(piece) == 0:
            return ZoneRows.joined([]), counts
        if np.frombuffer(piece, np.uint8).max() > _ASCII[-1]:
            # Only paths of sources may have such letters, or garbage, which must not stop a read.
            piece = bytes(piece).translate(_TO_ASCII)
        try:
            table = self._parsed(piece, counts, self._types)
            is_sound = not any(
                table[self._names[use]].null_count for use in _LARGEST if use in self._names
            )
        except pa.ArrowInvalid:
            is_sound = False
        if not is_sound:
            counts = PieceCounts()
            table = self._parsed_with_care(piece, counts)
        counts.n_rows = table.num_rows
        rows = self._compact(table)
        counts.n_other_rows = counts.n_rows - len(rows)
        return rows, counts

    def _parsed(
        self, piece: bytes | memoryview, counts: PieceCounts, types: dict[str, pa.DataType]
    ) -> pa.Table:
        headers: list[str] = []

        def on_wrong_number_of_fields(row: Any) -> str:
            # An error raised in here would be lost.
            if row.text.startswith(_HEADER_STARTS):
                headers.append(row.text)
            else:
                counts.set_aside(row.number, row.text)
            return "skip"

        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(piece)),
            # One block: dictionaries are then the same for all rows.
            read_options=csv.ReadOptions(
                use_threads=False, block_size=len(piece) + 1, column_names=self.header.columns
            ),
            parse_options=csv.ParseOptions(
                quote_char=False,
                double_quote=False,
                invalid_row_handler=on_wrong_number_of_fields,
            ),
            convert_options=csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        for text in headers:
            self._check_header_line(text)
        return table

    def _check_header_line(self, text: str) -> None:
        """Refuse a line of a header that says something else than the first header."""
        header = self.header
        if text.startswith(_HEADER_STARTS[-1]):
            if parse_column_line(text) != header.columns:
                raise FormatError(
                    f"{self._where}: a second header has other columns than the first; "
                    "cut the file in two"
                )
            return
        arch, mhz, _ = parse_clock_line(text, self._where)
        if (arch, mhz) != (header.arch, header.chip_mhz):
            raise FormatError(
                f"{self._where}: a second header says {arch} at {mhz} MHz, the first "
                f"{header.arch} at {header.chip_mhz} MHz; cut the file in two"
            )

    def _parsed_with_care(self, piece: bytes | memoryview, counts: PieceCounts) -> pa.Table:
        """Parse a piece in which some line has no number where one must be."""
        names = self.header.columns
        if not bytes(piece).strip():
            return pa.table({name: pa.array([], self._types[name]) for name in self._types})
        text = self._parsed(piece, counts, {name: pa.binary() for name in names})
        is_good = np.ones(text.num_rows, bool)
        for use, name in self._names.items():
            if use not in {"risc", "zone", "phase"}:
                is_good &= _has_number(text[name], use)
        for at in np.flatnonzero(~is_good):
            line = b",".join(text[name][int(at)].as_py() for name in names)
            shown = line.decode()
            if shown.startswith(_HEADER_STARTS):
                self._check_header_line(shown)
            else:
                # Its number is unknown: lines before it may have been set aside or empty.
                counts.set_aside(None, shown)
        good = text.select(list(self._types)).filter(pa.array(is_good))
        return pa.table({name: _converted(good[name], to) for name, to in self._types.items()})

    def _compact(self, table: pa.Table) -> ZoneRows:
        column = {use: table[name] for use, name in self._names.items()}
        risc, riscs = _codes(column["risc"])
        zone, zones = _codes(column["zone"])
        phase, phases = _codes(column["phase"])
        # Few texts, many rows: what a row is is looked up by the codes of its three texts.
        code = np.array(
            [
                marker_code(r, z) + PHASES[p] if marker_code(r, z) >= 0 and p in PHASES else -1
                for r in riscs
                for z in zones
                for p in phases
            ],
            dtype=np.int8,
        )
        if len(code) == 0:
            return ZoneRows.joined([])
        marker = code[(risc * np.int32(len(zones)) + zone) * np.int32(len(phases)) + phase]
        chip = _numbers(column["chip"]).astype(np.int64)
        cycles = _numbers(column["cycles"]).copy()
        core = (_numbers(column["x"]).astype(np.int32) << 16) | _numbers(column["y"])
        key = chip.astype(np.uint64) << np.uint64(56)
        if "id" in column:
            key |= _numbers(column["id"])
        if "replay" in column and column["replay"].null_count < table.num_rows:
            counter = pc.fill_null(column["replay"], -1).to_numpy().astype(np.int64) + 1
            key |= counter.astype(np.uint64) << np.uint64(32)
        rows = ZoneRows(key, core.astype(np.int32, copy=False), marker, cycles)
        is_zone = marker >= 0
        if not is_zone.all():
            rows, chip = rows[is_zone], chip[is_zone]
        self._clocks.unwrap(chip, rows.cycles)
        return rows


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Values of a column without nulls; no copy if it is in one piece."""
    if column.num_chunks == 1:
        return np.asarray(column.chunk(0).to_numpy(zero_copy_only=False))
    return np.asarray(column.to_numpy())


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        if encoded.num_chunks == 0:
            return np.empty(0, np.int32), []
        encoded = encoded.chunk(0)
    texts = encoded.dictionary.cast(pa.binary()).to_pylist()
    return encoded.indices.to_numpy(), [text.decode(errors="replace") for text in texts]


def _has_number(column: pa.ChunkedArray, use: str) -> npt.NDArray[np.bool_]:
    """Whether each text is a number that fits its column."""
    largest = _LARGEST.get(use, 2**24 - 2)
    pattern = r"^[0-9]{1,18}$" if use != "replay" else r"^[0-9]{0,18}$"
    is_number = pc.match_substring_regex(column.cast(pa.string()), pattern)
    is_number = np.asarray(pc.fill_null(is_number, False))
    fits = pc.less_equal(_converted(column.filter(pa.array(is_number)), pa.int64()), largest)
    is_number[is_number] = np.asarray(pc.fill_null(fits, True))
    return is_number


def _converted(column: pa.ChunkedArray, to: pa.DataType) -> pa.ChunkedArray:
    text = column.cast(pa.string())
    if pa.types.is_dictionary(to):
        return text.dictionary_encode()
    return pc.if_else(pc.equal(text, ""), None, text).cast(to)
