"""One card at work: pull a lease, measure, commit, report; recover what hangs or dies.

Knows nothing of Ray: the coordinator and the sink of committed data are given to it, so that the
same code runs in a Ray actor, in a test and in a benchmark.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa

from farm.chunk import Strike
from farm.chunk_work import ChunkWork
from farm.devices import registry
from farm.devices.device import CardSlot
from farm.errors import CardError, FarmError
from farm.executor import Executor
from farm.ledger import Finish, Grant, Order, TrialGrant, Verdict, Wait
from farm.lifecycle import NO_TAG, Budgets, Trouble
from farm.messages import Message, MessageKind
from farm.recovery import Ladder
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from farm.store.measured import Measured, measured
from farm.store.results import ResultMeta, count_statuses
from farm.worker import WorkerConfig

BATCHES_IN_FLIGHT = 2
"""One in the executor's hands, one waiting for it."""

MAX_FAULTS_IN_A_ROW = 3
"""Faults of the card without a vector settled in between, after which it is retired."""

_TARGET_BATCH_S = 0.5
_FIRST_BATCH_ROWS = 8
_MOST_LAUNCHES = 100_000
_POLL_S = 0.05
_REPORT_S = 0.5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What the coordinator says to a card that asks for work."""

    order: Order
    verdicts: list[Verdict]


class CoordinatorPort(Protocol):
    """What a card needs of the coordinator; every call may be made twice."""

    def join(self, card: str, epoch: int) -> None:
        """Announce a card."""

    def ask(self, card: str, epoch: int, awaiting: list[int]) -> Answer:
        """Ask for work, and for verdicts on suspected vectors."""

    def report(self, card: str, epoch: int, state: dict[str, Any]) -> str:
        """Tell that the card lives; answers ``run``, ``drain`` or ``stop``."""

    def committed(self, chunk_id: str, counts: dict[str, int]) -> None:
        """Tell that a chunk is committed."""

    def strike(self, strike: Strike, facts: dict[str, Any]) -> None:
        """Tell that a vector was in flight when its executor hung or died."""

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Tell what became of a suspected vector."""

    def incident(self, kind: str, facts: dict[str, Any]) -> None:
        """Have an incident journalled."""

    def retire(self, card: str, epoch: int, reason: str) -> None:
        """Tell that a card cannot be healed."""

    def fail(self, message: str, exit_code: int) -> None:
        """Tell of a fault of the farm that ends the run."""


Sink = Callable[[str, Measured], None]


class _StoppedError(Exception):
    """The run was told to stop at once."""


@dataclass
class _Job:
    """A lease in hand."""

    grant: Grant | TrialGrant
    work: ChunkWork
    table: pa.Table
    started_at: datetime
    started_s: float

    @property
    def chunk_id(self) -> str:
        return self.grant.chunk.chunk_id


