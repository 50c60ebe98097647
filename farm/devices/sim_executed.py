"""What a simulated card executed since its profiler was drained, and how long each launch took."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.devices.device import PROFILE_SCHEMA
from farm.devices.sim_log import LaunchBatch
from farm.devices.sim_noise import CLOCK_HZ, measured_ns
from farm.devices.sim_truth import Floats, Truth
from sweeps.vector import Vector

_RESHARD = "reshard"
_OTHER_GRID = (2, 2)
"""Cores of an operation that does not say on which it runs."""
_MOVERS, _ALL_RISCS = 2, 5


@dataclass(slots=True)
class Executed:
    """Vectors, in the order of execution.

    Attributes
    ----------
    truth : Truth
        How long they really take.
    vectors : list of Vector
        The vectors.
    tags, repeats : list of int
        Tag and number of launches of each.
    starts : list of int
        Counter of launch ids before each.
    """

    truth: Truth
    vectors: list[Vector] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def launches(self, seed: int, noise: float) -> tuple[npt.NDArray[np.int32], Floats]:
        """Return repeat and duration in ns of each launch, in the order of execution."""
        per_vector = np.array(self.repeats)
        n_launches = int(per_vector.sum())
        first = np.cumsum(per_vector) - per_vector
        repeat = (np.arange(n_launches) - np.repeat(first, per_vector)).astype(np.int32)
        ids = [
            v.vector_id for v, n in zip(self.vectors, self.repeats, strict=True) for _ in range(n)
        ]
        true_ns = np.repeat(self.truth.durations_ns(self.vectors), per_vector)
        return repeat, measured_ns(true_ns, ids, repeat, seed, noise)

    def records(self, seed: int, noise: float) -> pa.Table:
        """Make profiler records, columns of `PROFILE_SCHEMA`, without a log."""
        repeat, duration_ns = self.launches(seed, noise)
        # A profiler may go core by core, so that launches of one vector are far apart.
        rows = np.random.default_rng(len(repeat)).permutation(len(repeat))
        tags = np.repeat(np.array(self.tags, np.int64), self.repeats)
        return pa.Table.from_arrays(
            [pa.array(tags[rows]), pa.array(repeat[rows]), pa.array(duration_ns[rows])],
            schema=PROFILE_SCHEMA,
        )

    def batch(self, seed: int, noise: float) -> LaunchBatch:
        """Say what the profiler is to log."""
        _, duration_ns = self.launches(seed, noise)
        start = np.array(self.starts, np.int64)
        is_reshard = [vector.op == _RESHARD for vector in self.vectors]
        grids = [
            vector.params["output_grid"] if reshards else _OTHER_GRID
            for vector, reshards in zip(self.vectors, is_reshard, strict=True)
        ]
        return LaunchBatch(
            np.array(self.tags, np.int64),
            start,
            start + np.array(self.repeats, np.int64),
            np.array(grids, np.int64),
            # Moving data takes no compute RISCs.
            np.where(is_reshard, _MOVERS, _ALL_RISCS),
            np.rint(duration_ns * (CLOCK_HZ / 1e9)).astype(np.int64),
        )
