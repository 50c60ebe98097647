"""When an executor is in trouble, and who is to blame."""

from __future__ import annotations

import pytest

from farm.card.lifecycle import (
    NO_TAG,
    WORD_LENGTH,
    Budgets,
    Phase,
    ProgressWord,
    ProgressWriter,
    Trouble,
    judge,
)

BUDGETS = Budgets(start_s=1, open_s=2, vector_s=3, warm_up_s=7, read_s=4, close_s=5, idle_s=6)
S = 1_000_000_000


def word(phase: Phase, tag: int = NO_TAG) -> ProgressWord:
    return ProgressWord(phase, tag, n_executed=0, since_ns=100 * S, batch=1, n_launches=0)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_its_budget(phase: Phase) -> None:
    budget_s = {
        Phase.STARTING: 1,
        Phase.OPENING: 2,
        Phase.RUNNING: 3,
        Phase.READING: 4,
        Phase.CLOSING: 5,
        Phase.IDLE: 6,
        Phase.WARMING: 7,
    }[phase]
    assert BUDGETS.of(phase) == budget_s
    at_the_limit = judge(word(phase, 7), (100 + budget_s) * S, None, 1, BUDGETS)
    assert at_the_limit is None
    late = judge(word(phase, 7), (100 + budget_s) * S + 1, None, 1, BUDGETS)
    assert late is not None
    assert (late.kind, late.phase) == ("HANG", phase)
    assert late.tag == (7 if phase in {Phase.RUNNING, Phase.WARMING} else NO_TAG)
    assert late.evidence.startswith(phase.name.lower())
    assert f"budget {budget_s} s" in late.evidence


def test_idle_without_work_is_no_trouble_however_long() -> None:
    assert judge(word(Phase.IDLE), 10**6 * S, None, 0, BUDGETS) is None


def test_time_at_which_the_judge_was_stopped_does_not_count() -> None:
    late_ns = round((100 + BUDGETS.vector_s + 50) * S)
    assert judge(word(Phase.RUNNING, 7), late_ns, None, 1, BUDGETS, 50 * S) is None
    assert judge(word(Phase.RUNNING, 7), late_ns + 1, None, 1, BUDGETS, 50 * S) is not None


@pytest.mark.parametrize(
    ("phase", "exit_code", "trouble"),
    [
        (Phase.RUNNING, -11, Trouble("CRASH", Phase.RUNNING, 7, "executor ended by SIGSEGV")),
        (Phase.RUNNING, 0, Trouble("CRASH", Phase.RUNNING, 7, "executor ended by exit code 0")),
        (Phase.WARMING, -9, Trouble("CRASH", Phase.WARMING, 7, "executor ended by SIGKILL")),
        (Phase.READING, 3, Trouble("CRASH", Phase.READING, NO_TAG, "executor ended by exit code")),
        (Phase.IDLE, -9, Trouble("CRASH", Phase.IDLE, NO_TAG, "executor ended by SIGKILL")),
    ],
)
def test_a_dead_executor_blames_the_vector_in_flight_only(
    phase: Phase, exit_code: int, trouble: Trouble
) -> None:
    # Before its budget is used up, and even without work.
    found = judge(word(phase, 7), 100 * S, exit_code, 0, BUDGETS)
    assert found is not None
    assert (found.kind, found.phase, found.tag) == (trouble.kind, trouble.phase, trouble.tag)
    assert found.evidence.startswith(trouble.evidence)
    assert found.evidence.endswith(f"while {phase.name.lower()}")


class Recorder(list[int]):
    """A progress word that keeps every state that a reader could see."""

    def __init__(self) -> None:
        super().__init__([0] * WORD_LENGTH)
        self.seen: list[ProgressWord] = []

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value)  # type: ignore[index, assignment]
        self.seen.append(ProgressWord.read(self))


def test_no_reader_sees_a_new_vector_with_an_old_start() -> None:
    recorder = Recorder()
    writer = ProgressWriter(recorder)
    writer.enter(Phase.IDLE, 10)
    for tag, now_ns in [(100, 1000), (101, 2000)]:
        writer.warm_up(tag, now_ns)
        writer.start_vector(tag, 5, now_ns + 100)
        writer.end_vector()
    writer.enter(Phase.READING, 3000, batch=4)
    starts = {100: 1000, 101: 2000}
    for seen in recorder.seen:
        if seen.tag != NO_TAG:
            assert seen.since_ns >= starts[seen.tag]
        if seen.phase is Phase.READING:
            assert (seen.tag, seen.since_ns, seen.batch) == (NO_TAG, 3000, 4)
    assert recorder.seen[-1] == ProgressWord(Phase.READING, NO_TAG, 2, 3000, 4, 10)


def test_a_vector_is_blamed_from_the_moment_at_which_it_may_run() -> None:
    recorder = Recorder()
    writer = ProgressWriter(recorder)
    writer.enter(Phase.IDLE, 10)
    writer.start_vector(100, 5, 1000)
    assert ProgressWord.read(recorder) == ProgressWord(Phase.RUNNING, 100, 0, 1000, 0, 5)
    # Ended, but still the one in flight until the next begins: a crash in between is its own.
    writer.end_vector()
    assert ProgressWord.read(recorder).tag == 100
