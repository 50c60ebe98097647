"""Audit a sweep that was run on simulated cards against the simulator's truth.

The simulated card's noise is a pure function of seed, vector and repeat, so every launch of every
vector is known beforehand: a measurement that belongs to another vector cannot go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from farm.devices.sim_model import true_durations_of_table_ns
from farm.devices.sim_noise import measured_ns
from farm.store.directory import SweepDirectory

SEED = 0
NOISE = 0.007


@dataclass
class Audit:
    """What an audit found.

    Attributes
    ----------
    statuses : dict
        Index in the sweep -> status.
    missing, doubled, wrong : list of int
        Vectors without an outcome, with two, or with launches that are not their own.
    """

    statuses: dict[int, str] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every vector is there once, with its own launches."""
        return not (self.missing or self.doubled or self.wrong)

    def differences(self, expected: Mapping[int, str]) -> dict[int, tuple[str, str]]:
        """Vectors whose status is not as expected: index -> (status, expected)."""
        return {
            index: (self.statuses.get(index, "absent"), status)
            for index, status in expected.items()
            if self.statuses.get(index) != status
        }


def audit(directory: SweepDirectory, seed: int = SEED, noise: float = NOISE) -> Audit:
    """Check every vector of a finished sweep.

    Parameters
    ----------
    directory : SweepDirectory
        The sweep.
    seed, noise : int, float
        Options of the simulated cards.

    Returns
    -------
    Audit
        Its lists are empty if all is well.
    """
    found = Audit()
    committed = directory.committed()
    for chunk in directory.chunks():
        indexes = range(chunk.first_index, chunk.first_index + chunk.n_rows)
        if chunk.chunk_id not in committed:
            found.missing += indexes
            continue
        vectors, outcomes = directory.vectors(chunk.chunk_id), directory.outcomes(chunk.chunk_id)
        row_of = {vector_id: row for row, vector_id in enumerate(vectors["vector_id"].to_pylist())}
        expected = expected_launches(directory, vectors, seed, noise)
        seen: set[int] = set()
        for outcome in outcomes.select(["vector_id", "status", "durations_ns"]).to_pylist():
            row = row_of.get(outcome["vector_id"], -1)
            index = chunk.first_index + row
            if row in seen:
                found.doubled.append(index)
            seen.add(row)
            found.statuses[index] = outcome["status"]
            if row < 0 or (
                outcome["status"] == "OK" and outcome["durations_ns"] != expected[row].tolist()
            ):
                found.wrong.append(index)
        found.missing += [index for row, index in enumerate(indexes) if row not in seen]
    return found


def expected_launches(
    directory: SweepDirectory, vectors: pa.Table, seed: int, noise: float
) -> np.ndarray:
    """Every launch that the simulated card measures for these vectors, ns, shape (n, repeats)."""
    repeats = directory.manifest.repeats
    ids = vectors["vector_id"].to_pylist()
    truth = true_durations_of_table_ns(directory.manifest.op, vectors)
    number = np.tile(np.arange(repeats, dtype=np.int32), len(ids))
    repeated = [vector_id for vector_id in ids for _ in range(repeats)]
    flat = measured_ns(np.repeat(truth, repeats), repeated, number, seed, noise)
    return flat.reshape(len(ids), repeats)
