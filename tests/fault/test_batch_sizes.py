"""What a vector measures does not depend on the batch that it was measured in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from farm.catalog import load_sweep
from farm.devices import cpu
from farm.devices.device import CardSlot, Device
from farm.generation import Plan, open_or_generate, overridden
from sweeps import memcpy
from sweeps.limits import limited
from sweeps.vector import Vector, vector_id
from tests.fault.conftest import LIMITS, LocalFarm


def outcomes(folder: Path, options: Mapping[str, str], batch_rows: int | None) -> pa.Table:
    """Run the sweep on one simulated card; outcomes sorted by vector, without their times."""
    sweep = overridden(limited(load_sweep("reshard"), list(LIMITS)), 3, 1.0, 64)
    directory = open_or_generate(folder, Plan(sweep, "reshard", LIMITS))
    farm = LocalFarm(folder, directory, 1.0)
    farm.run(n_cards=1, options=options, batch_rows=batch_rows)
    assert set(farm.statuses().values()) == {"OK"}
    columns = ["vector_id", "mean_ns", "std_ns", "min_ns", "median_ns", "durations_ns"]
    tables = [directory.outcomes(chunk.chunk_id).select(columns) for chunk in directory.chunks()]
    return pa.concat_tables(tables).sort_by("vector_id").combine_chunks()


def test_batches_of_one_and_tuned_batches_measure_the_same_on_simulated_cards(
    tmp_path: Path,
) -> None:
    one = outcomes(tmp_path / "one", {"profiler": "log"}, 1)
    assert one.num_rows > 100
    assert outcomes(tmp_path / "tuned", {"profiler": "log"}, None).equals(one)
    assert outcomes(tmp_path / "old", {"profiler_generation": "v1"}, None).equals(one)
    assert outcomes(tmp_path / "direct", {"profiler": "direct"}, None).equals(one)


N_ROUNDS = 24
MOST_AGAINST = 1
MARGIN = 0.15
REPEATS = 5


def vectors() -> list[Vector]:
    found = []
    for index, edge in enumerate((128, 256, 384, 512)):
        params = {"layout": "transpose", "dtype": "float32", "shape": (edge, edge)}
        identity = vector_id(memcpy.SWEEP.op, params)
        features = memcpy.SWEEP.derive(params)
        found.append(Vector(index, identity, memcpy.SWEEP.op, params, features))
    return found


def means_ns(device: Device, batches: Sequence[Sequence[Vector]]) -> np.ndarray:
    """Mean duration of each vector, ns."""
    parts = []
    for batch in batches:
        for vector in batch:
            device.execute(vector, REPEATS, vector.index)
        parts.append(device.read_profile())
    profile = pa.concat_tables(parts)
    tag, duration_ns = profile["tag"].to_numpy(), profile["duration_ns"].to_numpy()
    assert np.bincount(tag).tolist() == [REPEATS] * len(np.unique(tag))
    return np.bincount(tag, weights=duration_ns) / REPEATS


@pytest.mark.xdist_group("cpu")
def test_batches_of_one_and_of_all_measure_the_same_on_this_machine() -> None:
    """A sign test per vector, of means in batches of one against means in one batch of all.

    Each round measures both ways, in an order that a coin decides, so drift of the machine favours
    neither.  If one way is not slower than the other by more than `MARGIN` in the median, a round
    exceeds that margin with probability 1/2 at most, so that 23 of 24 rounds or more do so with
    probability 25 / 2^24.  Two ways and four vectors: a false alarm in 84,000 runs at most.
    """
    rounds = N_ROUNDS
    tail = sum(comb(rounds, k) for k in range(MOST_AGAINST + 1)) / 2**rounds
    every = vectors()
    assert 2 * len(every) * tail < 1 / 80_000
    device = cpu.KIND.device(CardSlot("cpu", 0, {}), memcpy.SWEEP)
    device.open()
    ways = [[[vector] for vector in every], [every]]
    coin = np.random.default_rng(4)
    log_ratio = np.empty((rounds, len(every)))
    for number in range(rounds):
        order = coin.permutation(2)
        found = {int(way): means_ns(device, ways[way]) for way in order}
        log_ratio[number] = np.log(found[0] / found[1])
    device.close()
    for is_slower in (log_ratio > np.log1p(MARGIN), log_ratio < -np.log1p(MARGIN)):
        assert is_slower.sum(axis=0).max() < rounds - MOST_AGAINST


@pytest.mark.parametrize("batch_rows", [None, 50])
def test_no_batch_is_larger_than_the_profiler_holds(tmp_path: Path, batch_rows: int | None) -> None:
    options = {"profiler_capacity": "20"}
    sweep = overridden(limited(load_sweep("reshard"), list(LIMITS)), 3, 1.0, 64)
    directory = open_or_generate(tmp_path / "sweep", Plan(sweep, "reshard", LIMITS))
    farm = LocalFarm(tmp_path / "sweep", directory, 1.0)
    farm.run(n_cards=1, options=options, batch_rows=batch_rows)
    assert set(farm.statuses().values()) == {"OK"}
    # A larger batch would have lost records, which is an incident.
    assert not [r for r in directory.incidents() if r["kind"] == "profiler-records"]
    for chunk in directory.chunks():
        assert directory.result_meta(chunk.chunk_id).batch["rows"] * 3 <= 20
