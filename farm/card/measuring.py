"""Measuring one lease: feed the executor, take in its answers, blame and recover.

A few batches are with the executor at a time, so that it never waits for the actor.  When it is
given up, what was executed but not read runs again; nothing is guessed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm import logs
from farm.card.batch_tuner import BatchTuner
from farm.card.chunk_work import ChunkWork
from farm.card.deadlines import DeadlineModel
from farm.card.executor import Executor
from farm.card.keeper import CardKeeper
from farm.card.lifecycle import NO_TAG, Phase, Trouble
from farm.card.messages import Message, MessageKind
from farm.chunk import Strike
from farm.errors import CardError
from farm.orders import Grant, TrialGrant
from farm.outcome import Status
from farm.settings import RunSettings
from farm.store.manifest import Manifest

BATCHES_IN_FLIGHT = 3
"""One waits for the executor, one is executed, one is being answered."""
BREAKER_FAILURES = 16
"""Vectors that fail in a row (OP_ERROR) before the card has to prove itself by a probe."""

_POLL_S = 0.05

MOST_JOBS = 2
"""Leases in hand at a time: the present one and the next."""

logger = logging.getLogger(__name__)

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
        table = vectors.drop_columns(["group_id"])
        # As a dictionary it would take the names of all suites of the shard along.
        suite = table.schema.get_field_index("suite")
        table = table.set_column(suite, "suite", table["suite"].cast(pa.string()))
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
        chunk_rows = max((shard.chunk_rows for shard in manifest.shards), default=1)
        self.tuner = BatchTuner(manifest.repeats, chunk_rows, fixed=settings.batch_rows)
        self.n_done = 0
        self.read_s = 0.0

    @property
    def batch_rows(self) -> int:
        """Vectors of the next batch."""
        return self.tuner.rows

    def measure(
        self,
        job: Job,
        next_job: Callable[[], Job | None],
        on_done: Callable[[Job], None],
        check_directive: Callable[[], None],
    ) -> None:
        """Measure jobs until each of their vectors has an outcome or is suspected.

        The next job is fetched while the last batches of the present one are on their way, so that
        the card does not wait between chunks.

        Parameters
        ----------
        job : Job
            The first lease.
        next_job : Callable
            Called for another lease; None if there is none at the moment.
        on_done : Callable
            Called with each job that is done.
        check_directive : Callable
            Called often; raises to stop.

        Raises
        ------
        CardError
            If the card is beyond help.
        """
        jobs, is_last = [job], False
        while True:
            check_directive()
            must_prove = self._must_prove(jobs)
            if must_prove and not self._keeper.executor.outstanding:
                self._prove(jobs)
                continue
            while jobs and not must_prove and not jobs[0].work.has_todo:
                on_done(jobs.pop(0))
            if not jobs and is_last:
                return
            if not must_prove and self._feed(jobs) and not is_last and len(jobs) < MOST_JOBS:
                following = next_job()
                is_last = following is None
                jobs += [following] if following is not None else []
                continue
            match self._keeper.executor.poll(_POLL_S):
                case Message(kind=MessageKind.DONE) as answer:
                    self._accept(_job_of(jobs, answer.identity.chunk_id), answer)
                case Message() as fault:
                    self._give_up(jobs, None, str(fault.facts.get("message")))
                case Trouble() as trouble:
                    self._give_up(jobs, trouble, trouble.evidence)
                case None:
                    pass

    def _feed(self, jobs: list[Job]) -> bool:
        """Send what the executor can take; returns whether it could take more than there is."""
        executor = self._keeper.executor
        self.tuner.limit_buffer(executor.info.get("profiler_capacity"))
        # While the size grows, a second batch of a small one would only cost a read.
        most = 1 if self.tuner.is_growing else BATCHES_IN_FLIGHT
        for job in jobs:
            while len(executor.outstanding) < most:
                rows = job.work.take(self.batch_rows)
                if not rows:
                    break
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
        return len(executor.outstanding) < most

    def _accept(self, job: Job, answer: Message) -> None:
        n_before = job.work.n_settled
        n_incomplete = job.work.accept(answer.table)
        self.n_done += job.work.n_settled - n_before
        rows = answer.table["row"].to_numpy()
        wall_s = answer.table["wall_ns"].to_numpy() / 1e9
        statuses = answer.table["status"].to_pylist()
        # Those whose records were incomplete ran to their end, too.
        is_measured = np.array([status in {None, Status.OK} for status in statuses], np.bool_)
        self._deadlines.learn(job.groups[rows], job.sizes[rows], wall_s, is_measured)
        self._count_failures(statuses)
        n_foreign = int(answer.facts["n_foreign"])
        if n_incomplete or n_foreign:
            self._incident(
                "profiler-records",
                f"{n_incomplete} vectors with incomplete records (they run again), "
                f"{n_foreign} foreign records dropped",
                **job.facts,
            )
        with logs.about(**job.facts, batch=answer.identity.batch):
            logger.debug("%d vectors, %s", len(rows), dict(answer.facts))
        if not job.is_trial:
            # A device whose vectors have more launches than the measured ones says how many.
            n_launches = answer.facts.get("n_launches", len(rows) * self._manifest.repeats)
            execute_s = answer.facts["execute_s"]
            read_s = answer.facts["dump_s"] + answer.facts["read_s"]
            self.tuner.observe(len(rows), int(n_launches), float(execute_s), float(read_s))
            self.read_s += float(read_s)

    def _count_failures(self, statuses: list[str | None]) -> None:
        for status in statuses:
            if status == Status.OP_ERROR:
                self._failures_in_a_row += 1
            elif status is not None:
                self._failures_in_a_row = 0
                self._failures_allowed = BREAKER_FAILURES
                self._keeper.count_success()

    def _must_prove(self, jobs: list[Job]) -> bool:
        if not jobs or not self._failures_in_a_row:
            return False
        # What a card says last before it finishes a lease is believed only if it is healthy.
        return self._failures_in_a_row >= self._failures_allowed or not jobs[0].work.has_todo

    def _prove(self, jobs: list[Job]) -> None:
        """Probe a card that fails one vector after the other, before its word is taken for it."""
        n_failures, self._failures_in_a_row = self._failures_in_a_row, 0
        if self._keeper.is_healthy():
            # The vectors are to blame.  Ask again only after twice as many.
            self._failures_allowed = 2 * max(self._failures_allowed, n_failures)
            return
        began_s = time.monotonic()
        n_again = sum(job.work.forget_failures() for job in jobs)
        self.n_done -= n_again
        message = f"{n_failures} vectors failed in a row and the probe fails, too; {n_again} rerun"
        self._incident("breaker", message, **jobs[0].facts)
        self._keeper.abandon()
        self._keeper.count_fault(message)
        self._keeper.recover(began_s)

    def _give_up(self, jobs: list[Job], trouble: Trouble | None, message: str) -> None:
        """Give the executor up: blame, kill, recover."""
        executor = self._keeper.executor
        # What the vector in flight used up before it was given up is lost, too.
        began_s = executor.word.since_ns / 1e9
        guilty = executor.find(trouble.tag) if trouble and trouble.tag != NO_TAG else None
        is_in_read = trouble is None or trouble.phase is Phase.READING
        # A fault message comes from a card that failed in a batch; the word names the batch.
        unread = executor.outstanding.get(executor.word.batch) if is_in_read else None
        if unread is not None and len(unread.rows) == 1:
            # It spoils the read all by itself.
            guilty = unread.identity.chunk_id, unread.rows[0]
        stack = executor.stack() if trouble is not None and trouble.kind == "HANG" else ""
        self._keeper.abandon()
        if not any(job.is_trial for job in jobs):
            self.tuner.observe_fault()
        if guilty is not None:
            chunk_id, row = guilty
            trouble = trouble or Trouble("CRASH", Phase.READING, NO_TAG, message)
            self._strike(_job_of(jobs, chunk_id), row, trouble, executor, stack)
        else:
            kind = trouble.kind.lower() if trouble else "card-fault"
            self._incident(kind, message, **jobs[0].facts)
        if unread is not None:
            _job_of(jobs, unread.identity.chunk_id).work.narrow(unread.rows)
        for job in jobs:
            job.work.put_back_unread()
        if guilty is None:
            self._keeper.count_fault(message, is_narrowed=unread is not None)
        try:
            self._keeper.recover(began_s)
        except CardError as error:
            raise CardError(f"{error} (after: {message})") from error

    def _strike(self, job: Job, row: int, trouble: Trouble, executor: Executor, stack: str) -> None:
        job.work.suspect(row)
        facts = {
            **job.facts,
            "vector_id": job.table["vector_id"][row].as_py().hex(),
            "n_launches": executor.word.n_launches,
            "stack": stack or None,
        }
        strike_id = f"{self._card}/{self._card_epoch}/{executor.epoch}"
        with logs.about(**job.facts):
            logger.warning("%s of vector %d: %s", trouble.kind, job.index_of(row), trouble.evidence)
        strike = Strike(strike_id, job.index_of(row), trouble.kind, self._card, trouble.evidence)
        self._on_strike(strike, facts)


def _job_of(jobs: list[Job], chunk_id: str) -> Job:
    return next(job for job in jobs if job.chunk_id == chunk_id)
