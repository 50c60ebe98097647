"""Launches reach the vector that caused them, or none; and what is doubtful is not accepted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.profiler.launch_join import (
    VERDICTS,
    Verdict,
    assign,
    id_modulus,
    join_launches,
    launch_ids,
    run_host_ids,
)
from farm.profiler.log_format import Generation

GENERATIONS = st.sampled_from([g for g in Generation if g.has_host_ids])


@st.composite
def batches(draw):
    """Generation, counter at the begin, programs per vector, gaps before, repeats, warm-ups."""
    n = draw(st.integers(1, 12))
    repeats, warmups = draw(st.integers(1, 5)), draw(st.integers(0, 2))
    programs = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    gaps = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    generation = draw(GENERATIONS)
    # Near a wrap as often as not.
    begin = draw(st.integers(0, 2**33) | st.integers(1, 200).map(lambda k: 3 * 2**21 - k))
    return generation, begin, np.array(programs), np.array(gaps), repeats, warmups


def _ranges(begin, counts, gaps):
    stop = begin + np.cumsum(counts + gaps)
    return stop - counts, stop


def _table(ids, generation, durations, **columns):
    n = len(ids)
    known = {
        "chip": np.zeros(n, int),
        "run_host_id": run_host_ids(np.asarray(ids), generation, device=5),
        "status": np.zeros(n, int),
        "is_repaired": np.zeros(n, bool),
        "core_count": np.full(n, 4),
        "n_zones": np.full(n, 16),
        "riscs": np.full(n, 3),
        "kernel_ns": np.asarray(durations, float),
    }
    return pa.table(known | columns)


@given(batches(), st.randoms(use_true_random=False))
def test_every_vector_gets_its_own_launches(batch, random):
    generation, begin, programs, gaps, repeats, warmups = batch
    counts = programs * (repeats + warmups)
    start, stop = _ranges(begin, counts, gaps)
    # Launches between vectors are there too, and rows come in any order.
    ids = list(range(begin, int(stop[-1])))
    random.shuffle(ids)
    joined = join_launches(_table(ids, generation, ids), generation, start, stop, repeats, warmups)
    assert joined.is_accepted.all()
    assert joined.n_foreign == gaps.sum()
    assert (joined.n_programs == programs).all()
    for i in range(len(programs)):
        own = np.arange(start[i], stop[i], dtype=float)[warmups * programs[i] :]
        assert joined.program_durations_ns[i].as_py() == own.tolist()
        sums = own.reshape(repeats, programs[i]).sum(axis=1)
        assert joined.durations_ns[i].tolist() == sums.tolist()


@given(batches(), st.data())
def test_harm_to_one_launch_harms_its_vector_only(batch, data):
    generation, begin, programs, gaps, repeats, warmups = batch
    counts = programs * (repeats + warmups)
    start, stop = _ranges(begin, counts, gaps)
    victim = data.draw(st.integers(0, len(programs) - 1))
    at = data.draw(st.integers(int(start[victim]), int(stop[victim]) - 1))
    harm = data.draw(
        st.sampled_from(["missing", "twice", "status", "repaired", "cores", "riscs", "null"])
    )
    ids = np.arange(begin, stop[-1])
    is_hit = ids == at
    durations = ids.astype(float)
    columns = {}
    if harm == "missing":
        ids, durations = ids[~is_hit], durations[~is_hit]
    elif harm == "twice":
        ids, durations = np.append(ids, at), np.append(durations, at)
    elif harm == "status":
        columns["status"] = is_hit.astype(int)
    elif harm == "repaired":
        columns["is_repaired"] = is_hit
    elif harm == "cores":
        columns["core_count"] = 4 - is_hit
    elif harm == "riscs":
        columns["riscs"] = 3 + is_hit
    else:
        columns["kernel_ns"] = pa.array(durations, mask=is_hit)
    joined = join_launches(
        _table(ids, generation, durations, **columns), generation, start, stop, repeats, warmups
    )
    others = np.delete(np.arange(len(programs)), victim)
    assert joined.is_accepted[others].all()
    expected = {
        "missing": Verdict.MISSING,
        "twice": Verdict.TWICE,
        "status": Verdict.INCOMPLETE,
        "null": Verdict.INCOMPLETE,
        "repaired": Verdict.REPAIRED,
        "cores": Verdict.UNEVEN,
        "riscs": Verdict.UNEVEN,
    }[harm]
    is_only_run = repeats + warmups == 1 and expected is Verdict.UNEVEN
    assert VERDICTS[joined.verdict[victim]] is (Verdict.ACCEPTED if is_only_run else expected)
    if not is_only_run:
        assert np.isnan(joined.durations_ns[victim]).all()
        assert joined.program_durations_ns[victim].as_py() == []


@given(batches(), st.data())
def test_a_vector_that_threw_in_the_middle_leaves_its_neighbours_alone(batch, data):
    generation, begin, programs, gaps, repeats, warmups = batch
    n_runs = repeats + warmups
    counts = programs * n_runs
    victim = data.draw(st.integers(0, len(programs) - 1))
    counts[victim] = data.draw(st.integers(0, counts[victim] - 1))
    start, stop = _ranges(begin, counts, gaps)
    ids = np.arange(begin, stop[-1])
    joined = join_launches(_table(ids, generation, ids), generation, start, stop, repeats, warmups)
    assert joined.is_accepted[np.arange(len(programs)) != victim].all()
    if counts[victim] % n_runs or counts[victim] == 0:
        assert VERDICTS[joined.verdict[victim]] is Verdict.WRONG_NUMBER


@given(GENERATIONS, st.lists(st.integers(0, 2**40), max_size=50), st.integers(0, 1023))
def test_ids_survive_the_log(generation, counters, device):
    logged = run_host_ids(np.array(counters, np.int64), generation, device)
    ids, found = launch_ids(logged, generation)
    assert ids.tolist() == [c % id_modulus(generation) for c in counters]
    assert found is None if generation.has_short_ids else (found == device).all()
    # The bit of programs that fell back to the host is no part of the id.
    if not generation.has_short_ids:
        assert (launch_ids(logged | 1 << 31, generation)[0] == ids).all()


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(0, 2**40), st.data())
def test_assigning_is_looking_into_each_range(counts, begin, data):
    modulus = 1 << 12
    stop = begin + np.cumsum(np.array(counts, np.int64))
    start = stop - np.array(counts, np.int64)
    ids = np.array(data.draw(st.lists(st.integers(0, modulus - 1), max_size=60)), np.int64)
    found, place = assign(ids, start, stop, modulus)
    for at, one in enumerate(ids):
        holders = [
            (i, k)
            for i, (a, b) in enumerate(zip(start, stop, strict=True))
            for k in range(b - a)
            if (a + k) % modulus == one
        ]
        assert [(found[at], place[at])] == (holders or [(-1, -1)])


def test_other_chips_and_bad_lines():
    ids = np.arange(10, 14)
    table = _table([*ids, *ids], Generation.V5, np.arange(8), chip=np.repeat([0, 1], 4))
    joined = join_launches(table, Generation.V5, [10, 12], [12, 14], n_repeats=2, chip=1)
    assert joined.durations_ns.tolist() == [[4, 5], [6, 7]]
    assert joined.n_foreign == 4
    both = join_launches(table, Generation.V5, [10, 12], [12, 14], n_repeats=2)
    assert [VERDICTS[v] for v in both.verdict] == [Verdict.TWICE] * 2
    bad = join_launches(table, Generation.V5, [10], [12], n_repeats=2, chip=1, n_bad_lines=1)
    assert VERDICTS[bad.verdict[0]] is Verdict.BAD_LINES


def test_ranges_that_mean_two_things_are_refused():
    with pytest.raises(ValueError, match="overlap"):
        assign(np.arange(3), np.array([0, 2]), np.array([3, 4]), 100)
    with pytest.raises(ValueError, match="two launches"):
        assign(np.arange(3), np.array([0, 90]), np.array([3, 101]), 100)
