"""Every row of a chunk is in exactly one place, whatever happens to its batches."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from farm.card.chunk_work import MAX_INCOMPLETE, ChunkWork
from tests.unit.test_chunk_work import reply, vector_ids

STATUSES = ["OK", "OP_ERROR", "OUT_OF_MEMORY", None]


class ChunkWorkMachine(RuleBasedStateMachine):
    """A card measures a chunk; the model knows where each row must be."""

    @initialize(n=st.integers(1, 8), data=st.data())
    def lease(self, n: int, data: st.DataObject) -> None:
        self.n = n
        self.suspects = data.draw(st.sets(st.integers(0, n - 1), max_size=2))
        self.todo = set(range(n)) - self.suspects
        self.in_flight: set[int] = set()
        self.settled: dict[int, str] = {}
        self.incomplete = dict.fromkeys(range(n), 0)
        self.work = ChunkWork(vector_ids(n), range(n), self.suspects, "sim:0", 1)

    @rule(most=st.integers(1, 5))
    def take(self, most: int) -> None:
        rows = self.work.take(most)
        assert len(set(rows)) == len(rows) <= most
        assert set(rows) <= self.todo
        assert bool(rows) == bool(self.todo)
        if any(self.incomplete[row] for row in rows):
            assert len(rows) == 1
        self.todo -= set(rows)
        self.in_flight |= set(rows)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Any rows in any order, twice or never taken; each time with any status."""
        rows = data.draw(st.lists(st.integers(0, self.n + 1), max_size=self.n + 2))
        answers = [(row, data.draw(st.sampled_from(STATUSES))) for row in rows]
        n_incomplete = 0
        for row, status in answers:
            if row not in self.in_flight:
                continue
            self.in_flight.remove(row)
            if status is not None:
                self.settled[row] = status
                continue
            n_incomplete += 1
            self.incomplete[row] += 1
            if self.incomplete[row] < MAX_INCOMPLETE:
                self.todo.add(row)
            else:
                self.settled[row] = "OP_ERROR"
        assert self.work.accept(reply(*answers)) == n_incomplete

    @rule()
    def executor_dies(self) -> None:
        self.work.put_back_unread()
        self.todo |= self.in_flight
        self.in_flight.clear()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def executor_hangs(self, data: st.DataObject) -> None:
        guilty = data.draw(st.sampled_from(sorted(self.in_flight)))
        self.work.suspect(guilty)
        self.in_flight.remove(guilty)
        self.suspects.add(guilty)
        self.executor_dies()

    @precondition(lambda self: self.suspects)
    @rule(data=st.data(), status=st.sampled_from(["HANG", "CRASH", "OP_ERROR"]))
    def verdict(self, data: st.DataObject, status: str) -> None:
        row = data.draw(st.sampled_from(sorted(self.suspects)))
        self.work.settle(row, {"status": status, "reason": "seen"})
        self.suspects.remove(row)
        self.settled[row] = status

    @rule()
    def card_is_at_fault(self) -> None:
        failed = {row for row, status in self.settled.items() if status == "OP_ERROR"}
        assert self.work.forget_failures() == len(failed)
        for row in failed:
            del self.settled[row]
        self.todo |= failed

    @invariant()
    def every_row_is_in_one_place(self) -> None:
        places = [self.todo, self.in_flight, self.suspects, set(self.settled)]
        assert sum(map(len, places)) == self.n
        assert set().union(*places) == set(range(self.n))
        assert self.work.has_todo == bool(self.todo or self.in_flight)
        assert self.work.suspects == self.suspects
        assert self.work.n_settled == len(self.settled)
        assert self.work.is_complete == (len(self.settled) == self.n)

    @invariant()
    def outcomes_are_those_of_the_settled_rows_in_order(self) -> None:
        if not self.settled:
            return
        outcomes = self.work.outcomes()
        rows = sorted(self.settled)
        assert outcomes["vector_id"].to_pylist() == vector_ids(self.n).take(rows).to_pylist()
        assert outcomes["status"].to_pylist() == [self.settled[row] for row in rows]
        for row, mean in zip(rows, outcomes["mean_ns"].to_pylist(), strict=True):
            assert mean == (100.0 + row if self.settled[row] == "OK" else None)


TestChunkWork = ChunkWorkMachine.TestCase
TestChunkWork.settings = settings(max_examples=50, stateful_step_count=25)
