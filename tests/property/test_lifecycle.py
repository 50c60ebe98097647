"""The executor's life against a model: the watchdog speaks exactly when a budget is used up."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from farm.card.lifecycle import (
    NO_TAG,
    WORD_LENGTH,
    Budgets,
    Phase,
    ProgressWord,
    ProgressWriter,
    judge,
)

SECOND_NS = 1_000_000_000
BUDGETS = Budgets(start_s=3, open_s=5, vector_s=2, read_s=4, close_s=1, idle_s=6)


class ExecutorLife(RuleBasedStateMachine):
    """Phases as the worker goes through them, with a clock that the test moves."""

    @initialize()
    def begin(self) -> None:
        self.word = [0] * WORD_LENGTH
        self.now_ns = 10 * SECOND_NS
        self.word[3] = self.now_ns
        self.writer = ProgressWriter(self.word)
        self.phase, self.since_ns, self.tag = Phase.STARTING, self.now_ns, NO_TAG
        self.n_outstanding, self.n_executed, self.next_tag, self.batch = 0, 0, 100, 0
        self.exit_code: int | None = None

    def is_alive(self) -> bool:
        return self.exit_code is None

    def enter(self, phase: Phase) -> None:
        self.writer.enter(phase, self.now_ns, self.batch)
        self.phase, self.since_ns, self.tag = phase, self.now_ns, NO_TAG

    @rule(milliseconds=st.integers(1, 8000))
    def time_passes(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * 1_000_000

    @rule(n=st.integers(0, 3))
    def batches_are_sent_or_answered(self, n: int) -> None:
        self.n_outstanding = n

    @precondition(lambda self: self.is_alive() and self.phase is Phase.STARTING)
    @rule()
    def opens(self) -> None:
        self.enter(Phase.OPENING)

    @precondition(lambda self: self.is_alive() and self.phase in {Phase.OPENING, Phase.READING})
    @rule()
    def waits_for_work(self) -> None:
        self.enter(Phase.IDLE)

    @precondition(lambda self: self.is_alive() and self.phase in {Phase.IDLE, Phase.RUNNING})
    @rule(repeats=st.integers(1, 10))
    def runs_a_vector(self, repeats: int) -> None:
        if self.phase is Phase.RUNNING:
            self.writer.end_vector()
            self.n_executed += 1
        self.writer.start_vector(self.next_tag, repeats, self.now_ns)
        self.phase, self.since_ns, self.tag = Phase.RUNNING, self.now_ns, self.next_tag
        self.next_tag += 1

    @precondition(lambda self: self.is_alive() and self.phase is Phase.RUNNING)
    @rule()
    def reads(self) -> None:
        self.writer.end_vector()
        self.n_executed += 1
        self.batch += 1
        self.enter(Phase.READING)

    @precondition(lambda self: self.is_alive() and self.phase is Phase.IDLE)
    @rule()
    def closes(self) -> None:
        self.enter(Phase.CLOSING)

    @precondition(lambda self: self.is_alive())
    @rule(exit_code=st.sampled_from([0, 1, 3, -6, -9, -11, -64]))
    def dies(self, exit_code: int) -> None:
        self.exit_code = exit_code

    @invariant()
    def the_watchdog_is_right(self) -> None:
        if not hasattr(self, "word"):
            return
        word = ProgressWord.read(self.word)
        assert (word.phase, word.tag, word.since_ns) == (self.phase, self.tag, self.since_ns)
        assert word.n_executed == self.n_executed
        trouble = judge(word, self.now_ns, self.exit_code, self.n_outstanding, BUDGETS)
        waited_s = (self.now_ns - self.since_ns) / SECOND_NS
        is_off_duty = self.phase is Phase.IDLE and self.n_outstanding == 0
        is_late = waited_s > BUDGETS.of(self.phase) and not is_off_duty
        if self.exit_code is not None:
            assert trouble is not None
            assert trouble.kind == "CRASH"
        elif is_late:
            assert trouble is not None
            assert trouble.kind == "HANG"
        else:
            assert trouble is None
        if trouble is not None:
            # Only the vector in flight is ever blamed.
            assert trouble.tag == (self.tag if self.phase is Phase.RUNNING else NO_TAG)


TestExecutorLife = ExecutorLife.TestCase
