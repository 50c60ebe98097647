"""One card at work: pull a lease, measure, commit, report.

Knows nothing of Ray: the coordinator and the sink of committed data are given to it, so that the
same code runs in a Ray actor, in a test and in a benchmark.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from farm import logs
from farm.card.chunk_work import ChunkWork
from farm.card.departure import Departure
from farm.card.keeper import CardKeeper
from farm.card.measuring import Job, Measurer
from farm.devices.device import CardSlot
from farm.errors import CardError, FarmError, RunStoppedError
from farm.orders import Finish, Grant, Order, TrialGrant, Verdict, Wait
from farm.port import CoordinatorPort, Sink
from farm.requirements import unmet
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from farm.store.journal import NOTE_KINDS
from farm.store.measured import measured
from farm.store.results import ResultMeta, count_statuses

_REPORT_S = 0.5
_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
MOST_COMMITS_PENDING = 2
"""Chunks that may wait to be committed while the next is measured."""

logger = logging.getLogger(__name__)


class End(StrEnum):
    """How the work of a card ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    UNFIT = "unfit"
    RETIRED = "retired"
    LEFT = "left"
    FAILED = "failed"


class _StoppedError(Exception):
    """The run was told to stop at once."""


class _HandBackError(Exception):
    """The node goes before the chunk in hand can be done."""


