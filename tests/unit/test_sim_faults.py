"""The grammar of faults, and what each one does to its process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farm.devices.sim_faults import DEFAULT_SLOW_S, EXIT_CODE, Fault, FaultKind, FaultPlan, act
from farm.errors import CardError, OpFailedError, OutOfMemoryError, UsageError


def test_a_plan_is_read_from_text():
    plan = FaultPlan.parse("hang:17; raise:40..49*2 ,slow:12@2.5,slow:3", "somewhere")
    assert plan.faults == (
        Fault(FaultKind.HANG, 17, 17),
        Fault(FaultKind.RAISE, 40, 49, times=2),
        Fault(FaultKind.SLOW, 12, 12, seconds=2.5),
        Fault(FaultKind.SLOW, 3, 3, seconds=DEFAULT_SLOW_S),
    )
    assert plan.directory == Path("somewhere")


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_can_be_written(kind):
    (fault,) = FaultPlan.parse(f"{kind}:5").faults
    assert fault.kind is kind


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


def test_firings_are_counted_per_vector_across_plans(tmp_path):
    def due(index: int) -> str | None:
        fault = FaultPlan.parse("raise:1..2*2,oom:1*1", str(tmp_path / "faults")).due(index)
        return None if fault is None else fault.kind.value

    assert [due(1) for _ in range(5)] == ["raise", "raise", "oom", None, None]
    assert [due(2) for _ in range(3)] == ["raise", "raise", None]


def test_a_plan_that_cannot_count_is_the_cards_fault(tmp_path):
    (tmp_path / "file").write_text("")
    plan = FaultPlan.parse("raise:1*1", str(tmp_path / "file"))
    with pytest.raises(CardError, match="counted"):
        plan.due(1)


def test_faults_that_raise():
    with pytest.raises(OpFailedError, match="at 8"):
        act(Fault(FaultKind.RAISE, 8, 8), 8)
    with pytest.raises(OutOfMemoryError, match="at 8"):
        act(Fault(FaultKind.OOM, 8, 8), 8)
    act(Fault(FaultKind.SLOW, 8, 8, seconds=0.0), 8)
    act(Fault(FaultKind.DROP, 8, 8), 8)


# Ends the process itself as soon as another thread can run, and at last by a signal.
_CHILD = """
import os, signal, sys, threading
from farm.devices.sim_faults import FaultPlan, act
signal.alarm(2)
threading.Timer(0.05, os._exit, [42]).start()
act(FaultPlan.parse(sys.argv[1]).due(5), 5)
"""


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("hang", 42),
        ("hang-gil", -signal.SIGALRM),
        ("crash", -signal.SIGABRT),
        ("segv", -signal.SIGSEGV),
        ("exit", EXIT_CODE),
    ],
)
def test_faults_that_end_or_stop_the_process(kind, code):
    command = [sys.executable, "-c", _CHILD, f"{kind}:5"]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert ended.returncode == code, ended.stderr.decode()
