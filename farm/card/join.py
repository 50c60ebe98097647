"""Pure: join profiler records to vectors by tag, never by position.

A vector's records are complete if there are exactly `repeats` of them, numbered 0 to repeats - 1,
all finite and positive.  Anything else is never guessed: the vector is reported as incomplete and
runs again.  Records with a tag outside the batch belong to something else; they are dropped and
counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class Joined:
    """Launches of a batch by vector.

    Attributes
    ----------
    is_complete : ndarray
        Shape (n,), bool.
    durations_ns : ndarray
        Shape (n, repeats), float64; rows of incomplete vectors are NaN.
    n_records : ndarray
        Records found per vector, shape (n,), int64.
    n_foreign : int
        Records whose tag is not of this batch.
    """

    is_complete: npt.NDArray[np.bool_]
    durations_ns: npt.NDArray[np.float64]
    n_records: npt.NDArray[np.int64]
    n_foreign: int


def join_by_tag(profile: pa.Table, first_tag: int, n: int, repeats: int) -> Joined:
    """Join the records of one profiler read to the vectors of one batch.

    Parameters
    ----------
    profile : pyarrow.Table
        Rows of `farm.devices.device.PROFILE_SCHEMA`, in any order.
    first_tag, n : int
        The batch has the tags ``first_tag .. first_tag + n - 1``.
    repeats : int
        Launches per vector.

    Returns
    -------
    Joined
        Row i belongs to tag ``first_tag + i``.
    """
    position = profile["tag"].to_numpy() - first_tag
    is_own = (position >= 0) & (position < n)
    position = position[is_own]
    repeat = profile["repeat"].to_numpy()[is_own].astype(np.int64)
    duration_ns = profile["duration_ns"].to_numpy()[is_own]
    n_records = np.bincount(position, minlength=n).astype(np.int64)
    is_usable = (repeat >= 0) & (repeat < repeats) & np.isfinite(duration_ns) & (duration_ns > 0)
    durations = np.full((n, repeats), np.nan)
    durations[position[is_usable], repeat[is_usable]] = duration_ns[is_usable]
    # Exactly `repeats` records that fill all places: none is missing, doubled or unusable.
    is_complete = (n_records == repeats) & ~np.isnan(durations).any(axis=1)
    durations[~is_complete] = np.nan
    return Joined(is_complete, durations, n_records, int(np.count_nonzero(~is_own)))
