"""A process that is stopped and goes on knows how long it was away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection

from farm.card.absence import ABSENT_NS, AbsenceClock, overlap_ns

STOPPED_S = 1.5


def _live(told: Connection) -> None:
    is_over = threading.Event()
    clock = AbsenceClock(is_over)
    told.send(time.monotonic_ns())
    began_ns: int = told.recv()
    now_ns = time.monotonic_ns()
    at_once = overlap_ns((began_ns, now_ns), clock.latest(now_ns))
    time.sleep(0.5)  # a few ticks later it is still the latest absence
    now_ns = time.monotonic_ns()
    later = overlap_ns((began_ns, now_ns), clock.latest(now_ns))
    since = overlap_ns((now_ns, now_ns + ABSENT_NS), clock.latest(now_ns))
    told.send((at_once, later, since))
    is_over.set()


def test_a_process_knows_how_long_it_was_stopped() -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_live, args=(theirs,))
    process.start()
    assert process.pid is not None
    began_ns = ours.recv()
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    ours.send(began_ns)
    os.kill(process.pid, signal.SIGCONT)
    at_once, later, since = ours.recv()
    process.join(30)
    assert min(at_once, later) >= (STOPPED_S - 0.2) * 1e9
    assert since == 0
    ours.close()
    theirs.close()


def test_a_process_that_runs_was_never_away() -> None:
    is_over = threading.Event()
    clock = AbsenceClock(is_over)
    began_ns = time.monotonic_ns()
    time.sleep(0.3)
    is_over.set()
    now_ns = time.monotonic_ns()
    assert overlap_ns((began_ns, now_ns), clock.latest(now_ns)) == 0
