"""Writes logs of the device profiler: for simulated cards, tests and benches.

Lines that differ in numbers only have the same length, so all of them are made at once: a matrix of
bytes, every row of which is a copy of one line text, into which the digits of clocks and ids are
put as whole columns.  Lines go core by core, RISC by RISC, launch by launch, as the device's do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farm.profiler.log_format import CLOCK_BITS, COLUMNS, RISCS, Generation

_SOURCES = "/home/user/tt-metal/tt_metal/hw/firmware/src"
_TIMERS = {
    "BRISC": (22845, 21766, 408, 42, "brisc"),
    "NCRISC": (12030, 16513, 91, 31, "ncrisc"),
    "TRISC_0": (8413, 360, 92, 38, "trisc"),
    "TRISC_1": (8413, 360, 92, 38, "trisc"),
    "TRISC_2": (8413, 360, 92, 38, "trisc"),
    "ERISC": (30511, 41207, 70, 70, "erisc"),
}
_LATE = 1 << 16
_QUADS = np.frombuffer("".join(f"{i:04d}" for i in range(10_000)).encode(), np.uint32)
_N_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ZoneTimes:
    """Firmware and kernel zones: one entry per launch, core and RISC.

    Attributes
    ----------
    launch : ndarray
        Position of the launch, shape (n,), int.
    core_x, core_y : ndarray
        Core, shape (n,), int.
    risc : ndarray
        Position in `farm.profiler.log_format.RISCS`, shape (n,), int.
    cycles : ndarray
        Clock at the start of firmware, start of the kernel, end of the kernel and end of firmware,
        shape (n, 4), int64; only its lowest 44 bits are written.
    """

    launch: npt.NDArray[np.integer]
    core_x: npt.NDArray[np.integer]
    core_y: npt.NDArray[np.integer]
    risc: npt.NDArray[np.integer]
    cycles: npt.NDArray[np.int64]

    def __getitem__(self, which: npt.NDArray[Any]) -> ZoneTimes:
        return ZoneTimes(
            self.launch[which],
            self.core_x[which],
            self.core_y[which],
            self.risc[which],
            self.cycles[which],
        )

    def core_by_core(self) -> ZoneTimes:
        """Sort as a device writes: by core, RISC and launch."""
        order = np.lexsort((self.launch, self.risc, self.core_y, self.core_x))
        if (order == np.arange(len(order))).all():
            return self
        return self[order]


def header_text(generation: Generation, arch: str, chip_mhz: int) -> bytes:
    """Write the first two lines of a log."""
    first = f"ARCH: {arch}, CHIP_FREQ[MHz]: {chip_mhz}"
    if generation is Generation.V5:
        first += ", Max Compute Cores: 64"
    # The device's writer has two blanks before the name of the zone where a host id comes before.
    names = ", ".join(COLUMNS[generation]).replace("host ID, zone", "host ID,  zone")
    return f"{first}\n{names}\n".encode()


def dump_text(
    times: ZoneTimes,
    run_host_id: npt.NDArray[np.integer],
    generation: Generation,
    chip: int = 0,
) -> bytes:
    """Write the rows of one dump.

    Parameters
    ----------
    times : ZoneTimes
        The zones, in the order in which they are to be written: see `ZoneTimes.core_by_core`.
    run_host_id : ndarray
        Id of each launch as it is logged, shape (number of launches,), int64.
    generation : Generation
        Generation of the format.
    chip : int
        PCIe slot.

    Returns
    -------
    bytes
        Four lines per entry.
    """
    n = len(times.launch)
    if n == 0:
        return b""
    numbers = {
        "x": times.core_x,
        "y": times.core_y,
        "id": run_host_id[times.launch],
        # The counter of a core counts its own launches; any 16 bits serve a reader as well.
        "run": times.launch & (_LATE - 1),
    }
    numbers |= {f"t{at}": times.cycles[:, at] & ((1 << CLOCK_BITS) - 1) for at in range(4)}
    digits = {name: _Digits(np.asarray(values, np.int64)) for name, values in numbers.items()}
    alike = times.risc.astype(np.int64)
    for column in digits.values():
        alike = alike * (_N_DIGITS + 1) + column.n_digits
    edges = np.flatnonzero(np.diff(alike, prepend=alike[0] - 1))
    pieces: list[memoryview | None] = [None] * len(edges)
    kind_of_run = alike[edges]
    length = np.diff(np.append(edges, n))
    for kind in np.unique(kind_of_run):
        runs = np.flatnonzero(kind_of_run == kind)
        rows = np.flatnonzero(np.repeat(kind_of_run == kind, length))
        risc = RISCS[int(times.risc[rows[0]])]
        widths = {name: int(column.n_digits[rows[0]]) for name, column in digits.items()}
        text = _lines(risc, generation, chip)
        filled = _filled(text, digits, widths, rows)
        end = np.cumsum(length[runs])
        for run, start, stop in zip(runs, end - length[runs], end, strict=True):
            pieces[run] = filled[start:stop].data
    return b"".join(piece for piece in pieces if piece is not None)


class LogWriter:
    """A log on disk that grows dump by dump.

    Parameters
    ----------
    path : str or Path
        File; it and its header are written with the first dump, and again where it was deleted.
    generation : Generation
        Generation of the format.
    arch : str
        Architecture.
    chip_mhz : int
        Clock of the chips, MHz.
    """

    def __init__(
        self,
        path: str | Path,
        generation: Generation = Generation.V5,
        arch: str = "wormhole_b0",
        chip_mhz: int = 1000,
    ) -> None:
        self.path = Path(path)
        self.generation = generation
        self._header = header_text(generation, arch, chip_mhz)

    def dump(self, times: ZoneTimes, run_host_id: npt.NDArray[np.integer], chip: int = 0) -> int:
        """Append one dump; it is complete when this returns.

        Returns
        -------
        int
            Bytes written.
        """
        text = dump_text(times, run_host_id, self.generation, chip)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            n_header = 0
            if file.tell() == 0:
                n_header = len(self._header)
                file.write(self._header)
            file.write(text)
        return n_header + len(text)


class _Digits:
    """Decimal digits of a column of numbers below 10^16.

    Attributes
    ----------
    n_digits : ndarray
        Digits of each number, shape (n,).
    """

    def __init__(self, values: npt.NDArray[np.int64]) -> None:
        self._values = values
        lowest, highest = len(str(int(values.min()))), len(str(int(values.max())))
        if lowest == highest:
            self.n_digits = np.full(len(values), lowest)
        else:
            powers = 10 ** np.arange(1, _N_DIGITS, dtype=np.int64)
            self.n_digits = np.searchsorted(powers, values, side="right") + 1

    def last(self, rows: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.void]:
        """Last `width` digits of some numbers, shape (m,)."""
        values = self._values[rows]
        n_quads = -(-width // 4)
        quads = np.empty((len(values), n_quads), np.uint32)
        for at in range(n_quads - 1, 0, -1):
            values, low = np.divmod(values, 10_000)
            quads[:, at] = _QUADS[low]
        quads[:, 0] = _QUADS[values]
        whole = 4 * n_quads
        part = np.dtype(
            {
                "names": ["d"],
                "formats": [f"V{width}"],
                "offsets": [whole - width],
                "itemsize": whole,
            }
        )
        return quads.view(part)[:, 0]["d"]


def _marker_order(generation: Generation) -> tuple[int, ...]:
    """Order in which the four markers of a RISC are written, as positions in time."""
    return (0, 1, 2, 3) if generation.is_sorted_by_time else (0, 3, 1, 2)


def _lines(risc: str, generation: Generation, chip: int) -> list[str | bytes]:
    """Write the four lines of an entry, as bytes, and names of numbers to be filled in."""
    owner = risc.partition("_")[0]
    firmware_timer, kernel_timer, firmware_line, kernel_line, stem = _TIMERS[risc]
    is_old = generation in {Generation.V0, Generation.V1}
    parts: list[str | bytes] = []
    for marker in _marker_order(generation):
        is_kernel, is_end = marker in {1, 2}, marker >= 2
        timer = kernel_timer if is_kernel else firmware_timer
        phase = ("end" if is_end else "begin") if is_old else f"ZONE_{'END' if is_end else 'START'}"
        fixed = {
            "PCIe slot": str(chip),
            "RISC processor type": risc,
            "timer_id": str(timer + (_LATE if is_end and is_old else 0)),
            "stat value": "0",
            "data": "0",
            "zone name": f"{owner}-{'KERNEL' if is_kernel else 'FW'}",
            "zone phase": phase,
            "type": phase,
            "source line": str(kernel_line if is_kernel else firmware_line),
            "source file": f"{_SOURCES}/{stem}{'k' if is_kernel else ''}.cc",
        }
        holes = {
            "core_x": "x",
            "core_y": "y",
            "time[cycles since reset]": f"t{marker}",
            "run ID": "run",
            "Run ID": "run",
            "run host ID": "id",
        }
        for at, name in enumerate(COLUMNS[generation]):
            if at:
                parts.append(b",")
            if name in holes:
                parts.append(holes[name])
            else:
                parts.append(fixed.get(name, "").encode())
        parts.append(b"\n")
    return parts


def _filled(
    parts: list[str | bytes],
    digits: Mapping[str, _Digits],
    widths: Mapping[str, int],
    rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint8]:
    """Make the texts of many entries, shape (m, length of an entry)."""
    template, holes = bytearray(), []
    for part in parts:
        if isinstance(part, str):
            holes.append((part, len(template)))
            template += b"0" * widths[part]
        else:
            template += part
    columns = {name: digits[name].last(rows, widths[name]) for name in {name for name, _ in holes}}
    matrix = np.empty((len(rows), len(template)), np.uint8)
    matrix[:] = np.frombuffer(template, np.uint8)
    for name, offset in holes:
        width = widths[name]
        field = np.dtype(
            {
                "names": ["d"],
                "formats": [f"V{width}"],
                "offsets": [offset],
                "itemsize": len(template),
            }
        )
        matrix.view(field)[:, 0]["d"] = columns[name]
    return matrix