class _UnfitError(Exception):
    """The card does not meet the requirements of the run."""


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
        self._card, self._directory, self._settings = slot.card, directory, settings
        self._node = slot.node
        self._coordinator, self._sink = coordinator, sink
        # Grows from one incarnation of the card's actor to the next.
        self._epoch = time.time_ns()
        self._end: tuple[End, str] = End.FINISHED, ""
        self._jobs: dict[str, Job] = {}
        self._held: Order | None = None
        # Commits overlap with the measuring of the next chunk; one at a time, in order.
        self._committer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="committer")
        self._committing: dict[str, tuple[Job, Future[None]]] = {}
        self._directive = "run"
        self._drain_deadline_s = 0.0
        self._working_since_s = 0.0
        self._departure = Departure()
        self._is_over = threading.Event()
        self._state = "starting"
        self._n_chunks, self._commit_s = 0, 0.0
        log = logs.path_here()
        self._log = None if log is None else str(log)
        self._keeper = CardKeeper(slot, directory, settings, self._incident)
        self._measurer = Measurer(
            self._keeper,
            directory.manifest,
            settings,
            self._incident,
            coordinator.strike,
            self._card,
            self._epoch,
        )

    @property
    def epoch(self) -> int:
        """Number of this incarnation of the card."""
        return self._epoch

    def leave(self, left_s: float) -> None:
        """Ask for no more work, and finish the chunk in hand or hand it back.

        Parameters
        ----------
        left_s : float
            Seconds until the node goes; infinity if nobody has said.
        """
        self._departure = Departure(time.monotonic() + left_s)
        when = f"in {left_s:.0f} s" if math.isfinite(left_s) else "soon"
        self._incident("node-draining", f"the node goes {when}; {self._card} leaves in good time")

    def run(self) -> tuple[End, str]:
        """Work until there is nothing left, the run is stopped or the card is beyond help.

        Returns
        -------
        End, str
            How it ended, and why.
        """
        reporter = threading.Thread(target=self._keep_reporting, daemon=True, name="reporter")
        try:
            self._coordinator.join(self._card, self._epoch, self._node)
            reporter.start()
            self._state = "opening"
            self._keeper.open_first()
            self._require_fit()
            try:
                self._work()
            finally:
                self._reap(at_most=0)
        except _StoppedError:
            logger.info("card %s stopped", self._card)
            self._end = End.STOPPED, "the run was stopped"
        except _HandBackError:
            self._end = End.LEFT, "the node goes"
            for job in self._jobs.values():
                again = f"its {job.work.n_settled} measured vectors are measured again elsewhere"
                self._incident("handed-back", f"too little time is left; {again}", **job.facts)
        except _UnfitError as error:
            logger.info("card %s is not used: %s", self._card, error)
            self._end = End.UNFIT, str(error)
            self._coordinator.decline(self._card, self._epoch, "unfit", str(error))
        except CardError as error:
            logger.warning("card %s retired: %s", self._card, error)
            self._end = End.RETIRED, str(error)
            self._coordinator.retire(self._card, self._epoch, str(error))
        except RunStoppedError as error:
            # A node that is cut off from the head must not end the run of the others.
            logger.warning("card %s gives up: %s", self._card, error)
            self._end = End.STOPPED, str(error)
        except FarmError as error:
            self._fail(str(error), error.exit_code)
        except Exception as error:
            logger.exception("card %s failed", self._card)
            self._fail(f"card {self._card}: {type(error).__name__}: {error}", 4)
        finally:
            self._is_over.set()
            self._committer.shutdown()
            if self._end[0] is End.LEFT:
                self._coordinator.leave(self._card, self._epoch)
            self._keeper.let_go(at_once=self._directive == "stop")
        return self._end

    def _fail(self, message: str, exit_code: int) -> None:
        """End the run for a fault of the farm; a cluster goes on with its other nodes."""
        self._end = End.FAILED, message
        if self._node:
            self._coordinator.decline(self._card, self._epoch, "node-failed", message)
        else:
            self._coordinator.fail(message, exit_code)

    def _require_fit(self) -> None:
        reason = unmet(self._settings.requires, self._keeper.info)
        if reason is not None:
            raise _UnfitError(reason)

    def _work(self) -> None:
        wait_s = _WAIT_S
        self._working_since_s = time.monotonic()
        while not self._departure.is_due:
            order, self._held = self._held or self._ask(), None
            # Hundreds of cards that wait must not keep the coordinator busy.
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S) if isinstance(order, Wait) else _WAIT_S
            match order:
                case Grant() as grant:
                    self._measurer.measure(
                        self._chunk_job(grant),
                        self._next_job,
                        self._commit_if_complete,
                        self._check_directive,
                    )
                case TrialGrant() as trial:
                    self._run_trial(trial)
                case Wait():
                    self._state = "idle"
                    self._is_over.wait(wait_s)
                    self._check_directive()
                case Finish():
                    self._state = "finished"
                    return
        self._end = End.LEFT, "the node goes"

    def _ask(self) -> Order:
        awaiting = [job.index_of(row) for job in self._jobs.values() for row in job.work.suspects]
        self._reap(MOST_COMMITS_PENDING)
        in_hand = [*self._jobs, *self._committing]
        answer = self._coordinator.ask(self._card, self._epoch, awaiting, in_hand)
        self._settle(answer.verdicts)
        return answer.order

    def _next_job(self) -> Job | None:
        """Fetch the next lease while the last batches of the present one are on their way."""
        if self._departure.is_due:
            return None
        order = self._ask()
        if isinstance(order, Grant):
            return self._chunk_job(order)
        # To be carried out, or asked again, when the present lease is done.
        self._held = order if isinstance(order, TrialGrant) else None
        return None

    def _chunk_job(self, grant: Grant) -> Job:
        chunk = grant.chunk
        vectors = self._directory.vectors(chunk.chunk_id)
        suspects = [index - chunk.first_index for index in grant.suspects]
        work = ChunkWork(
            vectors["vector_id"], range(chunk.n_rows), suspects, self._card, grant.attempt
        )
        job = Job.of(grant, work, vectors, self._directory.manifest)
        # If the card turns out to be beyond help, its retirement frees every lease at once.
        self._jobs[chunk.chunk_id] = job
        with logs.about(**job.facts):
            logger.info("leased, %d vectors", chunk.n_rows)
        self._state = f"measuring {chunk.chunk_id}"
        return job

    def _run_trial(self, trial: TrialGrant) -> None:
        chunk = trial.chunk
        vectors = self._directory.vectors(chunk.chunk_id)
        row = trial.index - chunk.first_index
        work = ChunkWork(vectors["vector_id"], [row], [], self._card, trial.attempt)
        self._state = f"trial of vector {trial.index}"
        job = Job.of(trial, work, vectors, self._directory.manifest)
        self._measurer.measure(job, lambda: None, lambda _job: None, self._check_directive)
        outcome = work.outcome_of(row)
        if outcome is not None:
            self._coordinator.end_trial(trial.index, self._card, outcome)

    def _settle(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            outcome = verdict.outcome or {"status": verdict.condemned, "reason": verdict.evidence}
            for job in list(self._jobs.values()):
                row = verdict.index - job.grant.chunk.first_index
                if row in job.work.suspects:
                    job.work.settle(row, outcome)
                    self._measurer.n_done += 1
                    self._commit_if_complete(job)

    def _commit_if_complete(self, job: Job) -> None:
        if job.work.is_complete:
            del self._jobs[job.chunk_id]
            # The executor may be another one by the time of the commit.
            measured_by = self._keeper.epoch, dict(self._keeper.info)
            pending = self._committer.submit(self._commit, job, *measured_by)
            self._committing[job.chunk_id] = (job, pending)

    def _reap(self, at_most: int) -> None:
        """Wait until no more than `at_most` commits are pending; raises what one of them raised."""
        for chunk_id, (_, pending) in list(self._committing.items()):
            if pending.done() or len(self._committing) > at_most:
                del self._committing[chunk_id]
                pending.result()

    def _commit(self, job: Job, executor_epoch: int, info: dict[str, Any]) -> None:
        outcomes = job.work.outcomes()
        meta = ResultMeta(
            chunk=job.chunk_id,
            fingerprint=self._directory.manifest.fingerprint,
            run_id=self._settings.run_id,
            card=self._card,
            attempt=job.grant.attempt,
            epoch=executor_epoch,
            device=info,
            started_at=job.started_at.isoformat(),
            ended_at=datetime.now(UTC).isoformat(),
            measured_s=round(time.monotonic() - job.started_s, 6),
            counts={},
            batch=self._measurer.tuner.describe(),
            host=socket.gethostname(),
            node=self._node,
        )
        began_s = time.monotonic()
        is_first = self._directory.commit(outcomes, meta)
        took_s = time.monotonic() - began_s
        self._commit_s += took_s
        self._n_chunks += is_first
        with logs.about(**job.facts):
            if is_first:
                logger.info("committed in %.3f s", took_s)
            else:
                logger.warning("another card was first; what was measured is discarded")
        self._coordinator.committed(job.chunk_id, count_statuses(outcomes) if is_first else {})
        if is_first:
            vectors = self._directory.vectors(job.chunk_id)
            self._sink(job.chunk_id, measured(self._directory.manifest, vectors, outcomes))

    def _incident(self, kind: str, message: str, **facts: Any) -> None:
        with logs.about(chunk=facts.get("chunk"), attempt=facts.get("attempt")):
            logger.log(
                logging.WARNING if kind not in NOTE_KINDS else logging.INFO, "%s: %s", kind, message
            )
        where = {"card": self._card, **({"node": self._node} if self._node else {})}
        self._coordinator.incident(kind, {**where, "message": message, **facts})

    def _keep_reporting(self) -> None:
        while not self._is_over.wait(_REPORT_S):
            state = {
                "state": self._doing(),
                "n_done": self._measurer.n_done,
                "in_hand": {job.chunk_id: job.work.n_settled for job in self._uncommitted()},
                "batch_rows": self._measurer.batch_rows,
                "batch": self._measurer.tuner.describe(),
                "n_dropped": self._keeper.n_dropped,
                "n_chunks": self._n_chunks,
                "read_s": round(self._measurer.read_s, 6),
                "commit_s": round(self._commit_s, 6),
                "log": self._log,
            }
            try:
                directive = self._coordinator.report(self._card, self._epoch, state)
            except FarmError:
                directive = "stop"
            if directive == "drain" and self._directive == "run":
                self._drain_deadline_s = time.monotonic() + self._settings.grace_s
            self._directive = directive

    def _doing(self) -> str:
        if self._keeper.is_recovering:
            return "recovering"
        in_hand = list(self._jobs)
        if self._departure.is_due and in_hand:
            return f"draining {in_hand[0]}"
        return self._state

    def _uncommitted(self) -> list[Job]:
        return [*self._jobs.values(), *(job for job, _ in list(self._committing.values()))]

    def _check_directive(self) -> None:
        is_late = self._directive == "drain" and time.monotonic() > self._drain_deadline_s
        if self._directive == "stop" or is_late:
            raise _StoppedError
        if self._departure.is_due and not self._can_finish():
            raise _HandBackError

    def _can_finish(self) -> bool:
        in_hand = [(len(job.table), job.work) for job in self._jobs.values()]
        n_left = sum(n - work.n_settled - len(work.suspects) for n, work in in_hand)
        now_s, n_done = time.monotonic(), self._measurer.n_done
        row_s = (now_s - self._working_since_s) / n_done if n_done else None
        return self._departure.allows(n_left, row_s, now_s)
