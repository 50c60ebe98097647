"""Whatever the costs: the limits hold, the reactions have the right sign, the size settles."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farm.card.batch_tuner import (
    FIRST_ROWS,
    GROWTH,
    HANDOVER_S,
    MOST_LAUNCHES,
    BatchCosts,
    BatchTuner,
)

REPEATS = 10
CHUNK_ROWS = 1024


def seconds(least: float, most: float) -> st.SearchStrategy[float]:
    """Times spread evenly over their orders of magnitude."""
    return st.floats(math.log10(least), math.log10(most)).map(lambda x: 10**x)


FIXED_S, LAUNCH_S, VECTOR_S = seconds(1e-4, 1), seconds(1e-5, 7e-3), seconds(1e-4, 0.1)
FAULTS = st.one_of(st.just(0.0), seconds(1e-4, 1e-2))
COSTS = st.builds(
    BatchCosts, FIXED_S.map(lambda s: s + HANDOVER_S), LAUNCH_S, st.just(REPEATS), VECTOR_S, FAULTS
)
SEEDS = st.integers(0, 1 << 32)


def settle(tuner: BatchTuner, costs: BatchCosts, seed: int, n_batches: int) -> list[int]:
    """Let a noisy card run; returns the sizes in use after each event."""
    random, sizes = np.random.default_rng(seed), []
    good_share = 1 / (1 + costs.faults)
    for _ in range(n_batches):
        n = tuner.rows
        n_good = int(random.geometric(1 - good_share)) - 1 if costs.faults else n
        # A batch in which a fault strikes is repeated from its known part: only the rest can fault.
        while n_good < n:
            tuner.observe_fault()
            n_good += int(random.geometric(1 - good_share))
        read_s = costs.fixed_s - HANDOVER_S + n * REPEATS * costs.launch_s
        slow = 5 if random.random() < 0.02 else 1
        tuner.observe(
            n,
            n * REPEATS,
            n * costs.vector_s * random.lognormal(0, 0.1),
            read_s * slow * random.lognormal(0, 0.1),
        )
        sizes.append(tuner.rows)
    return sizes


def best_cost_s(costs: BatchCosts) -> float:
    """Of the best size; where time is the limit, of a size that a wrong guess of it allows."""
    most = max(1, math.floor(min(CHUNK_ROWS, 0.8 * costs.latency_rows)))
    return costs.per_vector_s(costs.best_rows(most, CHUNK_ROWS))


EVENTS = st.lists(
    st.one_of(
        st.none(),
        st.tuples(
            st.integers(1, 3),
            st.floats(0, 1e3),
            st.floats(0, 1e3),
        ),
    ),
    max_size=60,
)


@given(
    EVENTS,
    st.integers(1, 200),
    st.integers(1, 5000),
    st.one_of(st.none(), st.integers(1, 20_000)),
    st.one_of(st.none(), st.integers(1, 10_000)),
)
def test_no_limit_is_ever_exceeded(
    events: list[tuple[int, float, float] | None],
    repeats: int,
    chunk_rows: int,
    buffer_launches: int | None,
    fixed: int | None,
) -> None:
    tuner = BatchTuner(repeats, chunk_rows, buffer_launches, fixed)
    most_launches = min(MOST_LAUNCHES, buffer_launches or MOST_LAUNCHES)
    per_vector = repeats
    for event in events:
        n = tuner.rows
        assert 1 <= n <= chunk_rows
        assert n == 1 or n * per_vector <= most_launches
        if fixed is not None:
            assert n == max(1, min(fixed, chunk_rows, most_launches // per_vector))
        if event is None:
            tuner.observe_fault()
            continue
        times, execute_s, read_s = event
        per_vector = max(per_vector, times * repeats)
        tuner.observe(n, n * times * repeats, execute_s, read_s)


@given(EVENTS, st.integers(1, 200))
def test_a_batch_grows_by_a_factor_at_most(
    events: list[tuple[int, float, float] | None], repeats: int
) -> None:
    tuner, largest = BatchTuner(repeats, 10**6), FIRST_ROWS
    for event in events:
        assert tuner.rows <= GROWTH * largest
        if event is None:
            tuner.observe_fault()
        else:
            largest = max(largest, tuner.rows)
            tuner.observe(tuner.rows, tuner.rows * repeats, *event[1:])


@given(COSTS, st.floats(1, 1000), st.integers(1, 5000))
def test_a_dearer_read_never_makes_the_best_batch_smaller(
    costs: BatchCosts, factor: float, chunk_rows: int
) -> None:
    dearer = replace(costs, fixed_s=costs.fixed_s * factor)
    assert dearer.best_rows(chunk_rows, chunk_rows) >= costs.best_rows(chunk_rows, chunk_rows)


@given(COSTS, st.floats(1, 1000), st.integers(1, 5000))
def test_more_faults_never_make_the_best_batch_larger(
    costs: BatchCosts, factor: float, chunk_rows: int
) -> None:
    worse = replace(costs, faults=costs.faults * factor + 1e-6)
    assert worse.best_rows(chunk_rows, chunk_rows) <= costs.best_rows(chunk_rows, chunk_rows)


@given(COSTS, st.floats(1, 1000), st.integers(1, 5000))
def test_slower_vectors_never_make_the_best_batch_larger(
    costs: BatchCosts, factor: float, chunk_rows: int
) -> None:
    slower = replace(costs, vector_s=costs.vector_s * factor)
    assert slower.best_rows(chunk_rows, chunk_rows) <= costs.best_rows(chunk_rows, chunk_rows)


@given(COSTS, st.integers(1, 2000))
def test_the_best_batch_is_the_cheapest_of_those_that_cut_a_chunk_evenly(
    costs: BatchCosts, chunk_rows: int
) -> None:
    best = costs.best_rows(chunk_rows, chunk_rows)
    even = {math.ceil(chunk_rows / n) for n in range(1, chunk_rows + 1)}
    within = [n for n in even if n <= max(1.0, costs.latency_rows)]
    cheapest_s = min(costs.per_vector_s(n) for n in within)
    assert best in within
    assert costs.per_vector_s(best) <= cheapest_s * (1 + 1e-9)


@given(COSTS, SEEDS)
def test_a_noisy_card_is_run_near_its_optimum_after_a_few_batches(
    costs: BatchCosts, seed: int
) -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    calm = replace(costs, faults=0.0)
    settle(tuner, calm, seed, 6)
    assert calm.per_vector_s(tuner.rows) <= 1.25 * best_cost_s(calm)
    # Faults are rare events: their rate takes a few of them to be known.
    settle(tuner, costs, seed + 1, 300)
    assert costs.per_vector_s(tuner.rows) <= 1.1 * best_cost_s(costs)


@given(COSTS, SEEDS)
def test_a_size_that_was_settled_on_is_kept_under_noise(costs: BatchCosts, seed: int) -> None:
    calm = replace(costs, faults=0.0)
    sizes = settle(BatchTuner(REPEATS, CHUNK_ROWS), calm, seed, 200)[100:]
    n_changes = sum(a != b for a, b in pairwise(sizes))
    assert n_changes <= 10


@given(COSTS, SEEDS)
def test_faults_do_not_make_the_size_swing(costs: BatchCosts, seed: int) -> None:
    sizes = settle(BatchTuner(REPEATS, CHUNK_ROWS), costs, seed, 300)[100:]
    costs_s = [costs.per_vector_s(n) for n in sizes]
    assert float(np.mean(costs_s)) <= 1.1 * best_cost_s(costs)
