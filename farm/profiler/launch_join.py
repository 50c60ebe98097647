"""Pure: join launches to the vectors that caused them, by ranges of launch ids, never by position.

The executor notes the counter of launch ids before and after each vector: its launches are those
with an id in that half-open range.  Ids wrap, at 2^16 until generation v2m and at 2^21 since v3,
where they are logged with the device in bits 0 to 9 and with bit 31 for programs that fell back to
the host.

A vector is accepted if all of this holds, and runs again otherwise; nothing is guessed:

- no line of the log that was read is bad
- the range holds ``(n_warmups + n_repeats) * programs`` ids, programs being a whole number
- every id of the range has exactly one launch
- every launch is complete, and no clock in it was put right
- a program has the same cores, zones and RISCS in all runs: a core whose records were dropped as a
  whole can be seen in no other way

Launches outside of every range (other processes, an earlier batch, programs between two vectors,
other chips) are foreign: counted and dropped.  A vector that failed in the middle has too few ids,
and its neighbours are untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.profiler.launch_cells import LaunchStatus
from farm.profiler.log_format import Generation

_SHORT_ID_BITS = 16
_DEVICE_BITS = 10
_LONG_ID_BITS = 21


class Verdict(StrEnum):
    """Why the launches of a vector are accepted or not, in the order in which it is decided."""

    ACCEPTED = "accepted"
    BAD_LINES = "the log has bad lines"
    WRONG_NUMBER = "its ids are no whole number of programs per run"
    MISSING = "an id has no launch"
    TWICE = "an id has several launches"
    INCOMPLETE = "a launch is incomplete"
    REPAIRED = "a clock was put right"
    UNEVEN = "its runs differ in cores, zones or RISCs"


VERDICTS = tuple(Verdict)


@dataclass(frozen=True, slots=True)
class JoinedLaunches:
    """Launches of a batch by vector.

    Attributes
    ----------
    verdict : ndarray
        Position in `VERDICTS`, 0 is accepted; shape (n,), int8.
    n_programs : ndarray
        Programs per run, 0 unless accepted; shape (n,), int64.
    durations_ns : ndarray
        Sum over the programs of each measured run, shape (n, n_repeats), float64; NaN unless
        accepted.
    program_durations_ns : pyarrow.ListArray
        Durations of the programs of all measured runs, one run after the other: ``n_repeats *
        n_programs`` numbers per vector, none unless accepted.
    vector : ndarray
        Vector of each launch of the table, -1 if foreign; shape (number of launches,), int64.
    """

    verdict: npt.NDArray[np.int8]
    n_programs: npt.NDArray[np.int64]
    durations_ns: npt.NDArray[np.float64]
    program_durations_ns: pa.ListArray
    vector: npt.NDArray[np.int64]

    @property
    def is_accepted(self) -> npt.NDArray[np.bool_]:
        """Whether each vector is accepted."""
        return np.equal(self.verdict, 0)

    @property
    def n_foreign(self) -> int:
        """Launches that no vector of the batch caused."""
        return int(np.count_nonzero(self.vector < 0))


def id_modulus(generation: Generation) -> int:
    """Say how many launch ids there are before they wrap."""
    return 1 << (_SHORT_ID_BITS if generation.has_short_ids else _LONG_ID_BITS)


def launch_ids(
    run_host_id: npt.NDArray[np.integer], generation: Generation
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """Take run host ids apart.

    Returns
    -------
    tuple
        Launch id, and device or None where the generation does not log it.

    Examples
    --------
    >>> launch_ids(np.array([1027, 2051]), Generation.V5)
    (array([1, 2]), array([3, 3]))
    """
    ids = run_host_id.astype(np.int64)
    if generation.has_short_ids:
        return ids & ((1 << _SHORT_ID_BITS) - 1), None
    device = ids & ((1 << _DEVICE_BITS) - 1)
    return (ids >> _DEVICE_BITS) & ((1 << _LONG_ID_BITS) - 1), device


def run_host_ids(
    launch_id: npt.NDArray[np.integer], generation: Generation, device: int
) -> npt.NDArray[np.int64]:
    """Put run host ids together: what a log shows for launch ids, as they wrap."""
    ids = launch_id.astype(np.int64) % id_modulus(generation)
    return ids if generation.has_short_ids else (ids << _DEVICE_BITS) | device


def assign(
    launch_id: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    stop: npt.NDArray[np.int64],
    modulus: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Say which range each id is in.

    Parameters
    ----------
    launch_id : ndarray
        Ids as logged, shape (m,).
    start, stop : ndarray
        Half-open ranges of the counter, shape (n,): ascending, not overlapping, with or without
        gaps, counted on over wraps.
    modulus : int
        Where ids wrap.

    Returns
    -------
    tuple
        Range of each id, -1 for none, and position in its range; shape (m,).

    Raises
    ------
    ValueError
        If ranges overlap, descend, or span more ids than there are.
    """
    if len(start) == 0:
        nowhere = np.full(len(launch_id), -1)
        return nowhere, nowhere
    if (stop < start).any() or (start[1:] < stop[:-1]).any():
        raise ValueError("ranges of launch ids must ascend and not overlap")
    if int(stop[-1]) - int(start[0]) > modulus:
        raise ValueError(
            f"ranges span more than {modulus} launch ids: an id would mean two launches"
        )
    # Counted from the first id of the batch, nothing wraps any more.
    position = (launch_id - start[0]) % modulus
    found = np.searchsorted(start - start[0], position, side="right") - 1
    within = position - (start - start[0])[found]
    is_in = within < (stop - start)[found]
    return np.where(is_in, found, -1), np.where(is_in, within, -1)


