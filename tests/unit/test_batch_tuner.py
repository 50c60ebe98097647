"""The batch tuner on cards whose costs are known."""

import math

import numpy as np
import pytest

from farm.card.batch_tuner import (
    FIRST_ROWS,
    GROWTH,
    HANDOVER_S,
    LONGEST_BATCH_S,
    MOST_LAUNCHES,
    BatchCosts,
    BatchTuner,
)
from farm.card.read_cost import LEAST_READS_PER_LINE, ReadCost

REPEATS = 10
CHUNK_ROWS = 1024


def run(
    tuner: BatchTuner,
    n_batches: int,
    fixed_s: float = 0.01,
    launch_s: float = 1e-5,
    vector_s: float = 1e-3,
) -> list[int]:
    """Batches without faults and noise; returns their sizes."""
    sizes = []
    for _ in range(n_batches):
        n = tuner.rows
        sizes.append(n)
        read_s = fixed_s + launch_s * n * REPEATS
        tuner.observe(n, n * REPEATS, n * vector_s, read_s)
    return sizes


def test_batches_grow_from_a_few_vectors_to_the_chunk_where_nothing_is_lost() -> None:
    assert run(BatchTuner(REPEATS, CHUNK_ROWS), 5) == [4, 32, 256, 1024, 1024]


def test_the_start_is_small_and_nothing_is_claimed_before_a_batch_was_read() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    assert tuner.rows == FIRST_ROWS
    assert tuner.describe() == {"rows": FIRST_ROWS, "reason": "growing"}


def test_batches_that_were_sent_before_an_answer_do_not_drive_growth() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    for _ in range(3):
        tuner.observe(FIRST_ROWS, FIRST_ROWS * REPEATS, 0.004, 1.0)
    assert tuner.rows == FIRST_ROWS * GROWTH


def test_the_square_root_law() -> None:
    costs = BatchCosts(fixed_s=0.02, launch_s=0, launches=10, vector_s=1e-3, faults=0.01)
    assert costs.optimum == pytest.approx(math.sqrt(2 * 0.02 / (0.01 * 1e-3)))  # 63.2
    # 1 ms + 20 ms / 64 + 1 % of (64 - 1) / 2 vectors of 1 ms
    assert costs.per_vector_s(64) == pytest.approx(1e-3 + 0.0003125 + 0.000315)
    assert costs.best_rows(CHUNK_ROWS, CHUNK_ROWS) == 64


def test_a_chunk_falls_into_equal_batches() -> None:
    # The optimum of 63 does not divide 100: two batches of 50 lose less than 63 and 37.
    costs = BatchCosts(fixed_s=0.02, launch_s=0, launches=10, vector_s=1e-3, faults=0.01)
    assert costs.best_rows(100, 100) == 50


def test_the_formula_is_what_a_card_with_guilty_vectors_costs() -> None:
    rate, rows, n_vectors = 0.02, 50, 200_000
    is_guilty = np.random.default_rng(5).random(n_vectors) < rate
    n_unread = n_again = 0
    for guilty in is_guilty:
        if guilty:
            n_again += n_unread  # they run again, and none of them strikes
        else:
            n_unread = (n_unread + 1) % rows
    h = rate / (1 - rate)
    costs = BatchCosts(0, 0, REPEATS, 1.0, h)
    n_measured = n_vectors - int(is_guilty.sum())
    # 4,000 faults with a loss of 24.5 +- 14.4 each: 1 % twice over
    assert n_again / n_measured == pytest.approx(costs.per_vector_s(rows) - 1, rel=0.05)


