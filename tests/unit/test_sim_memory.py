"""What faulty cards remember: every change succeeds in exactly one process."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from farm.devices.sim_memory import FaultMemory
from farm.errors import CardError


def test_counts_go_on_in_another_process(tmp_path):
    assert [FaultMemory(tmp_path / "new").count("try-1") for _ in range(4)] == [0, 1, 2, 3]
    assert FaultMemory(tmp_path / "new").count("try-2") == 0


def test_states_are_entered_and_left_once(tmp_path):
    memory = FaultMemory(tmp_path / "new")
    assert not memory.is_in("stuck-0")
    assert not memory.leave("stuck-0")
    assert memory.enter("stuck-0")
    assert not memory.enter("stuck-0")
    assert FaultMemory(tmp_path / "new").is_in("stuck-0")
    assert memory.leave("stuck-0")
    assert not memory.is_in("stuck-0")


def test_of_many_that_fire_at_once_as_many_as_allowed_do(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        fired = pool.map(lambda _: FaultMemory(tmp_path / "new").fires("hang", 7, 3), range(64))
    assert sum(fired) == 3
    assert FaultMemory(tmp_path / "new").fired() == {"hang": 3}


def test_nothing_is_remembered_where_nothing_was_noted(tmp_path):
    memory = FaultMemory(tmp_path / "never")
    assert memory.fired() == {}
    assert memory.children() == []
    memory.note_children([12, 5])
    assert memory.children() == [5, 12]


def test_a_memory_that_cannot_be_written_is_the_cards_fault(tmp_path):
    (tmp_path / "file").write_text("")
    memory = FaultMemory(tmp_path / "file")
    for action in (memory.enter, memory.leave, memory.count):
        with pytest.raises(CardError):
            action("anything")
