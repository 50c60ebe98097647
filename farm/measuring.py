"""Measuring one lease: feed the executor, take in its answers, blame and recover.

A few batches are with the executor at a time, so that it never waits for the actor.  When it is given up, what was executed but not read runs again; nothing is
guessed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.chunk import Strike
from farm.chunk_work import ChunkWork
from farm.deadlines import DeadlineModel
from farm.errors import CardError
from farm.keeper import CardKeeper
from farm.ledger import Grant, TrialGrant
from farm.lifecycle import NO_TAG, Trouble
from farm.messages import Message, MessageKind
from farm.outcome import Status
from farm.settings import RunSettings
from farm.store.manifest import Manifest

BATCHES_IN_FLIGHT = 3
"""One waits for the executor, one is executed, one is being answered."""
BREAKER_FAILURES = 16
"""Vectors that fail in a row (OP_ERROR) before the card has to prove itself by a probe."""

_TARGET_BATCH_S = 0.5
_FIRST_BATCH_ROWS = 8
_MOST_LAUNCHES = 100_000
_POLL_S = 0.05

OnStrike = Callable[[Strike, dict[str, Any]], None]


@dataclass
class Job:
    """A lease in hand.

    Attributes
    ----------
    grant : Grant or TrialGrant
        The order.
    work : ChunkWork
        What is done of it.
    table : pyarrow.Table
        Vectors with ``row`` and ``index``, as the executor gets them.
    groups, sizes : ndarray
        Group id and size of each row.
    started_at, started_s : datetime, float
        Wall clock for the record; monotonic time, seconds.
    """

    grant: Grant | TrialGrant
    work: ChunkWork
    table: pa.Table
    groups: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_s: float = field(default_factory=time.monotonic)

    @staticmethod
    def of(
        grant: Grant | TrialGrant, work: ChunkWork, vectors: pa.Table, manifest: Manifest
    ) -> Job:
        """Make the job of a lease from the vectors of its chunk."""
        first, n = grant.chunk.first_index, vectors.num_rows
        table = vectors.drop_columns(["group_id", "suite"])
        table = table.append_column("row", pa.array(range(n), pa.int32()))
        table = table.append_column("index", pa.array(range(first, first + n), pa.int64()))
        sizes = vectors[manifest.size].to_numpy().astype(np.float64)
        return Job(grant, work, table, vectors["group_id"].to_numpy(), sizes)

    @property
    def chunk_id(self) -> str:
        """Name of the chunk."""
        return self.grant.chunk.chunk_id

    @property
    def is_trial(self) -> bool:
        """Whether one suspected vector is run alone."""
        return isinstance(self.grant, TrialGrant)

    @property
    def facts(self) -> dict[str, Any]:
        """What an incident says about the lease."""
        return {"chunk": self.chunk_id, "attempt": self.grant.attempt}

    def index_of(self, row: int) -> int:
        """Index in the sweep of a row."""
        return self.grant.chunk.first_index + row


class Measurer:
    """Measures leases on one card.

    Parameters
    ----------
    keeper : CardKeeper
        The card.
    manifest : Manifest
        Of the sweep.
    settings : RunSettings
        Of the run.
    incident : Callable
        Called with (kind, message, **facts) to journal an incident.
    on_strike : Callable
        Called with (strike, facts) when a vector was in flight as its executor was lost.
    card, card_epoch : str, int
        Name and incarnation of the card.
    """

    def __init__(
        self,
        keeper: CardKeeper,
        manifest: Manifest,
        settings: RunSettings,
        incident: Callable[..., None],
        on_strike: OnStrike,
        card: str,
        card_epoch: int,
    ) -> None:
        self._keeper, self._manifest, self._settings = keeper, manifest, settings
        self._incident, self._on_strike = incident, on_strike
        self._card, self._card_epoch = card, card_epoch
        self._deadlines = DeadlineModel(
            manifest.timeout_s, settings.deadline_floor_s, settings.deadline_factor
        )
        self._failures_in_a_row = 0
        self._failures_allowed = BREAKER_FAILURES
        self.batch_rows = settings.batch_rows or _FIRST_BATCH_ROWS
        self.n_done = 0

    def measure(self, job: Job, check_directive: Callable[[], None]) -> None:
        """Measure the rows of a job until each has an outcome or is suspected.

        Parameters
        ----------
        job : Job
            The lease.
        check_directive : Callable
            Called often; raises to stop.

        Raises
        ------
        CardError
            If the card is beyond help.
        """
        while True:
            check_directive()
            executor = self._keeper.executor
            if self._needs_proof(job) and not executor.outstanding:
                self._prove(job)
                continue
            if not job.work.has_todo:
                return
            if not self._needs_proof(job):
                self._feed(job)
            match executor.poll(job.chunk_id, job.grant.attempt, _POLL_S):
                case Message(kind=MessageKind.DONE) as answer:
                    self._accept(job, answer)
                case Message() as fault:
                    self._give_up(job, None, str(fault.facts.get("message")))
                case Trouble() as trouble:
                    self._give_up(job, trouble, trouble.evidence)
                case None:
                    pass

    def _feed(self, job: Job) -> None:
        executor = self._keeper.executor
        while len(executor.outstanding) < BATCHES_IN_FLIGHT:
            rows = job.work.take(self.batch_rows)
            if not rows:
                return
            deadlines_s = self._deadlines.deadlines_s(
                job.groups[rows], job.sizes[rows], job.is_trial
            )
            executor.run(
                job.chunk_id,
                job.grant.attempt,
                job.table.take(pa.array(rows)),
                self._manifest.repeats,
                deadlines_s.tolist(),
            )

    def _accept(self, job: Job, answer: Message) -> None:
        n_before = job.work.n_settled
        n_incomplete = job.work.accept(answer.table)
        self.n_done += job.work.n_settled - n_before
        rows = answer.table["row"].to_numpy()
        wall_s = answer.table["wall_ns"].to_numpy() / 1e9
        self._deadlines.learn(job.groups[rows], job.sizes[rows], wall_s)
        self._count_failures(answer.table["status"].to_pylist())
        n_foreign = int(answer.facts["n_foreign"])
        if n_incomplete or n_foreign:
            self._incident(
                "profiler-records",
                f"{n_incomplete} vectors with incomplete records (they run again), "
                f"{n_foreign} foreign records dropped",
                **job.facts,
            )
        self._tune(float(answer.facts["execute_s"]) + float(answer.facts["read_s"]))

    def _count_failures(self, statuses: list[str | None]) -> None:
        for status in statuses:
            if status == Status.OP_ERROR:
                self._failures_in_a_row += 1
            elif status is not None:
                self._failures_in_a_row = 0
                self._failures_allowed = BREAKER_FAILURES
                self._keeper.count_success()

    def _needs_proof(self, job: Job) -> bool:
        most = min(self._failures_allowed, len(job.groups))
        return not job.is_trial and 1 < most <= self._failures_in_a_row

    def _prove(self, job: Job) -> None:
        """Probe a card that fails one vector after the other, before its word is taken for it."""
        n_failures, self._failures_in_a_row = self._failures_in_a_row, 0
        if self._keeper.is_healthy():
            # The vectors are to blame.  Ask again only after twice as many.
            self._failures_allowed = 2 * max(self._failures_allowed, n_failures)
            return
        began_s = time.monotonic()
        n_again = job.work.forget_failures()
        self.n_done -= n_again
        message = f"{n_failures} vectors failed in a row and the probe fails, too; {n_again} rerun"
        self._incident("breaker", message, **job.facts)
        self._keeper.abandon()
        self._keeper.count_fault(message)
        self._keeper.recover(began_s)

    def _tune(self, batch_s: float) -> None:
        if self._settings.batch_rows is not None:
            return
        most = max(1, _MOST_LAUNCHES // self._manifest.repeats)
        if batch_s < _TARGET_BATCH_S / 2:
            self.batch_rows = min(self.batch_rows * 2, most)
        elif batch_s > _TARGET_BATCH_S * 2:
            self.batch_rows = max(1, self.batch_rows // 2)

    def _give_up(self, job: Job, trouble: Trouble | None, message: str) -> None:
        """Give the executor up: blame, kill, recover."""
        executor = self._keeper.executor
        # What the vector in flight used up before it was given up is lost, too.
        began_s = executor.word.since_ns / 1e9
        guilty = executor.row_of(trouble.tag) if trouble and trouble.tag != NO_TAG else None
        stack = executor.stack() if trouble is not None and trouble.kind == "HANG" else ""
        self._keeper.abandon()
        if trouble is not None and guilty is not None:
            job.work.suspect(guilty)
            index = job.index_of(guilty)
            strike_id = f"{self._card}/{self._card_epoch}/{executor.epoch}"
            facts = {
                **job.facts,
                "vector_id": job.table["vector_id"][guilty].as_py().hex(),
                "n_launches": executor.word.n_launches,
                "stack": stack or None,
            }
            strike = Strike(strike_id, index, trouble.kind, self._card, trouble.evidence)
            self._on_strike(strike, facts)
        else:
            kind = trouble.kind.lower() if trouble else "card-fault"
            self._incident(kind, message, **job.facts)
        job.work.put_back_unread()
        if guilty is None:
            self._keeper.count_fault(message)
        try:
            self._keeper.recover(began_s)
        except CardError as error:
            raise CardError(f"{error} (after: {message})") from error
