"""The executor process: opens the card, runs batches, reads the profiler once per batch.

Runs in a process of its own that may hang, crash or be killed at any instant; nothing that matters
lives here.  It ends with its parent (parent-death signal), imports no Ray, and holds the card's
lock while it lives.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm import logs
from farm.card.join import join_by_tag
from farm.card.lifecycle import Phase, ProgressWriter
from farm.card.messages import Identity, Message, MessageKind
from farm.card_lock import hold_card
from farm.catalog import load_sweep
from farm.devices import registry
from farm.devices.device import (
    N_LAUNCHES,
    CardSlot,
    Device,
    OverlappingDevice,
    PreparedKind,
    WarmingDevice,
)
from farm.errors import CardError, ChangedSweepError, OpError, OpFailedError
from farm.outcome import OUTCOME_SCHEMA, Status, status_of
from farm.parent_death import end_with_parent
from sweeps.space import Sweep
from sweeps.vector import Vector

_MOST_REASON_CHARACTERS = 2000

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

REPLY_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("status", pa.string()),
        *(OUTCOME_SCHEMA.field(n) for n in ("mean_ns", "std_ns", "min_ns", "median_ns")),
        OUTCOME_SCHEMA.field("durations_ns"),
        OUTCOME_SCHEMA.field("reason"),
        OUTCOME_SCHEMA.field("started_at"),
        pa.field("wall_ns", pa.int64(), nullable=False),
    ]
)
"""A batch's answer: one row per vector; ``status`` is null where the records were incomplete."""


@dataclass(frozen=True)
class WorkerConfig:
    """What an executor needs to know.

    Attributes
    ----------
    slot : CardSlot
        Which card.
    lock_name : str
        Name of the card's host-wide lock.
    source, version : str
        Where the sweep is loaded from, and the version that the vectors were generated from; empty
        where none is to be compared.
    op : str
        Operation of the sweep.
    param_names, tuple_params, feature_names : tuple of str
        Axis columns, those of them whose values are tuples, and feature columns.
    epoch : int
        Incarnation of the executor.
    stack_path : str
        File that takes the Python stacks when SIGUSR1 asks for them.
    log_path, log_level, run_id : str
        File and level of the log, see `farm.logs`, and what its lines are about.
    """

    slot: CardSlot
    lock_name: str
    source: str
    op: str
    param_names: tuple[str, ...]
    tuple_params: tuple[str, ...]
    feature_names: tuple[str, ...]
    epoch: int
    stack_path: str = os.devnull
    version: str = ""
    log_path: str = ""
    log_level: str = logs.DEFAULT_LEVEL
    run_id: str = ""


def main(
    parent_pid: int,
    config: WorkerConfig,
    requests: Any,
    replies: Any,
    word: MutableSequence[int],
) -> None:
    """Entry point of the process; `requests` and `replies` are faster-fifo queues of bytes."""
    end_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable()
    # Answers even while the interpreter lock is held: the actor asks a hung executor where it is.
    stack_file = open(config.stack_path, "w")  # noqa: SIM115 - stays open for the handler
    faulthandler.register(signal.SIGUSR1, file=stack_file, all_threads=True)
    if config.log_path:
        about = {"run": config.run_id, "card": config.slot.card, "epoch": config.epoch}
        logs.configure(config.log_level, Path(config.log_path), **about)
    progress = ProgressWriter(word)
    progress.enter(Phase.OPENING, time.monotonic_ns())
    identity = Identity(epoch=config.epoch)
    try:
        hold_card(config.lock_name)
        kind = registry.kind(config.slot.kind)
        if isinstance(kind, PreparedKind):
            kind.prepare(config.slot)
        device = kind.device(config.slot, _sweep_of(config))
        device.open()
    except ChangedSweepError as error:
        replies.put(Message(MessageKind.REFUSED, identity, {"message": str(error)}).encode())
        return
    except Exception as error:
        logger.warning("the card cannot be opened", exc_info=True)
        reason = f"{type(error).__name__}: {error}"
        replies.put(Message(MessageKind.FAULT, identity, {"message": reason}).encode())
        return
    logger.info("opened: %s", device.info.as_json())
    facts = {"info": device.info.as_json()}
    replies.put(Message(MessageKind.OPENED, identity, facts).encode())
    _serve(config, device, requests, replies, progress)


