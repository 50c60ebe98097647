"""What a fault does to the process that it happens in."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from farm.devices.sim_faults import Fault, FaultKind
from farm.devices.sim_memory import FaultMemory
from farm.errors import CardError, OpFailedError, OutOfMemoryError

EXIT_CODE = 3
IDLE_S = 0.01
CHILD_S = 900
"""How long a child lives that nobody kills, so that tests of killing leave nothing for ever."""

_SLEEP_S = 1 << 30
# Ignoring a signal is inherited: neither the shell nor the sleep that it starts mind SIGTERM.
_CHILD = f"trap '' TERM; sleep {CHILD_S} & echo $!; wait"


def act(fault: Fault, index: int, memory: FaultMemory | None = None) -> None:
    """Do to this process what a fault says; some faults are the profiler's or the card's matter.

    Parameters
    ----------
    fault : Fault
        What is to happen.
    index : int
        Position of the vector, or slot of the card.
    memory : FaultMemory or None
        Where children are noted.

    Raises
    ------
    OpFailedError
        For ``raise``.
    OutOfMemoryError
        For ``oom``.
    CardError
        For ``card-error`` and ``raise-open``.
    """
    match fault.kind:
        case FaultKind.SLOW | FaultKind.LATE | FaultKind.SLOW_OPEN:
            time.sleep(fault.seconds)
        case FaultKind.RAISE:
            raise OpFailedError(f"injected failure of the vector at {index}")
        case FaultKind.OOM:
            raise OutOfMemoryError(f"injected lack of memory of the vector at {index}")
        case FaultKind.CARD_ERROR:
            raise CardError(f"injected fault of the card at the vector at {index}")
        case FaultKind.RAISE_OPEN:
            raise CardError(f"injected failure of opening the card in slot {index}")
        case FaultKind.HANG_IDLE:
            threading.Thread(target=_hang_soon, daemon=True).start()
        case _:
            end = _ENDS.get(fault.kind)
            if end is not None:
                end(memory)


def break_reset(fault: Fault, slot: int) -> None:
    """Do what a broken reset does, which is not to reset.

    Raises
    ------
    RuntimeError
        For ``raise-reset``.
    """
    if fault.kind is FaultKind.RAISE_RESET:
        raise RuntimeError(f"injected failure of the reset of slot {slot}")
    if fault.kind is FaultKind.HANG_RESET:
        time.sleep(fault.seconds)


def _hang(memory: FaultMemory | None) -> NoReturn:
    while True:
        time.sleep(_SLEEP_S)


def _hang_with_lock(memory: FaultMemory | None) -> NoReturn:
    # Functions of a PyDLL are called with the global lock held.
    library = ctypes.PyDLL(None)
    while True:
        library.sleep(_SLEEP_S)


def _hang_soon() -> NoReturn:
    time.sleep(IDLE_S)
    _hang_with_lock(None)


def _hang_with_children(memory: FaultMemory | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _start_children(memory)
    _hang(memory)


def _crash(memory: FaultMemory | None) -> NoReturn:
    _leave_no_core_file()
    os.abort()


def _crash_with_children(memory: FaultMemory | None) -> NoReturn:
    _start_children(memory)
    _crash(memory)


def _read_address_0(memory: FaultMemory | None) -> None:
    _leave_no_core_file()
    ctypes.string_at(0)


def _start_children(memory: FaultMemory | None) -> None:
    child = subprocess.Popen(
        ["/bin/sh", "-c", _CHILD],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A session of its own: killing the process group of the executor does not reach it.
        start_new_session=True,
    )
    grandchild = int(child.stdout.readline()) if child.stdout else child.pid
    if memory is not None:
        memory.note_children({child.pid, grandchild})


def _leave_no_core_file() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


_ENDS: dict[FaultKind, Callable[[FaultMemory | None], None]] = {
    FaultKind.HANG: _hang,
    FaultKind.HANG_LATE: _hang,
    FaultKind.HANG_READ: _hang,
    FaultKind.HANG_OPEN: _hang,
    FaultKind.HANG_GIL: _hang_with_lock,
    FaultKind.HANG_TREE: _hang_with_children,
    FaultKind.CRASH: _crash,
    FaultKind.CRASH_READ: _crash,
    FaultKind.CRASH_OPEN: _crash,
    FaultKind.CRASH_TREE: _crash_with_children,
    FaultKind.SEGV: _read_address_0,
    FaultKind.KILL: lambda _: os.kill(os.getpid(), signal.SIGKILL),
    FaultKind.EXIT: lambda _: os._exit(EXIT_CODE),
}
