"""The actor's side of an executor process: spawn, send, poll, watch, kill.

What shapes this module was measured:

* *spawn*, never fork: a fork inherits the sockets of Ray's worker and hides the actor's death.
* The parent-death signal fires when the spawning *thread* ends, so one permanent thread spawns.
* A queue whose peer was killed inside its lock blocks for ever, whatever the timeout.  So every
  queue call is made by a thread that can be left behind, and queues die with their executor.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pyarrow as pa

from farm.card import worker
from farm.card.absence import AbsenceClock, overlap_ns
from farm.card.lifecycle import WORD_LENGTH, Budgets, Phase, ProgressWord, Trouble, judge
from farm.card.messages import Identity, Message, MessageKind
from farm.card.worker import WorkerConfig
from farm.card_lock import private_folder
from farm.errors import CardError, ChangedSweepError
from farm.spawning import family, start_marked
from sweeps.vector import Vector

REQUEST_BYTES = 16 << 20
REPLY_BYTES = 32 << 20
MOST_STACK_CHARACTERS = 4000
_POLL_S = 0.2
_TAGS_PER_EPOCH = 1 << 40


@dataclass(frozen=True)
class SentBatch:
    """A batch that was sent: which rows have which tags, and how long each may take."""

    identity: Identity
    first_tag: int
    rows: tuple[int, ...]
    deadlines_s: tuple[float, ...] = ()

    def row_of(self, tag: int) -> int | None:
        """Row of a tag, or None if the tag is of another batch."""
        position = tag - self.first_tag
        return self.rows[position] if 0 <= position < len(self.rows) else None

    def deadline_s(self, tag: int) -> float | None:
        """Deadline of a tag, or None if it has none of its own."""
        position = tag - self.first_tag
        return self.deadlines_s[position] if 0 <= position < len(self.deadlines_s) else None


class Executor:
    """One incarnation of an executor process.

    Parameters
    ----------
    config : WorkerConfig
        Which card, which sweep; its `epoch` must be new for the card.
    run_id : str
        Stamped on every message.
    budgets : Budgets
        Longest time of each phase.
    """

    def __init__(self, config: WorkerConfig, run_id: str, budgets: Budgets) -> None:
        from faster_fifo import Queue

        self.epoch = config.epoch
        self.info: dict[str, Any] = {}
        self.n_dropped = 0
        self.outstanding: dict[int, SentBatch] = {}
        self._run_id, self._budgets = run_id, budgets
        self._requests, self._replies = Queue(REQUEST_BYTES), Queue(REPLY_BYTES)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._absence = AbsenceClock(self._is_over)
        self._next_tag = config.epoch * _TAGS_PER_EPOCH
        self._n_batches = 0
        self._asked_ns = time.monotonic_ns()
        context = multiprocessing.get_context("spawn")
        self._word: Any = context.RawArray("q", WORD_LENGTH)
        self._word[3] = time.monotonic_ns()
        name = f"{os.getpid()}-{id(self):x}-{config.epoch}.txt"
        self._stack_path = private_folder("stacks") / name
        self._stack_path.touch()
        arguments = (
            multiprocessing.process.current_process().pid,
            replace(config, stack_path=str(self._stack_path)),
            self._requests,
            self._replies,
            self._word,
        )
        self._process = context.Process(target=worker.main, args=arguments, daemon=True)
        self._mark = uuid.uuid4().hex
        start_marked(self._process, self._mark)
        for target in (self._send_all, self._receive_all):
            threading.Thread(target=target, daemon=True, name=f"{target.__name__}").start()

    @property
    def word(self) -> ProgressWord:
        """Latest reading of the progress word."""
        return ProgressWord.read(self._word)

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    def wait_open(self) -> None:
        """Wait until the card is open.

        Raises
        ------
        CardError
            If it does not open in time, the process dies, or the device refuses.
        ChangedSweepError
            If the executor's sweep is not the one that the vectors were generated from.
        """
        self._await(MessageKind.OPENED)

    def probe(self, vectors: Sequence[Vector], repeats: int = 3) -> pa.Table:
        """Run known-good vectors and return their launches; tags are positions.

        Raises
        ------
        CardError
            If a vector fails, or the executor hangs or dies.
        """
        described = [
            {
                "index": v.index,
                "vector_id": v.vector_id.hex(),
                "op": v.op,
                "params": dict(v.params),
                "features": dict(v.features),
            }
            for v in vectors
        ]
        identity = self._next_identity("", 0)
        facts = {"vectors": described, "repeats": repeats}
        self._send(Message(MessageKind.PROBE, identity, facts).encode())
        return self._await(MessageKind.PROFILE).table

    def run(
        self,
        chunk_id: str,
        attempt: int,
        table: pa.Table,
        repeats: int,
        deadlines_s: Sequence[float] = (),
    ) -> SentBatch:
        """Send a batch.

        Parameters
        ----------
        chunk_id, attempt : str, int
            The lease.
        table : pyarrow.Table
            Vectors with the extra columns ``row`` (in the chunk) and ``index`` (in the sweep).
        repeats : int
            Measured launches per vector.
        deadlines_s : Sequence of float
            Longest time of each vector; without them the budget of all vectors holds.

        Returns
        -------
        SentBatch
            The rows and tags sent.

        Raises
        ------
        CardError
            If the batch is too large for the queue.
        """
        identity = self._next_identity(chunk_id, attempt)
        rows = tuple(table["row"].to_pylist())
        sent = SentBatch(identity, self._next_tag, rows, tuple(deadlines_s))
        facts = {"first_tag": sent.first_tag, "repeats": repeats}
        message = Message(MessageKind.RUN, identity, facts, table).encode()
        if len(message) + 64 > REQUEST_BYTES:
            raise CardError(f"a batch of {table.num_rows} vectors exceeds {REQUEST_BYTES} bytes")
        self._next_tag += len(rows)
        self.outstanding[identity.batch] = sent
        self._send(message)
        return sent

    def poll(self, wait_s: float) -> Message | Trouble | None:
        """Wait for the answer to a batch.

        Returns
        -------
        Message, Trouble or None
            A DONE or FAULT message; trouble with the executor; None if nothing happened in
            `wait_s` seconds.  Foreign and late messages are dropped and counted.

        Raises
        ------
        ChangedSweepError
            If the executor's sweep is not the one that the vectors were generated from.
        """
        message = self._take(wait_s)
        if message is None:
            trouble = self.trouble()
            # The last answer may have come while the process was ending.
            message = self._take(_POLL_S) if trouble and trouble.kind == "CRASH" else None
            if message is None:
                return trouble
        if message.kind is MessageKind.FAULT:
            return message
        sent = self.outstanding.get(message.identity.batch)
        if (
            message.kind is not MessageKind.DONE
            or sent is None
            or message.identity != sent.identity
        ):
            self.n_dropped += 1
            return None
        del self.outstanding[message.identity.batch]
        return message

    def trouble(self) -> Trouble | None:
        """Judge the executor now."""
        return self._judge(len(self.outstanding))

    def find(self, tag: int) -> tuple[str, int] | None:
        """Chunk and row of a tag among the batches that were not answered, or None."""
        for sent in self.outstanding.values():
            row = sent.row_of(tag)
            if row is not None:
                return sent.identity.chunk_id, row
        return None

    def stack(self, wait_s: float = 0.3) -> str:
        """Ask a hung executor where it hangs.

        Returns
        -------
        str
            The Python stacks of its threads, innermost call first; empty if it does not answer.
        """
        if self._process.pid is None or not self._process.is_alive():
            return ""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGUSR1)
        end_s = time.monotonic() + wait_s
        text = ""
        while time.monotonic() < end_s:
            time.sleep(0.02)
            before, text = text, self._stack_path.read_text(errors="replace")
            if text and text == before:
                break
        return text[:MOST_STACK_CHARACTERS]

    def close(self) -> None:
        """Ask the executor to close the card, then make sure that it is gone."""
        if self._process.is_alive():
            self._outbox.put(Message(MessageKind.CLOSE, self._identity("", 0, 0)).encode())
            self._process.join(self._budgets.close_s)
        self.kill()

    def kill(self) -> None:
        """Kill the process and its children, and leave its queues behind.

        Raises
        ------
        CardError
            If it cannot be killed: it hangs in the kernel, and the card cannot be used.
        """
        self._is_over.set()
        self._outbox.put(None)
        for process in family(self._process.pid, self._mark):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.join(5.0)
        self._stack_path.unlink(missing_ok=True)
        if self._process.is_alive():
            raise CardError(
                f"executor {self._process.pid} cannot be killed: it hangs in the kernel"
            )

    def _identity(self, chunk_id: str, attempt: int, batch: int) -> Identity:
        return Identity(self._run_id, chunk_id, attempt, self.epoch, batch)

    def _send(self, data: bytes) -> None:
        self._asked_ns = time.monotonic_ns()
        self._outbox.put(data)

    def _next_identity(self, chunk_id: str, attempt: int) -> Identity:
        self._n_batches += 1
        return self._identity(chunk_id, attempt, self._n_batches)

    def _await(self, kind: MessageKind) -> Message:
        while True:
            message = self._take(_POLL_S)
            if message is None:
                trouble = self._judge(n_outstanding=1)
                if trouble is not None:
                    message = self._take(_POLL_S)
                    if message is None:
                        raise CardError(trouble.evidence)
                else:
                    continue
            if message.kind is MessageKind.FAULT:
                raise CardError(str(message.facts["message"]))
            if message.kind is kind:
                if kind is MessageKind.OPENED:
                    self.info = dict(message.facts["info"])
                return message
            self.n_dropped += 1

    def _judge(self, n_outstanding: int) -> Trouble | None:
        exit_code, word, budgets = self._process.exitcode, self.word, self._budgets
        if word.phase is Phase.IDLE:
            # It may have been idle for long before there was anything to do.
            word = replace(word, since_ns=max(word.since_ns, self._asked_ns))
        for sent in self.outstanding.values():
            deadline_s = sent.deadline_s(word.tag)
            if deadline_s is not None:
                budgets = replace(budgets, vector_s=deadline_s)
        now_ns = time.monotonic_ns()
        absence_ns = overlap_ns((word.since_ns, now_ns), self._absence.latest(now_ns))
        return judge(word, now_ns, exit_code, n_outstanding, budgets, absence_ns)

    def _take(self, wait_s: float) -> Message | None:
        try:
            message = self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return None
        if message.identity.epoch != self.epoch:
            self.n_dropped += 1
            return None
        if message.kind is MessageKind.REFUSED:
            raise ChangedSweepError(str(message.facts["message"]))
        return message

    def _send_all(self) -> None:
        while (data := self._outbox.get()) is not None:
            while not self._is_over.is_set():
                try:
                    self._requests.put(data, timeout=_POLL_S)
                    break
                except queue.Full:
                    continue

    def _receive_all(self) -> None:
        while not self._is_over.is_set():
            try:
                data = self._replies.get(timeout=_POLL_S)
            except queue.Empty:
                if not self._process.is_alive():
                    return
                continue
            self._inbox.put(Message.decode(data))