def _sweep_of(config: WorkerConfig) -> Sweep:
    sweep = load_sweep(config.source, runs_here=True)
    if config.version and sweep.version != config.version:
        raise ChangedSweepError(
            f"{sweep.name}: its code was changed after its vectors were generated "
            f"({config.version} then, {sweep.version} now). Restore it and run again to go on, or "
            f"generate the sweep anew in another --out"
        )
    return sweep


def _serve(
    config: WorkerConfig, device: Device, requests: Any, replies: Any, progress: ProgressWriter
) -> None:
    gc.freeze()
    # Joining and answering batch k overlaps with executing batch k + 1.
    finisher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="finisher")
    pending: Future[None] | None = None
    while True:
        progress.enter(Phase.IDLE, time.monotonic_ns())
        message = Message.decode(_next(requests))
        finish: Callable[[], Message]
        try:
            match message.kind:
                case MessageKind.RUN:
                    finish = _run_batch(config, device, message, progress)
                case MessageKind.PROBE:
                    finish = _run_probe(config, device, message, progress)
                case _:
                    progress.enter(Phase.CLOSING, time.monotonic_ns(), message.identity.batch)
                    finisher.shutdown()
                    device.close()
                    replies.put(Message(MessageKind.CLOSED, message.identity).encode())
                    return
        except (CardError, ChangedSweepError) as error:
            progress.enter(Phase.READING, time.monotonic_ns(), message.identity.batch)
            is_fault = isinstance(error, CardError)
            kind = MessageKind.FAULT if is_fault else MessageKind.REFUSED
            finish = partial(_same, Message(kind, message.identity, {"message": str(error)}))
        if pending is not None:
            # At most one answer is in the making; its failure ends the process, while no vector
            # is in flight that could be blamed.
            pending.result()
        pending = finisher.submit(_answer, finish, message.identity, replies)


def _same(value: _T) -> _T:
    return value


def _answer(finish: Callable[[], Message], identity: Identity, replies: Any) -> None:
    try:
        reply = finish()
    except CardError as error:
        reply = Message(MessageKind.FAULT, identity, {"message": str(error)})
    replies.put(reply.encode())


def _next(requests: Any) -> bytes:
    while True:
        try:
            data: bytes = requests.get(timeout=0.5)
        except queue.Empty:
            continue
        return data


def _vectors(config: WorkerConfig, table: pa.Table) -> Iterator[Vector]:
    params = [
        [tuple(v) for v in values] if name in config.tuple_params else values
        for name in config.param_names
        for values in [table[name].to_pylist()]
    ]
    features = [table[name].to_pylist() for name in config.feature_names]
    identities = (table[name].to_pylist() for name in ("index", "vector_id", "suite"))
    for i, (index, vector_id, suite) in enumerate(zip(*identities, strict=True)):
        yield Vector(
            index,
            vector_id,
            config.op,
            {name: column[i] for name, column in zip(config.param_names, params, strict=True)},
            {name: column[i] for name, column in zip(config.feature_names, features, strict=True)},
            suite,
        )


def _run_batch(
    config: WorkerConfig, device: Device, message: Message, progress: ProgressWriter
) -> Callable[[], Message]:
    """Execute a batch and drain the profiler; what is returned joins and answers."""
    table, facts = message.table, message.facts
    first_tag, repeats = int(facts["first_tag"]), int(facts["repeats"])
    n = table.num_rows
    failures: dict[int, tuple[str, str]] = {}
    started_us, wall_ns = np.empty(n, np.int64), np.zeros(n, np.int64)
    start = _start(device, progress, repeats)
    began_ns = time.monotonic_ns()
    for i, vector in enumerate(_vectors(config, table)):
        started_us[i] = time.time_ns() // 1000
        try:
            start_ns = start(vector, first_tag + i)
            try:
                device.execute(vector, repeats, first_tag + i)
            finally:
                wall_ns[i] = time.monotonic_ns() - start_ns
        except (CardError, ChangedSweepError):
            raise
        except Exception as error:
            failures[i] = _failure(error)
        progress.end_vector()
    executed_ns = time.monotonic_ns()
    progress.enter(Phase.READING, executed_ns, message.identity.batch)
    if isinstance(device, OverlappingDevice):
        read = device.dump_profile()
    else:
        read = partial(_same, device.read_profile())
    dump_s = (time.monotonic_ns() - executed_ns) / 1e9
    times = {"execute_s": (executed_ns - began_ns) / 1e9, "dump_s": dump_s}
    return partial(_finish_batch, message, read, failures, started_us, wall_ns, times)