def test_the_law_retreats_where_faults_strike_executions() -> None:
    # Reads of 1 s, vectors of 0.1 ms, one execution in a hundred faults: the law for guilty
    # vectors would ask for 1,400, of which one batch in a million would be finished.  The best
    # size is 363, of which one in forty is.
    fixed_s, vector_s, q = 1.0, 1e-4, 0.01

    def cost_s(rows: float) -> float:
        return (vector_s / q) * math.expm1(q * rows) / rows + fixed_s / rows

    best_s = min(cost_s(rows) for rows in range(1, 1000))
    random = np.random.default_rng(7)
    tuner = BatchTuner(REPEATS, 10_000)
    sizes = []
    for _ in range(20_000):
        n = tuner.rows
        if random.geometric(q) <= n:
            tuner.observe_fault()
        else:
            tuner.observe(n, n * REPEATS, n * vector_s, fixed_s)
            sizes.append(n)
    assert len(sizes) > 50
    assert cost_s(float(np.median(sizes[-50:]))) < 1.3 * best_s


def test_recovery_and_cost_per_launch_do_not_move_the_optimum() -> None:
    cheap = BatchCosts(0.02, 1e-6, REPEATS, 1e-3, 0.01)
    dear = BatchCosts(0.02, 1e-4, REPEATS, 1e-3, 0.01)
    assert cheap.optimum == dear.optimum


@pytest.mark.parametrize(
    ("buffer_launches", "rows"), [(1000, 100), (999, 99), (10, 1), (9, 1), (None, CHUNK_ROWS)]
)
def test_the_profiler_buffer_is_never_overfilled(buffer_launches: int | None, rows: int) -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS, buffer_launches)
    sizes = run(tuner, 12)
    assert max(sizes) <= rows
    assert tuner.rows > rows / 2
    assert BatchTuner(REPEATS, CHUNK_ROWS, buffer_launches, fixed=5000).rows == rows


def test_a_buffer_that_becomes_known_later_holds_at_once() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    run(tuner, 6)
    assert tuner.rows == CHUNK_ROWS
    tuner.limit_buffer(500)
    assert tuner.rows <= 50
    tuner.limit_buffer(None)
    run(tuner, 3)
    assert tuner.rows == CHUNK_ROWS


def test_vectors_with_more_launches_than_asked_for_fill_the_buffer_earlier() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS, 1000)
    run(tuner, 6)
    tuner.observe(100, 2500, 0.1, 0.01)
    assert tuner.rows <= 40


def test_the_launches_of_a_batch_are_bounded() -> None:
    tuner = BatchTuner(REPEATS, 10**6)
    run(tuner, 20, fixed_s=10.0, vector_s=1e-6, launch_s=0.0)
    assert tuner.rows * REPEATS <= MOST_LAUNCHES
    assert tuner.describe()["reason"] == "most launches"


def test_batches_stay_short_although_longer_ones_would_be_a_little_cheaper() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    run(tuner, 10, vector_s=0.1)
    assert tuner.rows * 0.1 <= LONGEST_BATCH_S
    assert tuner.describe()["reason"] in ("latency", "steady")


def test_the_latency_bound_yields_to_very_dear_reads() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    run(tuner, 10, fixed_s=2.0, vector_s=0.1)
    n = tuner.rows
    assert 2.0 / (2.0 + n * 0.1) < 0.15


@pytest.mark.parametrize("fixed", [1, 7, 300])
def test_a_fixed_size_is_kept_whatever_happens(fixed: int) -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS, fixed=fixed)
    assert set(run(tuner, 100, fixed_s=0.01)) == {fixed}
    assert set(run(tuner, 100, fixed_s=1.0)) == {fixed}
    tuner.observe_fault()
    assert tuner.rows == fixed
    assert tuner.describe()["reason"] == "fixed"


def test_a_fixed_size_beyond_a_limit_says_which() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS, 1000, fixed=500)
    assert (tuner.rows, tuner.describe()["reason"]) == (100, "profiler buffer")


