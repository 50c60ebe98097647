"""Random faults: pure draws, few enough of each sort for the farm to survive."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.devices.device import ResetLevel
from farm.devices.sim_chaos import (
    CARD_FAULT_BLOCK,
    CARD_LIKE,
    EXPECTED_STATUS,
    HARMLESS,
    OF_VECTORS,
    Chaos,
    ChaosPlan,
    planned_faults,
)
from farm.devices.sim_faults import AT_OPEN, AT_RESET, OF_CARD, FaultKind
from farm.devices.sim_memory import FaultMemory

SEEDS = st.integers(0, 1 << 64)


def test_chaos_is_read_from_text():
    assert Chaos.parse("7") == Chaos(7, 0.02, OF_VECTORS)
    assert Chaos.parse("7:0.5") == Chaos(7, 0.5, OF_VECTORS)
    assert Chaos.parse("7::hang+drop") == Chaos(7, 0.02, (FaultKind.HANG, FaultKind.DROP))


def test_the_draws_are_the_same_for_ever():
    assert planned_faults(7, 0.04, range(560)) == {
        33: FaultKind.HANG,
        61: FaultKind.CRASH,
        433: FaultKind.RAISE,
    }
    drawn = {i: Chaos(7, 0.04).transient(i, 0) for i in range(40)}
    assert {i: kind for i, kind in drawn.items() if kind} == {
        25: FaultKind.SEGV,
        31: FaultKind.STALE,
        38: FaultKind.SEGV,
    }


def test_every_kind_is_drawn_at_the_rate_asked_for():
    chaos = Chaos(1, 0.1)
    n = 20_000
    drawn = Counter(chaos.transient(index, 0) for index in range(n))
    assert set(drawn) == {None, *OF_VECTORS}
    assert 0.09 * n < n - drawn[None] < 0.11 * n
    culprits = planned_faults(1, 0.1, range(n))
    assert set(culprits.values()) == set(EXPECTED_STATUS)
    assert 0.015 * n < len(culprits) < 0.025 * n
    assert {chaos.needs(index) for index in range(100)} == {None, *ResetLevel}


def test_without_a_rate_nothing_happens():
    chaos = Chaos(3, 0.0)
    assert planned_faults(3, 0.0, range(500)) == {}
    assert not any(chaos.transient(i, n) for i in range(500) for n in range(3))
    assert not any(chaos.card_fault(k, 0, n) for k in (AT_OPEN, AT_RESET) for n in range(99))


@given(seed=SEEDS, rate=st.floats(0, 1))
def test_at_most_one_vector_of_a_block_looks_like_a_faulty_card(seed, rate):
    chaos = Chaos(seed, rate)
    found = {
        index
        for index in range(2 * CARD_FAULT_BLOCK)
        for n_tries in range(2)
        if chaos.transient(index, n_tries) in CARD_LIKE
    }
    assert len({index // CARD_FAULT_BLOCK for index in found}) == len(found)


@given(seed=SEEDS, slot=st.integers(0, 9))
def test_a_card_never_fails_to_open_or_to_be_reset_twice_in_a_row(seed, slot):
    chaos = Chaos(seed, 1.0)
    for kinds in (AT_OPEN, AT_RESET):
        fails = [chaos.card_fault(kinds, slot, n) is not None for n in range(20)]
        assert not any(first and second for first, second in itertools.pairwise(fails))


def test_a_vector_goes_wrong_at_most_once_in_each_way(tmp_path):
    def drawn(directory: str) -> list[list[FaultKind]]:
        plan = ChaosPlan(Chaos(5, 1.0), FaultMemory(tmp_path / directory))
        faults = [[plan.due(index) for _ in range(12)] for index in range(30)]
        return [[fault.kind for fault in row if fault] for row in faults]

    first = drawn("first")
    culprits = planned_faults(5, 1.0, range(30))
    for index, kinds in enumerate(first):
        if index in culprits:
            assert kinds == [culprits[index]] * 12
        else:
            assert sum(kind in HARMLESS for kind in kinds) <= 1
            assert sum(kind not in HARMLESS for kind in kinds) <= 1
    assert drawn("second") == first
    assert FaultMemory(tmp_path / "first").fired() == Counter(k for row in first for k in row)


def test_probes_are_spared(tmp_path):
    plan = ChaosPlan(Chaos(5, 1.0), FaultMemory(tmp_path / "new"))
    assert [plan.due(-1), plan.due(-2)] == [None, None]


@pytest.mark.parametrize("seed", range(5))
def test_a_card_opens_right_after_a_reset(tmp_path, seed):
    memory = FaultMemory(tmp_path / "new")
    for _ in range(12):
        ChaosPlan(Chaos(seed, 1.0), memory).due_on_card(AT_RESET, 0)
        assert ChaosPlan(Chaos(seed, 1.0), memory).due_on_card(AT_OPEN, 0) is None
        ChaosPlan(Chaos(seed, 1.0), memory).due_on_card(AT_OPEN, 0)
    assert set(memory.fired()) <= {kind.value for kind in OF_CARD}
    assert memory.fired()["crash-open"] + memory.fired()["raise-open"]