def join_launches(
    launches: pa.Table,
    generation: Generation,
    start: Sequence[int] | npt.NDArray[np.int64],
    stop: Sequence[int] | npt.NDArray[np.int64],
    n_repeats: int,
    n_warmups: int = 0,
    chip: int | None = None,
    n_bad_lines: int = 0,
    duration: str = "kernel_ns",
) -> JoinedLaunches:
    """Join the launches of one read to the vectors of one batch.

    Parameters
    ----------
    launches : pyarrow.Table
        See `farm.profiler.launches`; in any order.
    generation : Generation
        Generation of the log.
    start, stop : array_like
        Counter of launch ids before and after each vector, shape (n,): see `assign`.
    n_repeats, n_warmups : int
        Measured and earlier, unmeasured runs of each vector.
    chip : int, optional
        Launches of other chips are foreign.
    n_bad_lines : int
        Bad lines of the read.
    duration : str
        Column that is the duration of a program, ns.

    Returns
    -------
    JoinedLaunches
        Row i belongs to the i-th range.

    Raises
    ------
    ValueError
        If ranges overlap, descend, or span more ids than there are.
    """
    first, after = np.asarray(start, np.int64), np.asarray(stop, np.int64)
    n_vectors, n_runs = len(first), n_repeats + n_warmups
    ids, _ = launch_ids(launches["run_host_id"].to_numpy(), generation)
    vector, place = assign(ids, first, after, id_modulus(generation))
    if chip is not None:
        vector = np.where(launches["chip"].to_numpy() == chip, vector, -1)
    own = np.flatnonzero(vector >= 0)
    own = own[np.lexsort((place[own], vector[own]))]
    of, at = vector[own], place[own]
    n_ids = after - first
    verdict = np.zeros(n_vectors, np.int8)

    def judge(is_found: npt.NDArray[np.bool_], why: Verdict) -> None:
        verdict[is_found & (verdict == 0)] = VERDICTS.index(why)

    def has(is_found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return np.bincount(of[is_found], minlength=n_vectors) > 0

    judge(np.full(n_vectors, n_bad_lines > 0), Verdict.BAD_LINES)
    judge((n_ids == 0) | (n_ids % n_runs != 0), Verdict.WRONG_NUMBER)
    is_again = np.zeros(len(own), bool)
    is_again[1:] = (of[1:] == of[:-1]) & (at[1:] == at[:-1])
    judge(np.bincount(of[~is_again], minlength=n_vectors) < n_ids, Verdict.MISSING)
    judge(has(is_again), Verdict.TWICE)
    duration_ns = launches[duration].to_numpy()[own]
    is_complete = launches["status"].to_numpy()[own] == LaunchStatus.COMPLETE
    judge(has(~is_complete | np.isnan(duration_ns)), Verdict.INCOMPLETE)
    judge(has(np.asarray(launches["is_repaired"])[own]), Verdict.REPAIRED)
    n_programs = np.where(verdict == 0, n_ids // n_runs, 0)
    # From here on only vectors of which all launches are there: they stand in `own` without gaps.
    is_usable = verdict[of] == 0
    own, of, at, duration_ns = (x[is_usable] for x in (own, of, at, duration_ns))
    same_in_first_run = np.arange(len(own)) - at + at % np.maximum(n_programs[of], 1)
    is_uneven = np.zeros(len(own), bool)
    for name in ("core_count", "n_zones", "riscs"):
        shape = launches[name].to_numpy()[own]
        is_uneven |= shape != shape[same_in_first_run]
    judge(np.bincount(of[is_uneven], minlength=n_vectors) > 0, Verdict.UNEVEN)
    n_programs[verdict != 0] = 0
    is_measured = (verdict[of] == 0) & (at >= n_warmups * n_programs[of])
    durations, programs = _sums(duration_ns[is_measured], n_programs, n_repeats)
    return JoinedLaunches(verdict, n_programs, durations, programs, vector)


def _sums(
    duration_ns: npt.NDArray[np.float64], n_programs: npt.NDArray[np.int64], n_repeats: int
) -> tuple[npt.NDArray[np.float64], pa.ListArray]:
    """Sum programs to runs, and list the programs by vector."""
    durations = np.full((len(n_programs), n_repeats), np.nan)
    offsets = np.concatenate([[0], np.cumsum(n_programs * n_repeats)])
    programs = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(duration_ns))
    accepted = np.flatnonzero(n_programs)
    if len(accepted):
        per_run = np.repeat(n_programs[accepted], n_repeats)
        begins = np.cumsum(per_run) - per_run
        durations[accepted] = np.add.reduceat(duration_ns, begins).reshape(-1, n_repeats)
    return durations, programs
