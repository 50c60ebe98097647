"""The format of ``profile_log_device.csv``, in all its generations.

The tt-metal device profiler writes one text file per process, ``.logs/profile_log_device.csv`` in
the directory that ``TT_METAL_PROFILER_DIR`` names.

**Line 1** is ``ARCH: wormhole_b0, CHIP_FREQ[MHz]: 1000``; generation v5 adds
``, Max Compute Cores: 64``.  Old Grayskull builds say ``Chip clock is at ...``: 1200 MHz.
**Line 2** has the names of the columns, separated by a comma and blanks.  Every further line is one
marker.  Nothing is quoted; lines end in LF (CR LF is read too).

==========  ======  ==============================================================================
generation  fields  columns after ``PCIe slot, core_x, core_y, RISC processor type, timer_id, time``
==========  ======  ==============================================================================
v0          12      stat value, Run ID, zone name, zone phase, source line, source file
v1          13      stat value, run ID, run host ID, zone name, zone phase, source line, file
v2          13      data, run ID, run host ID, zone name, type, source line, source file
v2m         14      v2 + meta data
v3          13      data, run host ID, zone name, type, source line, source file, meta data
v4          15      data, run host ID, trace id, trace id counter, zone name, type, source line,
                    source file, meta data
v5          15      as v4; line 1 has the number of compute cores
==========  ======  ==============================================================================

v1, v2 and v3 have the same number of fields in a different order, so **columns are found by name,
never by their number**.

- ``PCIe slot`` is the chip.  ``time`` is its clock in cycles since its reset: 44 bits, so it wraps
  every 4.9 h at 1 GHz.  Clocks of different chips are unrelated.
- ``run host ID`` is the id of the launch.  v1 and v2: 16 bits, wraps.  From v3: device in bits 0 to
  9, id in bits 10 to 30, and bit 31 for programs that fell back to the host.  v0 has none, and its
  Run ID counts per core, so launches of a v0 log are told apart by time alone.
- ``trace id counter`` tells replays of a metal trace apart (v4, v5); mostly empty.
- zones: ``BRISC-FW``, ``NCRISC-FW``, ``TRISC-FW``, ``ERISC-FW`` are the firmware around one launch
  and ``...-KERNEL`` the body of the kernel.  Each has a start (``begin`` or ``ZONE_START``) and an
  end (``end`` or ``ZONE_END``).  All other rows (zones of users, sums, time-stamped data, dispatch
  cores) are counted and not used.
- A RISC without a kernel has no rows, but for the firmware of the master of a core (BRISC, or
  ERISC).  Cores outside the operation have none.
- Rows are written per dump: core by core, RISC by RISC, launch by launch.  The rows of one launch
  are thus spread over a whole dump, and **a log that is read in the middle of a dump looks
  complete and is not**: the cores to come are missing, and nothing in the file says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from farm.errors import FormatError

CLOCK_BITS = 44
GRAYSKULL_MHZ = 1200
RISCS = ("BRISC", "NCRISC", "TRISC_0", "TRISC_1", "TRISC_2", "ERISC")
"""Processors of a core, in the order of their codes."""
N_MARKERS = 4 * len(RISCS)
MAX_HEADER_BYTES = 4096

_FIRST_LINE = re.compile(
    r"ARCH:\s*(?P<arch>[^,\s]+)\s*,\s*CHIP_FREQ\[MHz\]:\s*(?P<mhz>\d+)"
    r"\s*(?:,\s*Max Compute Cores:\s*(?P<cores>\d+)\s*)?$"
)
_GRAYSKULL = "Chip clock is at "


class Generation(StrEnum):
    """Generations of the format, by the columns that they have."""

    V0 = "v0"
    V1 = "v1"
    V2 = "v2"
    V2M = "v2m"
    V3 = "v3"
    V4 = "v4"
    V5 = "v5"

    @property
    def has_host_ids(self) -> bool:
        """Whether a launch has an id of its own."""
        return self is not Generation.V0

    @property
    def has_short_ids(self) -> bool:
        """Whether ids of launches have 16 bits and no bits for the device."""
        return self in {Generation.V0, Generation.V1, Generation.V2, Generation.V2M}

    @property
    def is_sorted_by_time(self) -> bool:
        """Whether the writer sorts the markers of a RISC by time."""
        return self in {Generation.V4, Generation.V5}


_COMMON = "PCIe slot,core_x,core_y,RISC processor type,timer_id,time[cycles since reset]"
_SOURCE = "source line,source file"
_TRACE = f"data,run host ID,trace id,trace id counter,zone name,type,{_SOURCE},meta data"
COLUMNS = {
    generation: tuple(f"{_COMMON},{rest}".split(","))
    for generation, rest in {
        Generation.V0: f"stat value,Run ID,zone name,zone phase,{_SOURCE}",
        Generation.V1: f"stat value,run ID,run host ID,zone name,zone phase,{_SOURCE}",
        Generation.V2: f"data,run ID,run host ID,zone name,type,{_SOURCE}",
        Generation.V2M: f"data,run ID,run host ID,zone name,type,{_SOURCE},meta data",
        Generation.V3: f"data,run host ID,zone name,type,{_SOURCE},meta data",
        Generation.V4: _TRACE,
        Generation.V5: _TRACE,
    }.items()
}
"""Names of the columns of each generation."""

PHASES = {"begin": 0, "ZONE_START": 0, "end": 1, "ZONE_END": 1}
"""Text of the phase of a zone -> 0 for its start, 1 for its end."""


def marker_code(risc: str, zone: str) -> int:
    """Code of the start marker of a zone on a RISC; its end has the next one.

    Returns
    -------
    int
        ``4 * RISC + 2 * (it is a kernel)``, or -1 if the zone is no firmware or kernel zone, or of
        another RISC.

    Examples
    --------
    >>> marker_code("NCRISC", "NCRISC-KERNEL"), marker_code("TRISC_1", "TRISC-FW")
    (6, 12)
    >>> marker_code("BRISC", "MY-ZONE")
    -1
    """
    owner, _, kind = zone.rpartition("-")
    if risc not in RISCS or owner != risc.partition("_")[0] or kind not in {"FW", "KERNEL"}:
        return -1
    return 4 * RISCS.index(risc) + 2 * (kind == "KERNEL")


@dataclass(frozen=True, slots=True)
class LogHeader:
    """The first two lines of a log.

    Attributes
    ----------
    arch : str
        Architecture, such as ``wormhole_b0``.
    chip_mhz : int
        Clock of the chip, MHz, as it was when the log was begun.
    generation : Generation
        Generation of the format.
    columns : tuple of str
        Names of the columns, in order.
    n_bytes : int
        Length of the two lines.
    """

    arch: str
    chip_mhz: int
    generation: Generation
    columns: tuple[str, ...]
    n_bytes: int

    def column(self, *names: str) -> str | None:
        """Name of the first column that has one of `names`, whatever its capitals, or None."""
        known = {column.lower(): column for column in self.columns}
        return next((known[name.lower()] for name in names if name.lower() in known), None)


def parse_clock_line(line: str, where: str) -> tuple[str, int, bool]:
    """Read line 1 of a log.

    Returns
    -------
    tuple
        Architecture, clock in MHz, whether the line has the number of compute cores.

    Raises
    ------
    FormatError
        If it is no such line.
    """
    if _GRAYSKULL in line:
        return "grayskull", GRAYSKULL_MHZ, False
    match = _FIRST_LINE.match(line.strip())
    if match is None or int(match["mhz"]) == 0:
        raise FormatError(
            f"{where}, line 1: no log of the tt-metal device profiler: expected "
            f"'ARCH: <name>, CHIP_FREQ[MHz]: <MHz>', found {line[:80]!r}"
        )
    return match["arch"], int(match["mhz"]), match["cores"] is not None


def parse_column_line(line: str) -> tuple[str, ...]:
    """Read line 2 of a log: the names of its columns."""
    return tuple(name.strip() for name in line.strip().split(","))


def parse_header(start: bytes, where: str) -> LogHeader | None:
    """Read the first two lines of a log.

    Parameters
    ----------
    start : bytes
        The first `MAX_HEADER_BYTES` of the log, or all of it.
    where : str
        Name of the log, for errors.

    Returns
    -------
    LogHeader or None
        None if the second line has no end yet.

    Raises
    ------
    FormatError
        If this is no log of the device profiler.
    """
    lines = start.split(b"\n", 2)
    if len(lines) == 1 and len(start) < MAX_HEADER_BYTES:
        return None
    arch, mhz, has_cores = parse_clock_line(lines[0].decode(errors="replace"), where)
    if len(lines) < 3:
        if len(start) >= MAX_HEADER_BYTES:
            raise FormatError(f"{where}, line 2: the names of the columns do not end")
        return None
    columns = parse_column_line(lines[1].decode(errors="replace"))
    generation = _generation(columns, has_cores, where)
    return LogHeader(arch, mhz, generation, columns, len(lines[0]) + len(lines[1]) + 2)


def _generation(columns: tuple[str, ...], has_cores: bool, where: str) -> Generation:
    names = {name.lower() for name in columns}
    needed = ("pcie slot", "core_x", "core_y", "risc processor type", "time[cycles since reset]")
    missing = [name for name in (*needed, "zone name") if name not in names]
    if not names & {"zone phase", "type"}:
        missing.append("type")
    if missing or len(names) < len(columns):
        raise FormatError(
            f"{where}, line 2: no names of columns of a device-profiler log: "
            + (f"{', '.join(missing)} missing" if missing else "a name is there twice")
        )
    if "run host id" not in names:
        return Generation.V0
    if "zone phase" in names:
        return Generation.V1
    if "run id" in names:
        return Generation.V2M if "meta data" in names else Generation.V2
    if "trace id counter" in names:
        return Generation.V5 if has_cores else Generation.V4
    return Generation.V3
