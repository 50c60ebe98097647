"""The grammar of faults, and what each one does to its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farm.devices import sim_faults
from farm.devices.sim_acts import EXIT_CODE, act, break_reset
from farm.devices.sim_faults import AT_OPEN, DEFAULT_SLOW_S, Fault, FaultKind, FaultPlan
from farm.devices.sim_memory import FaultMemory
from farm.errors import CardError, OpFailedError, OutOfMemoryError, UsageError


def test_a_plan_is_read_from_text():
    memory = FaultMemory(Path("somewhere"))
    text = "hang:17; raise:40..49*2 ,slow:12@2.5,slow:3,late:4@1*2/1, hang-reset:0"
    plan = FaultPlan.parse(text, memory)
    assert plan.faults == (
        Fault(FaultKind.HANG, 17, 17),
        Fault(FaultKind.RAISE, 40, 49, times=2),
        Fault(FaultKind.SLOW, 12, 12, seconds=2.5),
        Fault(FaultKind.SLOW, 3, 3, seconds=DEFAULT_SLOW_S),
        Fault(FaultKind.LATE, 4, 4, seconds=1.0, times=2, slot=1),
        Fault(FaultKind.HANG_RESET, 0, 0, seconds=3600.0),
    )
    assert plan.memory is memory


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_can_be_written(kind):
    (fault,) = FaultPlan.parse(f"{kind}:5", FaultMemory(Path("somewhere"))).faults
    assert fault.kind is kind
    assert f"\n{kind} " in str(sim_faults.__doc__), "not in the tables"


@pytest.mark.parametrize("text", ["", " ", ";", ", ;"])
def test_an_empty_plan_has_no_faults(text):
    assert not FaultPlan.parse(text).faults


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hang", "KIND:INDEX"),
        ("hang:", "KIND:INDEX"),
        ("hang:-1", "KIND:INDEX"),
        ("hang:1..", "KIND:INDEX"),
        ("hang:1*", "KIND:INDEX"),
        ("slow:1@", "KIND:INDEX"),
        ("slow:1@-3", "KIND:INDEX"),
        ("explode:1", "'explode' is none of hang"),
        ("hang:9..3", "empty"),
        ("hang:9@3", "only slow"),
        ("hang:9/x", "KIND:INDEX"),
        ("crash-open:0/1", "names the slot already"),
        ("black-hole:4", "fault_dir"),
        ("hang:9*0", "at least 1"),
        ("hang:9*1", "fault_dir"),
    ],
)
def test_a_malformed_plan_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        FaultPlan.parse(text)


def test_ranges_include_both_ends():
    plan = FaultPlan.parse("raise:3..5")
    assert [plan.due(i) is not None for i in range(2, 7)] == [False, True, True, True, False]


def test_the_first_fault_that_matches_counts():
    plan = FaultPlan.parse("raise:3,oom:1..9")
    due = plan.due(3)
    assert due is not None
    assert due.kind is FaultKind.RAISE


def test_a_fault_can_be_of_one_card_only():
    plan = FaultPlan.parse("raise:3/1")
    assert [plan.due(3, slot) is not None for slot in range(3)] == [False, True, False]


def test_faults_of_cards_and_of_vectors_do_not_mix():
    plan = FaultPlan.parse("raise-open:1..2,raise:0")
    assert plan.due(1) is None
    assert plan.due_on_card(AT_OPEN, 0) is None
    due = plan.due_on_card(AT_OPEN, 2)
    assert due is not None
    assert due.kind is FaultKind.RAISE_OPEN


def test_firings_are_counted_per_vector_across_plans(tmp_path):
    def due(index: int) -> str | None:
        memory = FaultMemory(tmp_path / "faults")
        fault = FaultPlan.parse("raise:1..2*2,oom:1*1", memory).due(index)
        return None if fault is None else fault.kind.value

    assert [due(1) for _ in range(5)] == ["raise", "raise", "oom", None, None]
    assert [due(2) for _ in range(3)] == ["raise", "raise", None]
    assert FaultMemory(tmp_path / "faults").fired() == {"raise": 4, "oom": 1}


def test_a_plan_that_cannot_count_is_the_cards_fault(tmp_path):
    (tmp_path / "file").write_text("")
    plan = FaultPlan.parse("raise:1*1", FaultMemory(tmp_path / "file"))
    with pytest.raises(CardError, match="counted"):
        plan.due(1)


def test_faults_that_raise():
    with pytest.raises(OpFailedError, match="at 8"):
        act(Fault(FaultKind.RAISE, 8, 8), 8)
    with pytest.raises(OutOfMemoryError, match="at 8"):
        act(Fault(FaultKind.OOM, 8, 8), 8)
    with pytest.raises(CardError, match="at 8"):
        act(Fault(FaultKind.CARD_ERROR, 8, 8), 8)
    with pytest.raises(CardError, match="slot 1"):
        act(Fault(FaultKind.RAISE_OPEN, 1, 1), 1)
    with pytest.raises(RuntimeError, match="slot 1"):
        break_reset(Fault(FaultKind.RAISE_RESET, 1, 1), 1)
    break_reset(Fault(FaultKind.LIE_RESET, 1, 1), 1)
    break_reset(Fault(FaultKind.HANG_RESET, 1, 1, seconds=0.0), 1)
    act(Fault(FaultKind.SLOW, 8, 8, seconds=0.0), 8)
    act(Fault(FaultKind.DROP, 8, 8), 8)


# Ends the process itself as soon as another thread can run, and at last by a signal.
_CHILD = """
import os, signal, sys, threading
from pathlib import Path
from farm.devices.sim_acts import act
from farm.devices.sim_faults import FaultPlan
from farm.devices.sim_memory import FaultMemory
signal.alarm(2)
memory = FaultMemory(Path(sys.argv[2]))
fault = FaultPlan.parse(sys.argv[1]).due(5)
threading.Timer(0.2, os._exit, [42]).start()
act(fault, 5, memory)
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("hang", 42),
        ("hang-late", 42),
        ("hang-read", 42),
        ("hang-tree", 42),
        ("hang-gil", -signal.SIGALRM),
        ("hang-idle", -signal.SIGALRM),
        ("crash", -signal.SIGABRT),
        ("crash-read", -signal.SIGABRT),
        ("crash-tree", -signal.SIGABRT),
        ("segv", -signal.SIGSEGV),
        ("kill", -signal.SIGKILL),
        ("exit", EXIT_CODE),
    ],
)
def test_faults_that_end_or_stop_the_process(kind, code, tmp_path):
    command = [sys.executable, "-c", _CHILD, f"{kind}:5", str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert ended.returncode == code, ended.stderr.decode()
    children = FaultMemory(tmp_path).children()
    assert len(children) == (2 if kind.endswith("-tree") else 0)
    for pid in children:
        os.kill(pid, signal.SIGTERM)  # which they ignore
        os.kill(pid, signal.SIGKILL)
