"""Which launches of a profiler read belong to which vector of a batch: records by tag.

Vectors are told by ranges of launch ids, see `farm.profiler.launch_join`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.devices.device import PROFILE_SCHEMA
from farm.profiler.launch_join import id_modulus, join_launches
from farm.profiler.log_format import Generation
from farm.profiler.log_reader import Profile


@dataclass(frozen=True, slots=True)
class LaunchRanges:
    """Vectors between two dumps, in the order of execution.

    Attributes
    ----------
    tag : ndarray
        Tag of each vector, shape (n,), int64.
    start, stop : ndarray
        Counter of launch ids before and after each vector, shape (n,), int64; ids wrap where the
        format's do, the counter does not.
    n_repeats, n_warmups : ndarray
        Measured and earlier, unmeasured runs of each vector, shape (n,), int64.
    """

    tag: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    n_repeats: npt.NDArray[np.int64]
    n_warmups: npt.NDArray[np.int64]

    def records(self, profile: Profile, generation: Generation, chip: int | None) -> pa.Table:
        """Join the launches that were read.

        Parameters
        ----------
        profile : Profile
            What was read of the log.
        generation : Generation
            Generation of the log.
        chip : int or None
            Launches of other chips are foreign; None where there is one chip.

        Returns
        -------
        pyarrow.Table
            Columns of `PROFILE_SCHEMA`, in the order of execution; a run of several programs is
            one record, their sum.  Vectors whose launches are not accepted are left out.
        """
        n_repeats = self.n_repeats
        is_accepted = np.zeros(len(n_repeats), bool)
        last = np.cumsum(n_repeats)
        duration_ns = np.empty(int(last[-1]) if len(last) else 0)
        # A vector with more launches than there are ids cannot be told from itself.
        n_launches = self.stop - self.start
        is_usable = (n_repeats > 0) & (n_launches <= id_modulus(generation))
        # Vectors that ran equally often are joined together.
        runs = np.stack([n_repeats, self.n_warmups], axis=1)
        for n, n_warmups in np.unique(runs[is_usable], axis=0).tolist():
            own = np.flatnonzero(is_usable & (runs == (n, n_warmups)).all(axis=1))
            joined = join_launches(
                profile.launches,
                generation,
                self.start[own],
                self.stop[own],
                n,
                n_warmups,
                chip,
                profile.n_bad_lines,
            )
            is_accepted[own] = joined.is_accepted
            duration_ns[(last[own] - n)[:, None] + np.arange(n)] = joined.durations_ns
        is_kept = np.repeat(is_accepted, n_repeats)
        repeat = np.arange(len(duration_ns)) - np.repeat(last - n_repeats, n_repeats)
        return pa.Table.from_arrays(
            [
                pa.array(np.repeat(self.tag, n_repeats)[is_kept]),
                pa.array(repeat[is_kept].astype(np.int32)),
                pa.array(duration_ns[is_kept]),
            ],
            schema=PROFILE_SCHEMA,
        )