def test_faults_make_batches_smaller_and_calm_makes_them_larger_again() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    run(tuner, 10)
    assert tuner.rows == CHUNK_ROWS
    for _ in range(20):
        tuner.observe_fault()
        run(tuner, 1)
    troubled = tuner.rows
    assert troubled < CHUNK_ROWS / 2
    run(tuner, 500)
    assert tuner.rows > troubled


def test_reads_that_become_dearer_are_noticed() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    for _ in range(10):
        run(tuner, 10, fixed_s=1e-3)
        tuner.observe_fault()
    before = tuner.rows
    run(tuner, 120, fixed_s=0.1)
    assert tuner.rows > before
    assert tuner.describe()["fixed_s"] == pytest.approx(0.1 + HANDOVER_S, rel=0.01)


def test_drift_of_reads_that_cost_nothing_is_left_alone() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    run(tuner, 100, fixed_s=1e-6, launch_s=0.0)
    n = tuner.rows
    assert set(run(tuner, 100, fixed_s=1e-5, launch_s=0.0)) == {n}


def test_what_cannot_be_a_measurement_is_ignored() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    for values in [(0, 0, 1.0, 1.0), (4, 40, math.nan, 1.0), (4, 40, 1.0, math.inf)]:
        tuner.observe(*values)
    assert tuner.describe() == {"rows": FIRST_ROWS, "reason": "growing"}


def test_the_description_has_the_estimates() -> None:
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    run(tuner, 6, fixed_s=0.01, launch_s=1e-5, vector_s=1e-3)
    facts = tuner.describe()
    assert facts["reason"] == "chunk"
    assert facts["fixed_s"] == pytest.approx(0.01 + HANDOVER_S, rel=1e-3)
    assert facts["launch_s"] == pytest.approx(1e-5, rel=1e-3)
    assert facts["vector_s"] == pytest.approx(1e-3)
    assert facts["per_vector_s"] == pytest.approx(1e-3 + 1e-4 + 0.011 / 1024, rel=1e-3)


def test_reads_of_one_size_are_all_fixed_cost() -> None:
    reads = ReadCost()
    reads.learn(40, 0.5)
    assert (reads.fixed_s, reads.launch_s, reads.span) == (0.5, 0.0, 1.0)


def test_the_line_does_not_follow_a_slow_read() -> None:
    reads = ReadCost()
    for n in (40, 40, 40, 320, 320, 320, 2560, 2560, 2560):
        reads.learn(n, 0.01 + 1e-5 * n)
    reads.learn(40, 1.0)
    reads.learn(2560, 3.0)
    assert reads.fixed_s == pytest.approx(0.01, rel=0.05)
    assert reads.launch_s == pytest.approx(1e-5, rel=0.05)


def test_neither_coefficient_is_negative() -> None:
    falling, from_nothing = ReadCost(), ReadCost()
    for n, read_s in ((40, 1.0), (320, 0.5), (2560, 0.2)):
        falling.learn(n, read_s)
    for n in (40, 320, 2560):
        from_nothing.learn(n, 1e-6 * n**1.5)
    assert (falling.fixed_s > 0, falling.launch_s) == (True, 0.0)
    assert (from_nothing.fixed_s, from_nothing.launch_s > 0) == (0.0, True)


def test_drift_is_told_only_of_a_line_that_had_time() -> None:
    young, old = ReadCost(), ReadCost()
    for n in (40, 320, 2560):
        young.learn(n, 0.01)
        old.learn(n, 0.01)
    for _ in range(LEAST_READS_PER_LINE):
        old.learn(2560, 0.01)
    assert not old.has_drifted
    # Dearer by half the drift that is tolerated, then by five times as much.
    for _ in range(16):
        old.learn(2560, 0.012)
    assert not old.has_drifted
    # A median of fifteen turns with the eighth, before the line has followed.
    is_noticed = []
    for _ in range(15):
        young.learn(2560, 0.02)
        old.learn(2560, 0.02)
        is_noticed.append(old.has_drifted)
    assert not young.has_drifted
    assert any(is_noticed)