def _start(device: Device, progress: ProgressWriter, repeats: int) -> Callable[[Vector, int], int]:
    """Make the function that begins a vector, given its tag: warms up where the device does.

    It returns when the vector's own time begins, monotonic, ns.
    """
    warm_up = device.warm_up if isinstance(device, WarmingDevice) else None

    def start(vector: Vector, tag: int) -> int:
        if warm_up is not None:
            progress.warm_up(tag, time.monotonic_ns())
            warm_up(vector)
        start_ns = time.monotonic_ns()
        progress.start_vector(tag, repeats, start_ns)
        return start_ns

    return start


def _finish_batch(
    message: Message,
    read: Callable[[], pa.Table],
    failures: Mapping[int, tuple[str, str]],
    started_us: npt.NDArray[np.int64],
    wall_ns: npt.NDArray[np.int64],
    times: Mapping[str, float],
) -> Message:
    table, repeats = message.table, int(message.facts["repeats"])
    began_ns = time.monotonic_ns()
    profile = read()
    read_s = (time.monotonic_ns() - began_ns) / 1e9
    joined = join_by_tag(profile, int(message.facts["first_tag"]), table.num_rows, repeats)
    # A failed vector's earlier launches are in the profile; they are records of a failure.
    is_ok = joined.is_complete.copy()
    is_ok[list(failures)] = False
    status: list[str | None] = [Status.OK.value if ok else None for ok in is_ok]
    reasons: list[str | None] = [
        None if ok else f"{found} of {repeats} profiler records"
        for ok, found in zip(is_ok, joined.n_records, strict=True)
    ]
    for i, (failed_status, reason) in failures.items():
        status[i], reasons[i] = failed_status, reason
    reply = pa.Table.from_arrays(
        [
            table["row"].combine_chunks(),
            pa.array(status, pa.string()),
            *_statistics(joined.durations_ns, is_ok),
            pa.array(reasons, pa.string()),
            pa.array(started_us, pa.timestamp("us", tz="UTC")),
            pa.array(wall_ns),
        ],
        schema=REPLY_SCHEMA,
    )
    done = {"n_foreign": joined.n_foreign, "read_s": read_s, **times}
    n_launches = (profile.schema.metadata or {}).get(N_LAUNCHES)
    if n_launches is not None:
        done["n_launches"] = int(n_launches)
    return Message(MessageKind.DONE, message.identity, done, reply)


def _statistics(durations_ns: Any, is_ok: Any) -> list[pa.Array]:
    n, repeats = durations_ns.shape
    usable = np.where(is_ok[:, None], durations_ns, 1.0)
    columns = (usable.mean(1), usable.std(1), usable.min(1), np.median(usable, axis=1))
    arrays = [pa.array(column, mask=~is_ok) for column in columns]
    offsets = np.concatenate([[0], np.cumsum(np.where(is_ok, repeats, 0))])
    lists = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.array(durations_ns[is_ok].ravel()),
        mask=pa.array(~is_ok) if n else None,
    )
    return [*arrays, lists]


def _failure(error: Exception) -> tuple[str, str]:
    op_error = error
    if not isinstance(op_error, OpError):
        op_error = OpFailedError(f"{type(error).__name__}: {error}")
    # Undecodable file names come with halves of surrogate pairs, which no Arrow string can hold.
    text = str(op_error).encode(errors="backslashreplace").decode()
    return status_of(op_error).value, text[:_MOST_REASON_CHARACTERS]


def _run_probe(
    config: WorkerConfig, device: Device, message: Message, progress: ProgressWriter
) -> Callable[[], Message]:
    repeats = int(message.facts["repeats"])
    vectors = [
        Vector(
            probe["index"],
            bytes.fromhex(probe["vector_id"]),
            probe["op"],
            {k: tuple(v) if isinstance(v, list) else v for k, v in probe["params"].items()},
            probe["features"],
        )
        for probe in message.facts["vectors"]
    ]
    start = _start(device, progress, repeats)
    for tag, vector in enumerate(vectors):
        try:
            start(vector, tag)
            device.execute(vector, repeats, tag)
        except OpError as error:
            raise CardError(f"probe vector {tag} failed: {error}") from error
    progress.enter(Phase.READING, time.monotonic_ns(), message.identity.batch)
    return partial(_same, Message(MessageKind.PROFILE, message.identity, {}, device.read_profile()))
