"""Tells launches apart that carry the same id.

An id comes again when a trace is replayed (before v4), when 16 bits wrap, and for programs without
an id, which all have 0.  Launches of one chip follow each other, so a new one begins with the start
of the firmware of a master RISC

- after all cores that have begun have ended, or
- of a core that has already begun in this launch.

A master without an end stays open until it starts again, so a launch is never cut in two because
one of its cores hung.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farm.profiler.log_format import RISCS, marker_code
from farm.profiler.zone_rows import ZoneRows

MASTER_STARTS = tuple(marker_code(risc, f"{risc}-FW") for risc in ("BRISC", "ERISC"))
_NEVER = np.iinfo(np.int64).max
_N_CORE_MARKERS = 4 * len(RISCS)


def without_repeated_rows(
    launch: npt.NDArray[np.int64], rows: ZoneRows, is_asked: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Positions of the rows without exact repeats, as a dump that was written twice has.

    Parameters
    ----------
    launch : ndarray
        Launch of each row, shape (n,).
    rows : ZoneRows
        The rows.
    is_asked : ndarray
        Rows among which repeats are looked for, shape (n,).
    """
    at = np.flatnonzero(is_asked)
    order = at[np.lexsort((at, rows.cycles[at], rows.marker[at], rows.core[at], launch[at]))]
    is_same = np.ones(len(order), bool)
    is_same[:1] = False
    for values in (launch, rows.core, rows.marker, rows.cycles):
        is_same[1:] &= values[order[1:]] == values[order[:-1]]
    is_kept = np.ones(len(rows), bool)
    is_kept[order[is_same]] = False
    return np.flatnonzero(is_kept)


def split_by_time(
    launch: npt.NDArray[np.int64], rows: ZoneRows, is_split: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Give launches of one id numbers of their own.

    Parameters
    ----------
    launch : ndarray
        Group of each row, shape (n,), int64, from 0.
    rows : ZoneRows
        The rows, without exact repeats.
    is_split : ndarray
        Which groups may hold several launches, shape (number of groups,).

    Returns
    -------
    ndarray
        Launch of each row, shape (n,), int64, from 0, without gaps.
    """
    result = launch.copy()
    n_launches = len(is_split)
    at = np.flatnonzero(is_split[launch])
    at = at[np.argsort(launch[at], kind="stable")]
    edges = np.flatnonzero(np.diff(launch[at], prepend=-1))
    for members in np.split(at, edges[1:]) if len(at) else []:
        begins = _begins(rows[members])
        segment = np.searchsorted(begins, rows.cycles[members], side="right") - 1
        segment = np.maximum(segment, 0)
        result[members[segment > 0]] = n_launches + segment[segment > 0] - 1
        n_launches += max(len(begins) - 1, 0)
    return result


def _begins(rows: ZoneRows) -> npt.NDArray[np.int64]:
    """Clock at which each launch of one id begins, ascending."""
    is_master = np.isin(rows.marker & ~1, MASTER_STARTS)
    site = rows.core[is_master].astype(np.int64) * _N_CORE_MARKERS + (rows.marker[is_master] & ~1)
    cycles, is_end = rows.cycles[is_master], (rows.marker[is_master] & 1).astype(bool)
    order = np.lexsort((is_end, cycles, site))
    site, cycles, is_end = site[order], cycles[order], is_end[order]
    # What comes next on the same core, its end or else its next start, closes a start.
    closed_at = np.full(len(site), _NEVER)
    is_followed = site[1:] == site[:-1]
    closed_at[:-1][is_followed] = cycles[1:][is_followed]
    starts = np.flatnonzero(~is_end)
    if len(starts) == 0:
        return np.empty(0, np.int64)
    in_time = starts[np.argsort(cycles[starts], kind="stable")]
    start_cycles, site = cycles[in_time], site[in_time]
    latest_close = np.maximum.accumulate(closed_at[in_time])
    is_quiet = np.append(False, latest_close[:-1] < start_cycles[1:])
    quiet = np.flatnonzero(is_quiet)
    # Position of the latest earlier start of the same core that any start so far has.
    by_site = np.argsort(site, kind="stable")
    earlier = np.full(len(site), -1)
    is_again = site[by_site[1:]] == site[by_site[:-1]]
    earlier[by_site[1:][is_again]] = by_site[:-1][is_again]
    earlier = np.maximum.accumulate(earlier)
    cuts = [0]
    while True:
        again = int(np.searchsorted(earlier, cuts[-1]))
        nth = int(np.searchsorted(quiet, cuts[-1], side="right"))
        cut = min(again, int(quiet[nth])) if nth < len(quiet) else again
        if cut >= len(site):
            return start_cycles[cuts]
        cuts.append(cut)