class CardRunner:
    """The life of one card in a run.

    Parameters
    ----------
    slot : CardSlot
        Which card.
    directory : SweepDirectory
        Where vectors come from and results go.
    settings : RunSettings
        Of the run.
    coordinator : CoordinatorPort
        Who hands out work.
    sink : Callable
        Called with (chunk_id, measured rows) after each commit.
    """

    def __init__(
        self,
        slot: CardSlot,
        directory: SweepDirectory,
        settings: RunSettings,
        coordinator: CoordinatorPort,
        sink: Sink,
    ) -> None:
        self._slot, self._directory, self._settings = slot, directory, settings
        self._coordinator, self._sink = coordinator, sink
        self._epoch = time.time_ns()
        self._executor_epoch = secrets.randbelow(1 << 20)
        self._executor: Executor | None = None
        self._jobs: dict[str, _Job] = {}
        self._batch_rows = settings.batch_rows or _FIRST_BATCH_ROWS
        self._n_faults_in_a_row = 0
        self._n_done = 0
        self._directive = "run"
        self._drain_deadline_s = 0.0
        self._is_over = threading.Event()
        self._state = "starting"
        manifest = directory.manifest
        self._budgets = Budgets(
            open_s=settings.open_timeout_s,
            vector_s=manifest.timeout_s,
            read_s=settings.read_timeout_s,
        )
        kind = registry.kind(slot.kind)
        scope = hashlib.sha256(str(directory.path.resolve()).encode()).hexdigest()[:12]
        self._lock_name = f"{slot.card}-{scope}" if kind.is_simulated else slot.card
        self._ladder = Ladder(kind.control(slot), self._new_executor, settings.reset_timeout_s)

    def run(self) -> None:
        """Work until there is nothing left, the run is stopped or the card is beyond help."""
        card = self._slot.card
        reporter = threading.Thread(target=self._keep_reporting, daemon=True, name="reporter")
        try:
            self._coordinator.join(card, self._epoch)
            reporter.start()
            self._open_first()
            self._work()
        except _StoppedError:
            logger.info("card %s stopped", card)
        except CardError as error:
            logger.warning("card %s retired: %s", card, error)
            self._coordinator.retire(card, self._epoch, str(error))
        except FarmError as error:
            self._coordinator.fail(str(error), error.exit_code)
        except Exception as error:
            logger.exception("card %s failed", card)
            self._coordinator.fail(f"card {card}: {type(error).__name__}: {error}", 4)
        finally:
            self._is_over.set()
            self._let_go()

    def _work(self) -> None:
        while True:
            awaiting = [
                self._index(job, row) for job in self._jobs.values() for row in job.work.suspects
            ]
            answer = self._coordinator.ask(self._slot.card, self._epoch, awaiting)
            self._settle(answer.verdicts)
            match answer.order:
                case Grant() as grant:
                    self._measure_chunk(grant)
                case TrialGrant() as trial:
                    self._run_trial(trial)
                case Wait():
                    self._state = "idle"
                    self._is_over.wait(0.1)
                    self._check_directive()
                case Finish():
                    self._state = "finished"
                    return

    def _measure_chunk(self, grant: Grant) -> None:
        chunk = grant.chunk
        vectors = self._directory.vectors(chunk.chunk_id)
        suspects = [index - chunk.first_index for index in grant.suspects]
        work = ChunkWork(
            vectors["vector_id"], range(chunk.n_rows), suspects, self._slot.card, grant.attempt
        )
        job = self._job(grant, work, vectors)
        self._jobs[chunk.chunk_id] = job
        try:
            self._measure(job)
        except CardError:
            # Retirement frees every lease of this card at once.
            del self._jobs[chunk.chunk_id]
            raise
        self._commit_if_complete(job)

    def _run_trial(self, trial: TrialGrant) -> None:
        chunk = trial.chunk
        vectors = self._directory.vectors(chunk.chunk_id)
        row = trial.index - chunk.first_index
        work = ChunkWork(vectors["vector_id"], [row], [], self._slot.card, trial.attempt)
        self._measure(self._job(trial, work, vectors))
        outcome = work.outcome_of(row)
        if outcome is not None:
            self._coordinator.end_trial(trial.index, self._slot.card, outcome)

    def _job(self, grant: Grant | TrialGrant, work: ChunkWork, vectors: pa.Table) -> _Job:
        rows = pa.array(range(vectors.num_rows), pa.int32())
        first = grant.chunk.first_index
        indexes = pa.array(range(first, first + vectors.num_rows), pa.int64())
        table = vectors.drop_columns(["group_id", "suite"])
        table = table.append_column("row", rows).append_column("index", indexes)
        return _Job(grant, work, table, datetime.now(UTC), time.monotonic())

    @staticmethod
    def _index(job: _Job, row: int) -> int:
        return job.grant.chunk.first_index + row

    def _measure(self, job: _Job) -> None:
        self._state = f"measuring {job.chunk_id}"
        chunk_id, attempt = job.chunk_id, job.grant.attempt
        while job.work.has_todo:
            self._check_directive()
            executor = self._live_executor()
            while len(executor.outstanding) < BATCHES_IN_FLIGHT:
                rows = job.work.take(self._batch_rows)
                if not rows:
                    break
                batch = job.table.take(pa.array(rows))
                executor.run(chunk_id, attempt, batch, self._directory.manifest.repeats)
            match executor.poll(chunk_id, attempt, _POLL_S):
                case Message(kind=MessageKind.DONE) as answer:
                    self._accept(job, answer)
                case Message() as fault:
                    self._handle(job, None, str(fault.facts.get("message")))
                case Trouble() as trouble:
                    self._handle(job, trouble, trouble.evidence)
                case None:
                    pass

    def _accept(self, job: _Job, answer: Message) -> None:
        n_before = job.work.n_settled
        n_incomplete = job.work.accept(answer.table)
        n_settled = job.work.n_settled - n_before
        self._n_done += n_settled
        if n_settled:
            self._n_faults_in_a_row = 0
        n_foreign = int(answer.facts["n_foreign"])
        if n_incomplete or n_foreign:
            self._incident(
                "profiler-records",
                job,
                f"{n_incomplete} vectors with incomplete records (they run again), "
                f"{n_foreign} foreign records dropped",
            )
        self._tune(float(answer.facts["execute_s"]) + float(answer.facts["read_s"]))

    def _tune(self, batch_s: float) -> None:
        if self._settings.batch_rows is not None:
            return
        most = max(1, _MOST_LAUNCHES // self._directory.manifest.repeats)
        if batch_s < _TARGET_BATCH_S / 2:
            self._batch_rows = min(self._batch_rows * 2, most)
        elif batch_s > _TARGET_BATCH_S * 2:
            self._batch_rows = max(1, self._batch_rows // 2)

    def _handle(self, job: _Job, trouble: Trouble | None, message: str) -> None:
        """Blame, recover, and put back what was in flight."""
        executor = self._live_executor()
        # What the vector in flight used up before it was given up is lost, too.
        began_s = executor.word.since_ns / 1e9
        guilty: int | None = None
        for sent in executor.outstanding.values():
            row = sent.row_of(trouble.tag) if trouble and trouble.tag != NO_TAG else None
            guilty = row if row is not None else guilty
        self._executor = None
        executor.kill()
        if trouble is not None and guilty is not None:
            self._strike(job, guilty, trouble, executor)
        else:
            self._n_faults_in_a_row += 1
            self._incident(trouble.kind.lower() if trouble else "card-fault", job, message)
        job.work.put_back_unread()
        if self._n_faults_in_a_row >= MAX_FAULTS_IN_A_ROW:
            raise CardError(f"{MAX_FAULTS_IN_A_ROW} faults in a row, last: {message}")
        self._recover(job)
        lost_s = round(time.monotonic() - began_s, 3)
        self._incident("recovered", job, "card reopened and probed", lost_s=lost_s)
        self._state = f"measuring {job.chunk_id}"

    def _strike(self, job: _Job, row: int, trouble: Trouble, executor: Executor) -> None:
        job.work.suspect(row)
        index = self._index(job, row)
        strike = Strike(
            f"{self._slot.card}/{self._epoch}/{executor.epoch}",
            index,
            trouble.kind,
            self._slot.card,
            trouble.evidence,
        )
        vector_id = job.table["vector_id"][row].as_py().hex()
        facts = {
            "chunk": job.chunk_id,
            "attempt": job.grant.attempt,
            "vector_id": vector_id,
            "n_launches": executor.word.n_launches,
        }
        self._coordinator.strike(strike, facts)

    def _recover(self, job: _Job | None) -> None:
        self._state = "recovering"
        self._executor = self._ladder.climb(
            lambda rung, message: self._incident("recovery-failed", job, f"{rung}: {message}")
        )

    def _open_first(self) -> None:
        self._state = "opening"
        try:
            self._executor = self._ladder.open_proven()
        except CardError as error:
            self._incident("open-failed", None, str(error))
            self._recover(None)

    def _settle(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            for job in list(self._jobs.values()):
                row = verdict.index - job.grant.chunk.first_index
                if row in job.work.suspects:
                    outcome = verdict.outcome or {
                        "status": verdict.condemned,
                        "reason": verdict.evidence,
                    }
                    job.work.settle(row, outcome)
                    self._n_done += 1
                    self._commit_if_complete(job)

    def _commit_if_complete(self, job: _Job) -> None:
        if not job.work.is_complete:
            return
        outcomes = job.work.outcomes()
        executor = self._executor
        meta = ResultMeta(
            chunk=job.chunk_id,
            fingerprint=self._directory.manifest.fingerprint,
            run_id=self._settings.run_id,
            card=self._slot.card,
            attempt=job.grant.attempt,
            epoch=self._executor_epoch,
            device=executor.info if executor else {},
            started_at=job.started_at.isoformat(),
            ended_at=datetime.now(UTC).isoformat(),
            measured_s=round(time.monotonic() - job.started_s, 6),
            counts={},
        )
        is_first = self._directory.commit(outcomes, meta)
        del self._jobs[job.chunk_id]
        counts = count_statuses(outcomes)
        self._coordinator.committed(job.chunk_id, counts if is_first else {})
        if is_first:
            vectors = self._directory.vectors(job.chunk_id)
            self._sink(job.chunk_id, measured(self._directory.manifest, vectors, outcomes))

    def _incident(self, kind: str, job: _Job | None, message: str, **more: Any) -> None:
        facts: dict[str, Any] = {"card": self._slot.card, "message": message, **more}
        if job is not None:
            facts |= {"chunk": job.chunk_id, "attempt": job.grant.attempt}
        self._coordinator.incident(kind, facts)

    def _keep_reporting(self) -> None:
        while not self._is_over.wait(_REPORT_S):
            n_settled = sum(job.work.n_settled for job in list(self._jobs.values()))
            state = {
                "state": self._state,
                "n_done": self._n_done,
                "n_uncommitted": n_settled,
                "batch_rows": self._batch_rows,
            }
            try:
                directive = self._coordinator.report(self._slot.card, self._epoch, state)
            except FarmError:
                directive = "stop"
            if directive == "drain" and self._directive == "run":
                self._drain_deadline_s = time.monotonic() + self._settings.grace_s
            self._directive = directive

    def _check_directive(self) -> None:
        is_late = self._directive == "drain" and time.monotonic() > self._drain_deadline_s
        if self._directive == "stop" or is_late:
            raise _StoppedError

    def _live_executor(self) -> Executor:
        if self._executor is None:
            raise CardError("the card is not open")
        return self._executor

    def _new_executor(self) -> Executor:
        self._executor_epoch += 1
        manifest = self._directory.manifest
        config = WorkerConfig(
            slot=self._slot,
            lock_name=self._lock_name,
            source=manifest.source,
            op=manifest.op,
            param_names=tuple(axis.name for axis in manifest.axes),
            tuple_params=tuple(axis.name for axis in manifest.axes if axis.components),
            feature_names=manifest.features,
            epoch=self._executor_epoch,
        )
        return Executor(config, self._settings.run_id, self._budgets)

    def _let_go(self) -> None:
        executor, self._executor = self._executor, None
        if executor is None:
            return
        try:
            if self._directive == "stop":
                executor.kill()
            else:
                executor.close()
        except CardError as error:
            self._coordinator.incident("close", {"card": self._slot.card, "message": str(error)})
