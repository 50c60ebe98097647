"""Pure: from rows of zones to one line per launch.

No sorting and no Python object per row or launch.  Every row has a place: launch and core (a
*site*), RISC and zone, start or end.  Clocks are put there, and each duration is a minimum and a
maximum over a few places, so the order of rows does not matter.  A place that is hit twice means a
repeated row or a repeated id; only the launches concerned take the longer way of `segments`.

A marker may be 2^32 cycles low: the device reads the high word of its clock before the low one,
which can roll over in between, so the low word of such a marker is almost 0.  It is put right, and
its launch is flagged as repaired.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.profiler.log_format import RISCS
from farm.profiler.segments import MASTER_STARTS, split_by_time, without_repeated_rows
from farm.profiler.zone_rows import ZoneRows

NEVER = np.iinfo(np.int64).max
_N_ZONES = 2 * len(RISCS)
_RACE_CYCLES = 64
_WORD = 1 << 32
# Cores of one launch begin within microseconds of each other.
_LONGEST_SKEW_CYCLES = 1 << 20
_ID_MASK = np.uint64(2**32 - 1)


class LaunchStatus(IntFlag):
    """Why the records of a launch are incomplete; its durations and clocks are then null.

    ========  ===============  ====================================================================
    value     name             meaning
    ========  ===============  ====================================================================
    0         COMPLETE         nothing that can be seen is missing
    1         NOT_ENDED        a zone has a start and no end: the launch threw or hung, the log ends
                               before it, or a marker was dropped
    2         NOT_STARTED      a zone has an end and no start: a marker was dropped
    4         NO_FIRMWARE      a core lacks the firmware zone of its master (BRISC or ERISC), or a
                               RISC with a kernel zone lacks the firmware zone: markers were dropped
    8         BACKWARDS        a zone ends before it starts
    16        ZONE_TWICE       a zone is there twice on one RISC, and not as a launch of its own
    32        SCATTERED        another launch of the same id overlaps it in time: its rows lie
                               farther apart in a large log than a dump is long
    ========  ===============  ====================================================================

    A core that is missing as a whole cannot be seen in one launch.  Launches of one vector can be
    compared: see `farm.profiler.launch_join`.
    """

    COMPLETE = 0
    NOT_ENDED = 1
    NOT_STARTED = 2
    NO_FIRMWARE = 4
    BACKWARDS = 8
    ZONE_TWICE = 16
    SCATTERED = 32


@dataclass(frozen=True, slots=True)
class LaunchLines:
    """One line per launch, in no order.

    Attributes
    ----------
    key : ndarray
        See `farm.profiler.zone_rows.ZoneRows`, shape (n,), uint64.
    status : ndarray
        `LaunchStatus`, shape (n,), uint8.
    is_repaired : ndarray
        Whether a clock was put right by 2^32 cycles, shape (n,), bool.
    core_count : ndarray
        Cores with a firmware zone, shape (n,), int32.
    n_zones : ndarray
        Zones with a start and an end over all cores, shape (n,), int32.
    riscs : ndarray
        Bit i: some core has a zone of ``RISCS[i]``, shape (n,), uint8.
    first_cycle : ndarray
        Least clock of the launch, shape (n,), int64.
    firmware, kernel : ndarray
        First start and last end over all cores and RISCS, shape (n, 2), int64; `NEVER` and -1
        where there is none.
    risc_kernel : ndarray
        The same for the kernel zones of each RISC, shape (n, len(RISCS), 2), int64.
    """

    key: npt.NDArray[np.uint64]
    status: npt.NDArray[np.uint8]
    is_repaired: npt.NDArray[np.bool_]
    core_count: npt.NDArray[np.int32]
    n_zones: npt.NDArray[np.int32]
    riscs: npt.NDArray[np.uint8]
    first_cycle: npt.NDArray[np.int64]
    firmware: npt.NDArray[np.int64]
    kernel: npt.NDArray[np.int64]
    risc_kernel: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, which: Any) -> LaunchLines:
        return LaunchLines(*(getattr(self, one.name)[which] for one in fields(self)))

    @staticmethod
    def joined(parts: list[LaunchLines]) -> LaunchLines:
        """Put lines one after the other; needs one part at least."""
        return LaunchLines(
            *(
                np.concatenate([getattr(part, one.name) for part in parts])
                for one in fields(LaunchLines)
            )
        )


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What `aggregate` found.

    Attributes
    ----------
    lines : LaunchLines
        One line per launch.
    rows : ZoneRows
        The rows without exact repeats, clocks as they were.
    launch : ndarray
        Position in `lines` of the launch of each row.
    n_repeated_rows : int
        Rows that were there before, to the letter.
    """

    lines: LaunchLines
    rows: ZoneRows
    launch: npt.NDArray[np.int64]
    n_repeated_rows: int


