"""Faults that the simulated card is told to have, so that recovery can be exercised.

``faults`` is a list of ``KIND:WHERE[@SECONDS][*TIMES]`` separated by commas or semicolons.  WHERE
is a position in the sweep (``Vector.index``) or a range ``a..b`` of them, both ends included.

========= =====================================================================
KIND      what the vector does
========= =====================================================================
hang      sleeps for ever
hang-gil  sleeps for ever and keeps Python's global lock, so no thread runs
crash     aborts the process (SIGABRT)
segv      reads address 0 (SIGSEGV)
exit      ends the process with exit code 3, without clean-up
raise     raises OpFailedError
oom       raises OutOfMemoryError
slow      takes SECONDS (default 2) longer; what is measured is unchanged
drop      runs, but its profiler records are missing
double    runs, but its profiler records are there twice
========= =====================================================================

A fault fires every time its vector is run.  With ``*TIMES`` it fires that often per vector, over
all cards and processes; firings are counted in ``fault_dir``: the size of the file ``KIND-INDEX``.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from farm.errors import CardError, OpFailedError, OutOfMemoryError, UsageError


class FaultKind(StrEnum):
    """What a faulty vector does."""

    HANG = "hang"
    HANG_GIL = "hang-gil"
    CRASH = "crash"
    SEGV = "segv"
    EXIT = "exit"
    RAISE = "raise"
    OOM = "oom"
    SLOW = "slow"
    DROP = "drop"
    DOUBLE = "double"


HANGS = (FaultKind.HANG, FaultKind.HANG_GIL)
DEFAULT_SLOW_S = 2.0
EXIT_CODE = 3
_SLEEP_S = 1 << 30

_FAULT = re.compile(
    r"(?P<kind>[a-z-]+):(?P<first>\d+)(\.\.(?P<last>\d+))?"
    r"(@(?P<seconds>\d+(\.\d*)?|\.\d+))?(\*(?P<times>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan.

    Attributes
    ----------
    kind : FaultKind
        What happens.
    first, last : int
        Positions in the sweep, both included.
    seconds : float
        How long a slow vector takes.
    times : int or None
        How often it fires for each vector; None for every time.
    """

    kind: FaultKind
    first: int
    last: int
    seconds: float = DEFAULT_SLOW_S
    times: int | None = None


def _parse_one(text: str) -> Fault:
    match = _FAULT.fullmatch(text)
    kinds = ", ".join(FaultKind)
    if match is None:
        raise UsageError(
            f"fault {text!r}: write KIND:INDEX or KIND:FIRST..LAST, then @SECONDS and *TIMES "
            f"where needed, for example hang:17 or raise:40..49*1; KIND is one of {kinds}"
        )
    if match["kind"] not in tuple(FaultKind):
        raise UsageError(f"fault {text!r}: {match['kind']!r} is none of {kinds}")
    kind, first = FaultKind(match["kind"]), int(match["first"])
    last = int(match["last"]) if match["last"] else first
    if last < first:
        raise UsageError(f"fault {text!r}: the range {first}..{last} is empty")
    if match["seconds"] and kind is not FaultKind.SLOW:
        raise UsageError(f"fault {text!r}: only slow takes @SECONDS")
    times = int(match["times"]) if match["times"] else None
    if times == 0:
        raise UsageError(f"fault {text!r}: *TIMES must be at least 1")
    seconds = float(match["seconds"]) if match["seconds"] else DEFAULT_SLOW_S
    return Fault(kind, first, last, seconds, times)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults of a card; the first that matches a vector and has firings left counts.

    Attributes
    ----------
    faults : Sequence of Fault
        In the order in which they were written.
    directory : Path or None
        Where firings and wedged cards are remembered across processes.
    """

    faults: Sequence[Fault] = ()
    directory: Path | None = None

    @staticmethod
    def parse(text: str, directory: str = "") -> FaultPlan:
        """Read a plan from text, see the module's text.

        Raises
        ------
        UsageError
            If the text is malformed, or limits firings and there is no directory.
        """
        faults = tuple(_parse_one(part.strip()) for part in re.split("[,;]", text) if part.strip())
        limited = next((fault for fault in faults if fault.times is not None), None)
        if limited is not None and not directory:
            raise UsageError(
                f"fault {limited.kind}:{limited.first}: *TIMES needs the device option fault_dir, "
                "the directory in which firings are counted"
            )
        return FaultPlan(faults, Path(directory) if directory else None)

    def due(self, index: int) -> Fault | None:
        """Return the fault that fires now for the vector at a position, and count it.

        Raises
        ------
        CardError
            If the firing cannot be counted.
        """
        for fault in self.faults:
            if fault.first <= index <= fault.last and (
                fault.times is None or self._count(fault.kind, index) <= fault.times
            ):
                return fault
        return None

    def _count(self, kind: FaultKind, index: int) -> int:
        if self.directory is None:
            return 1
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with (self.directory / f"{kind}-{index}").open("ab", buffering=0) as file:
                # Appending is atomic, and leaves the offset behind what this process wrote.
                file.write(b".")
                return file.tell()
        except OSError as error:
            raise CardError(f"a fault cannot be counted in {self.directory}: {error}") from error


def act(fault: Fault, index: int) -> None:
    """Do to this process what a fault says; ``drop`` and ``double`` are the profiler's matter.

    Raises
    ------
    OpFailedError
        For ``raise``.
    OutOfMemoryError
        For ``oom``.
    """
    match fault.kind:
        case FaultKind.HANG:
            _hang()
        case FaultKind.HANG_GIL:
            _hang_with_lock()
        case FaultKind.CRASH:
            _leave_no_core_file()
            os.abort()
        case FaultKind.SEGV:
            _leave_no_core_file()
            ctypes.string_at(0)
        case FaultKind.EXIT:
            os._exit(EXIT_CODE)
        case FaultKind.RAISE:
            raise OpFailedError(f"injected failure of the vector at {index}")
        case FaultKind.OOM:
            raise OutOfMemoryError(f"injected lack of memory of the vector at {index}")
        case FaultKind.SLOW:
            time.sleep(fault.seconds)
        case FaultKind.DROP | FaultKind.DOUBLE:
            pass


def _hang() -> NoReturn:
    while True:
        time.sleep(_SLEEP_S)


def _hang_with_lock() -> NoReturn:
    # Functions of a PyDLL are called with the global lock held.
    library = ctypes.PyDLL(None)
    while True:
        library.sleep(_SLEEP_S)


def _leave_no_core_file() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
