"""Pure: the state of one leased chunk while it is measured.

Every row is in exactly one place: to do, in flight, settled (it has an outcome), or suspected (it
was in flight when an executor hung or died, and waits for a verdict).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from farm.outcome import OUTCOME_SCHEMA, Status

MAX_INCOMPLETE = 3
"""Times that a vector may come back without complete profiler records."""

_COPIED = ("status", "mean_ns", "std_ns", "min_ns", "median_ns", "durations_ns", "reason")


class ChunkWork:
    """What is left of a chunk, and what is known already.

    Parameters
    ----------
    vector_ids : pyarrow.Array
        Ids of all rows of the chunk.
    rows : Iterable of int
        Rows to measure.
    suspects : Iterable of int
        Rows that wait for a verdict from the start.
    card : str
        Who measures.
    attempt : int
        Of the lease.
    """

    def __init__(
        self,
        vector_ids: pa.ChunkedArray,
        rows: Iterable[int],
        suspects: Iterable[int],
        card: str,
        attempt: int,
    ) -> None:
        self._vector_ids = vector_ids
        self._suspects = set(suspects)
        self._todo = deque(row for row in rows if row not in self._suspects)
        self._in_flight: set[int] = set()
        self._settled: set[int] = set()
        self._parts: list[pa.Table] = []
        self._incomplete: dict[int, int] = {}
        self._most_together: dict[int, int] = {}
        self._card, self._attempt = card, attempt

    @property
    def has_todo(self) -> bool:
        """Whether rows are still to be measured, or in flight."""
        return bool(self._todo or self._in_flight)

    @property
    def n_settled(self) -> int:
        """Rows that have an outcome."""
        return len(self._settled)

    @property
    def suspects(self) -> set[int]:
        """Rows that wait for a verdict."""
        return set(self._suspects)

    def take(self, most: int) -> list[int]:
        """Move up to `most` rows from to-do to in-flight.

        A row whose records were incomplete before goes alone, and rows of a batch that could not
        be read go in smaller batches, so that they cannot spoil others.
        """
        rows: list[int] = []
        while self._todo and len(rows) < most:
            row = self._todo[0]
            most = min(most, 1 if row in self._incomplete else self._most_together.get(row, most))
            if len(rows) >= most:
                break
            rows.append(self._todo.popleft())
        self._in_flight.update(rows)
        return rows

    def narrow(self, rows: Collection[int]) -> None:
        """Send rows in batches of at most half their number from now on.

        For a batch whose profiler read failed: so the vector that spoils it is found.
        """
        self._most_together.update(dict.fromkeys(rows, max(1, len(rows) // 2)))

    def put_back_unread(self) -> None:
        """Return every row in flight, whose records will never be read, to the to-do list."""
        self._todo.extendleft(sorted(self._in_flight, reverse=True))
        self._in_flight.clear()

    def suspect(self, row: int) -> None:
        """Set a row aside until there is a verdict."""
        self._in_flight.discard(row)
        self._suspects.add(row)

    def accept(self, reply: pa.Table) -> int:
        """Settle the rows of a batch's answer (`farm.card.worker.REPLY_SCHEMA`).

        Returns
        -------
        int
            Rows whose profiler records were incomplete; they run again, or are settled as OP_ERROR
            after `MAX_INCOMPLETE` times.
        """
        rows = reply["row"].to_pylist()
        statuses = reply["status"].to_pylist()
        n_incomplete = 0
        keep = [False] * len(rows)
        for i, (row, status) in enumerate(zip(rows, statuses, strict=True)):
            if row not in self._in_flight:
                continue
            if status is None:
                n_incomplete += 1
                self._handle_incomplete(row, reply.slice(i, 1))
                continue
            keep[i] = True
            self._in_flight.discard(row)
            self._settled.add(row)
        if any(keep):
            part = reply if all(keep) else reply.filter(pa.array(keep))
            self._parts.append(self._stamped(part, self._card, self._attempt))
        return n_incomplete

    def _handle_incomplete(self, row: int, answer: pa.Table) -> None:
        n_times = self._incomplete.get(row, 0) + 1
        self._incomplete[row] = n_times
        self._in_flight.discard(row)
        if n_times < MAX_INCOMPLETE:
            self._todo.append(row)
            return
        found = answer["reason"][0].as_py()
        self.settle(
            row,
            {"status": Status.OP_ERROR.value, "reason": f"{found}, {n_times} times in a row"},
        )

    def settle(self, row: int, outcome: Mapping[str, Any]) -> None:
        """Give a row an outcome that was found elsewhere.

        Parameters
        ----------
        row : int
            Row of the chunk.
        outcome : Mapping
            Values by column of `farm.outcome.OUTCOME_SCHEMA`; what is absent is null, `card` and
            `attempt` default to this card's.
        """
        self._suspects.discard(row)
        self._settled.add(row)
        values = {name: [outcome.get(name)] for name in _COPIED}
        started_at = outcome.get("started_at") or datetime.now(UTC)
        part = pa.table(
            {
                "row": pa.array([row], pa.int32()),
                **{
                    name: pa.array(
                        column,
                        pa.string() if name == "status" else OUTCOME_SCHEMA.field(name).type,
                    )
                    for name, column in values.items()
                },
                "started_at": pa.array([started_at], OUTCOME_SCHEMA.field("started_at").type),
            }
        )
        card = str(outcome.get("card") or self._card)
        self._parts.append(self._stamped(part, card, int(outcome.get("attempt") or self._attempt)))

    def forget_failures(self) -> int:
        """Measure again what ended as OP_ERROR in this lease; returns how many rows.

        For a card that turned out to be at fault itself.
        """
        n_forgotten = 0
        for i, part in enumerate(self._parts):
            is_failure = pc.equal(part["status"], Status.OP_ERROR.value)
            rows = part["row"].filter(is_failure).to_pylist()
            if rows:
                self._parts[i] = part.filter(pc.invert(is_failure))
                self._settled.difference_update(rows)
                self._todo.extend(rows)
                n_forgotten += len(rows)
        return n_forgotten

    @staticmethod
    def _stamped(part: pa.Table, card: str, attempt: int) -> pa.Table:
        n = part.num_rows
        columns = {name: part[name] for name in ("row", *_COPIED)}
        columns["card"] = pa.repeat(pa.scalar(card, pa.string()), n)
        columns["attempt"] = pa.repeat(pa.scalar(attempt, pa.int32()), n)
        columns["started_at"] = part["started_at"]
        return pa.table(columns)

    @property
    def is_complete(self) -> bool:
        """Whether every row of the chunk has an outcome."""
        return len(self._settled) == len(self._vector_ids)

    def outcomes(self) -> pa.Table:
        """Outcomes of all settled rows in row order, see `farm.outcome.OUTCOME_SCHEMA`."""
        table = pa.concat_tables(self._parts)
        table = table.take(pc.sort_indices(table["row"]))
        ids = self._vector_ids.take(table["row"])
        columns = [ids, table["status"].combine_chunks().dictionary_encode()]
        columns += [table[name] for name in OUTCOME_SCHEMA.names[2:]]
        return pa.Table.from_arrays(columns, names=OUTCOME_SCHEMA.names).cast(OUTCOME_SCHEMA)

    def outcome_of(self, row: int) -> dict[str, Any] | None:
        """Outcome of one settled row as plain values, or None."""
        for part in self._parts:
            rows = part["row"].to_pylist()
            if row in rows:
                found: dict[str, Any] = part.slice(rows.index(row), 1).to_pylist()[0]
                return found
        return None