def aggregate(rows: ZoneRows, has_ids: bool) -> Aggregate:
    """Make launches of rows.

    Parameters
    ----------
    rows : ZoneRows
        Rows in any order.
    has_ids : bool
        Whether launches have ids; without, time alone tells them apart.
    """
    as_given = rows
    rows, is_repaired = _repaired(rows)
    code, keys = _dense(rows.key)
    launch: npt.NDArray[np.int64] = code.astype(np.int64)
    sites = _Sites(rows, launch)
    n_before = len(rows)
    may_repeat = np.full(len(keys), not has_ids)
    may_repeat |= (keys & _ID_MASK) == 0
    may_repeat[sites.launches_hit_twice()] = True
    may_repeat |= sites.has_gaps()
    if may_repeat.any():
        kept = without_repeated_rows(launch, rows, may_repeat[launch])
        if len(kept) < len(rows):
            as_given, rows = as_given[kept], rows[kept]
            launch, is_repaired = launch[kept], is_repaired[kept]
            still = _Sites(rows, launch).launches_hit_twice()
            is_still = np.zeros(len(keys), bool)
            is_still[still] = True
            may_repeat &= is_still | sites.has_gaps() | ((keys & _ID_MASK) == 0) | (not has_ids)
        launch = split_by_time(launch, rows, may_repeat)
        key_of = np.zeros(int(launch.max()) + 1, np.uint64)
        key_of[launch] = rows.key
        keys = key_of
        sites = _Sites(rows, launch)
    lines = sites.lines(keys, is_repaired)
    return Aggregate(lines, as_given, launch, n_before - len(rows))


