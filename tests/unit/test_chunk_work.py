"""A chunk while it is measured: whose row is where."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from farm.card.chunk_work import MAX_INCOMPLETE, ChunkWork
from farm.card.worker import REPLY_SCHEMA, _failure
from farm.outcome import OUTCOME_SCHEMA

STARTED_AT = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


def vector_ids(n: int) -> pa.ChunkedArray:
    return pa.chunked_array([[bytes([row]) * 16 for row in range(n)]], pa.binary(16))


def work(n: int = 4, suspects: tuple[int, ...] = ()) -> ChunkWork:
    return ChunkWork(vector_ids(n), range(n), suspects, "sim:0", 7)


def reply(*answers: tuple[int, str | None]) -> pa.Table:
    """A batch's answer: (row, status); the duration is 100 + row."""
    rows = []
    for row, status in answers:
        mean = 100.0 + row if status == "OK" else None
        rows.append(
            {
                "row": row,
                "status": status,
                "mean_ns": mean,
                "std_ns": None if mean is None else 0.5,
                "min_ns": mean,
                "median_ns": mean,
                "durations_ns": None if mean is None else [mean, mean],
                "reason": None if status == "OK" else f"row {row}",
                "started_at": STARTED_AT,
            }
        )
    return pa.Table.from_pylist(rows, REPLY_SCHEMA)


def test_outcomes_come_in_row_order_with_ids_card_and_attempt() -> None:
    chunk = work(4)
    assert chunk.take(3) == [0, 1, 2]
    assert chunk.take(3) == [3]
    assert chunk.take(3) == []
    assert chunk.accept(reply((3, "OK"))) == 0
    assert not chunk.is_complete
    assert chunk.accept(reply((2, "OP_ERROR"), (0, "OK"), (1, "OK"))) == 0
    assert chunk.is_complete
    assert not chunk.has_todo
    table = chunk.outcomes()
    assert table.schema == OUTCOME_SCHEMA
    assert table["vector_id"].to_pylist() == vector_ids(4).to_pylist()
    assert table["status"].to_pylist() == ["OK", "OK", "OP_ERROR", "OK"]
    assert table["mean_ns"].to_pylist() == [100.0, 101.0, None, 103.0]
    assert table["durations_ns"].to_pylist() == [[100.0] * 2, [101.0] * 2, None, [103.0] * 2]
    assert table["reason"].to_pylist() == [None, None, "row 2", None]
    assert set(table["card"].to_pylist()) == {"sim:0"}
    assert set(table["attempt"].to_pylist()) == {7}
    assert set(table["started_at"].to_pylist()) == {STARTED_AT}


def test_answers_about_rows_that_are_not_in_flight_are_ignored() -> None:
    chunk = work(4)
    assert chunk.take(2) == [0, 1]
    assert chunk.accept(reply((3, "OK"), (0, "OK"), (0, "OP_ERROR"), (99, "OK"), (2, None))) == 0
    assert chunk.n_settled == 1
    assert chunk.accept(reply((0, "OP_ERROR"))) == 0
    assert chunk.take(9) == [2, 3]
    chunk.accept(reply((1, "OK"), (2, "OK"), (3, "OK")))
    assert chunk.outcomes()["status"].to_pylist() == ["OK"] * 4


def test_an_incomplete_row_runs_again_alone_and_is_settled_in_the_end() -> None:
    chunk = work(3)
    chunk.take(3)
    assert chunk.accept(reply((0, "OK"), (1, None), (2, None))) == 2
    for _ in range(MAX_INCOMPLETE - 2):
        for row in (1, 2):
            assert chunk.take(9) == [row]
            assert chunk.accept(reply((row, None))) == 1
    assert chunk.take(9) == [1]
    assert chunk.accept(reply((1, "OK"))) == 0
    assert chunk.take(9) == [2]
    assert chunk.accept(reply((2, None))) == 1
    assert chunk.is_complete
    outcomes = chunk.outcomes()
    assert outcomes["status"].to_pylist() == ["OK", "OK", "OP_ERROR"]
    assert outcomes["reason"][2].as_py() == f"row 2, {MAX_INCOMPLETE} times in a row"


def test_a_fresh_row_is_not_taken_together_with_a_delicate_one() -> None:
    chunk = work(4)
    assert chunk.take(2) == [0, 1]
    chunk.accept(reply((0, None), (1, "OK")))
    assert chunk.take(9) == [2, 3]
    assert chunk.take(9) == [0]


def test_unread_rows_go_back_in_order_and_the_guilty_one_waits() -> None:
    chunk = work(6)
    assert chunk.take(2) == [0, 1]
    assert chunk.take(2) == [2, 3]
    chunk.suspect(1)
    chunk.put_back_unread()
    assert chunk.suspects == {1}
    assert chunk.take(9) == [0, 2, 3, 4, 5]
    # A late answer about the guilty row is no verdict.
    chunk.accept(reply(*((row, "OK") for row in range(6))))
    assert not chunk.has_todo
    assert not chunk.is_complete
    chunk.settle(1, {"status": "HANG", "reason": "HANG on sim:0"})
    assert chunk.is_complete
    assert chunk.suspects == set()
    assert chunk.outcomes()["status"].to_pylist() == ["OK", "HANG", "OK", "OK", "OK", "OK"]


def test_suspects_from_the_start_are_not_measured() -> None:
    chunk = work(3, suspects=(1,))
    assert chunk.take(9) == [0, 2]
    assert chunk.suspects == {1}


def test_a_trial_hands_its_outcome_over_with_card_and_attempt() -> None:
    trial = ChunkWork(vector_ids(3), [1], [], "sim:1", 9)
    assert trial.take(9) == [1]
    trial.accept(reply((1, "OK")))
    assert not trial.has_todo
    assert trial.outcome_of(0) is None
    outcome = trial.outcome_of(1)
    assert outcome is not None

    chunk = work(3, suspects=(1,))
    chunk.take(9)
    chunk.accept(reply((0, "OK"), (2, "OK")))
    chunk.settle(1, outcome)
    row = chunk.outcomes().slice(1, 1).to_pylist()[0]
    assert (row["status"], row["card"], row["attempt"]) == ("OK", "sim:1", 9)
    assert (row["durations_ns"], row["started_at"]) == ([101.0, 101.0], STARTED_AT)
    assert row["vector_id"] == bytes([1]) * 16


@pytest.mark.parametrize("most", [1, 2, 100])
def test_a_card_at_fault_measures_its_failures_again(most: int) -> None:
    chunk = work(4)
    chunk.take(4)
    chunk.accept(reply((0, "OP_ERROR"), (1, "OK"), (2, "OP_ERROR"), (3, "OUT_OF_MEMORY")))
    assert chunk.is_complete
    assert chunk.forget_failures() == 2
    assert chunk.n_settled == 2
    taken = []
    while rows := chunk.take(most):
        taken += rows
    assert taken == [0, 2]
    chunk.accept(reply((0, "OK"), (2, "OP_ERROR")))
    expected = ["OK", "OK", "OP_ERROR", "OUT_OF_MEMORY"]
    assert chunk.outcomes()["status"].to_pylist() == expected


def test_a_reason_that_is_no_text_is_made_one() -> None:
    status, reason = _failure(ValueError("no file \udc80"))
    assert (status, reason) == ("OP_ERROR", "ValueError: no file \\udc80")
    pa.array([reason], pa.string())