def _dense(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Codes of values in the order of their first appearance, and the values."""
    encoded = pa.array(values).dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_numpy()


def _repaired(rows: ZoneRows) -> tuple[ZoneRows, npt.NDArray[np.bool_]]:
    """Put markers right whose high word was read before the low word rolled over."""
    is_repaired = np.zeros(len(rows), bool)
    if len(rows) == 0 or int(rows.cycles.max()) - int(rows.cycles.min()) < _WORD // 2:
        return rows, is_repaired
    cycles = rows.cycles
    for at in np.flatnonzero((cycles & (_WORD - 1)) < _RACE_CYCLES):
        is_near = rows.key == rows.key[at]
        is_near[at] = False
        is_same_risc = is_near & (rows.core == rows.core[at])
        is_same_risc &= (rows.marker >> 2) == (rows.marker[at] >> 2)
        others = cycles[is_same_risc if is_same_risc.any() else is_near]
        if len(others) == 0:
            continue
        if np.abs(others - cycles[at] - _WORD).min() < np.abs(others - cycles[at]).min():
            is_repaired[at] = True
    if is_repaired.any():
        cycles = np.where(is_repaired, cycles + _WORD, cycles)
        rows = ZoneRows(rows.key, rows.core, rows.marker, cycles)
    return rows, is_repaired


class _Sites:
    """Clocks of all rows in their places: sites (launch and core) by zones.

    Attributes
    ----------
    first : ndarray
        First site of each launch; sites of a launch are neighbours.
    start, end : ndarray
        Shape (n_sites, n_zones); `NEVER` and -1 where there is none.
    """

    def __init__(self, rows: ZoneRows, launch: npt.NDArray[np.int64]) -> None:
        core, cores = _dense(rows.core)
        site = launch * len(cores) + core
        site, launch_of_site = _site_codes(site, len(cores), int(launch.max(initial=-1)) + 1)
        self._launch, self._launch_of_site = launch, launch_of_site
        self.first = np.flatnonzero(np.diff(launch_of_site, prepend=-1))
        # Only zones that occur have a column: two RISCs of six are the rule.
        is_there = np.bincount(rows.marker >> 1, minlength=_N_ZONES) > 0
        self.zones = np.flatnonzero(is_there)
        n_zones, n_sites = len(self.zones), len(launch_of_site)
        width = n_sites * n_zones
        column = np.cumsum(is_there) - 1
        offset = np.array([column[m >> 1] + (m & 1) * width for m in range(2 * _N_ZONES)])
        self._place = site * n_zones + offset[rows.marker]
        clocks = np.empty(2 * width, np.int64)
        clocks[:width], clocks[width:] = NEVER, -1
        clocks[self._place] = rows.cycles
        self._n_rows, self._clocks = len(rows), clocks
        self.start = clocks[:width].reshape(n_sites, n_zones)
        self.end = clocks[width:].reshape(n_sites, n_zones)

    def launches_hit_twice(self) -> npt.NDArray[np.int64]:
        """Find launches of which some place was hit more than once."""
        width = self.start.size
        n_hit = np.count_nonzero(self._clocks[:width] != NEVER)
        n_hit += np.count_nonzero(self._clocks[width:] != -1)
        if n_hit == self._n_rows:
            return np.empty(0, np.int64)
        is_twice = np.bincount(self._place, minlength=2 * width) > 1
        return np.unique(self._launch[is_twice[self._place]])

    def has_gaps(self) -> npt.NDArray[np.bool_]:
        """Whether each launch lasts longer than a launch can whose zones last as long as its do."""
        has_both = (self.start != NEVER) & (self.end != -1)
        longest = np.where(has_both, self.end - self.start, 0)
        start = np.where(has_both, self.start, NEVER).min(axis=1, initial=NEVER)
        end = self.end.max(axis=1, initial=-1)
        first = np.minimum.reduceat(start, self.first) if len(start) else start
        last = np.maximum.reduceat(end, self.first) if len(start) else start
        longest = longest.max(axis=1, initial=0)
        longest = np.maximum.reduceat(longest, self.first) if len(start) else longest
        is_long = last - first > longest + _LONGEST_SKEW_CYCLES
        return np.asarray(is_long & (first != NEVER))

    def lines(
        self, keys: npt.NDArray[np.uint64], is_row_repaired: npt.NDArray[np.bool_]
    ) -> LaunchLines:
        """Reduce sites to launches."""
        n = len(keys)
        if n == 0:
            return _no_lines()
        has_start, has_end = self.start != NEVER, self.end != -1
        start = np.minimum.reduceat(self.start, self.first, axis=0)
        end = np.maximum.reduceat(self.end, self.first, axis=0)
        status = self._status(has_start, has_end)
        first_cycle = start.min(axis=1)
        if status.any():
            lowest_end = np.where(has_end, self.end, NEVER).min(axis=1)
            first_cycle = np.minimum(first_cycle, np.minimum.reduceat(lowest_end, self.first))
        is_kernel = (self.zones & 1) == 1
        has_firmware = (has_start | has_end)[:, ~is_kernel].any(axis=1)
        by_zone = np.empty((n, len(RISCS), 2), np.int64)
        by_zone[..., 0], by_zone[..., 1] = NEVER, -1
        by_zone[:, self.zones[is_kernel] >> 1, 0] = start[:, is_kernel]
        by_zone[:, self.zones[is_kernel] >> 1, 1] = end[:, is_kernel]
        is_there = (start != NEVER) | (end != -1)
        riscs = np.bitwise_or.reduce(
            is_there * (1 << (self.zones >> 1)).astype(np.uint8), axis=1, dtype=np.uint8
        )
        is_repaired = np.zeros(n, bool)
        is_repaired[self._launch[is_row_repaired]] = True
        n_zones = np.add.reduceat((has_start & has_end).sum(axis=1, dtype=np.int32), self.first)
        return LaunchLines(
            keys,
            status,
            is_repaired,
            np.add.reduceat(has_firmware.astype(np.int32), self.first),
            n_zones,
            riscs,
            first_cycle,
            _range(start, end, ~is_kernel),
            _range(start, end, is_kernel),
            by_zone,
        )

    def _status(
        self, has_start: npt.NDArray[np.bool_], has_end: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        """`LaunchStatus` of each launch."""
        status = np.zeros(len(self.first), np.uint8)
        has_zone = has_start | has_end
        findings = {
            LaunchStatus.NOT_ENDED: has_start & ~has_end,
            LaunchStatus.NOT_STARTED: has_end & ~has_start,
            LaunchStatus.BACKWARDS: has_start & has_end & (self.end < self.start),
            LaunchStatus.NO_FIRMWARE: self._without_firmware(has_zone),
        }
        for flag, is_found in findings.items():
            if is_found.any():
                at_site = is_found.any(axis=1)
                status |= np.logical_or.reduceat(at_site, self.first) * np.uint8(flag)
        status[self.launches_hit_twice()] |= np.uint8(LaunchStatus.ZONE_TWICE)
        return status

    def _without_firmware(self, has_zone: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether a site lacks its master's firmware zone, or a RISC its own: (n_sites, k)."""
        column = {int(zone): has_zone[:, at] for at, zone in enumerate(self.zones)}
        nowhere = np.zeros(len(has_zone), bool)
        has_master = nowhere
        for marker in MASTER_STARTS:
            has_master = has_master | column.get(marker >> 1, nowhere)
        lacks = [~has_master]
        lacks += [column[zone] & ~column.get(zone - 1, nowhere) for zone in column if zone % 2 == 1]
        return np.stack(lacks, axis=1)


def _range(
    start: npt.NDArray[np.int64], end: npt.NDArray[np.int64], which: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    return np.stack(
        [start[:, which].min(axis=1, initial=NEVER), end[:, which].max(axis=1, initial=-1)], axis=1
    )


def _site_codes(
    site: npt.NDArray[np.int64], n_cores: int, n_launches: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the sites that occur numbers in the order of launches, and say whose each is."""
    n_possible = n_cores * n_launches
    if n_possible <= 8 * len(site) + 100_000:
        is_there = np.zeros(n_possible, bool)
        is_there[site] = True
        number = np.cumsum(is_there) - 1
        return number[site], np.flatnonzero(is_there) // n_cores
    known, code = np.unique(site, return_inverse=True)
    return code, known // n_cores


def _no_lines() -> LaunchLines:
    nothing = np.empty(0, np.int64)
    return LaunchLines(
        nothing.astype(np.uint64),
        nothing.astype(np.uint8),
        nothing.astype(bool),
        nothing.astype(np.int32),
        nothing.astype(np.int32),
        nothing.astype(np.uint8),
        nothing,
        nothing.reshape(0, 2),
        nothing.reshape(0, 2),
        nothing.reshape(0, len(RISCS), 2),
    )
