"""Faults that a card is told to have, so that recovery can be exercised: the language of plans.

``faults`` is a list of ``KIND:WHERE[@SECONDS][*TIMES][/SLOT]`` separated by commas or semicolons.
WHERE is a position in the sweep (``Vector.index``) or a range ``a..b`` of them, both ends included.
For faults of the card it is a slot, or a range of slots.

=========== ========================================================================
KIND        what the vector does
=========== ========================================================================
hang        sleeps for ever before anything is launched
hang-gil    the same, but keeps Python's global lock, so no thread runs
hang-tree   the same, but ignores SIGTERM and has a child and a grandchild that do
hang-late   sleeps for ever after its launches, before it returns
hang-read   the profiler read of its batch sleeps for ever
hang-idle   10 ms after its batch was read a thread takes the global lock for ever:
            between two batches, or in a vector that is not to blame
crash       aborts the process (SIGABRT)
crash-tree  the same, but leaves a child and a grandchild behind
crash-read  aborts in the profiler read of its batch
segv        reads address 0 (SIGSEGV)
kill        is killed (SIGKILL), as by the kernel when memory runs out
exit        ends the process with exit code 3, without clean-up
raise       raises OpFailedError
oom         raises OutOfMemoryError
card-error  raises CardError: the vector says that the card is at fault
black-hole  every vector on this card fails at once (OpFailedError), its probe too,
            until the card is reset; needs ``fault_dir``
slow        takes SECONDS (default 2) longer; what is measured is unchanged
late        is launched at once, but returns only after SECONDS (default 2)
drop        runs, but its profiler records are missing
double      runs, but its profiler records are there twice
truncate    runs, but only the first half of its batch's records is there
stale       runs; the records of the batch before it are there again, with their tags
foreign     runs; records with tags of no vector of its batch are there, too
=========== ========================================================================

=========== ========================================================================
KIND        what the card in slot WHERE does
=========== ========================================================================
crash-open  aborts while it is opened
hang-open   sleeps for ever while it is opened
raise-open  does not open (CardError)
slow-open   takes SECONDS (default 2) longer to open
lie-reset   returns from a reset of any level, but nothing was reset
hang-reset  returns from a reset after SECONDS (default 3600), and nothing was reset
raise-reset raises in a reset (RuntimeError, as foreign tools do)
=========== ========================================================================

A fault fires every time that its vector is run, or that its card is opened or reset.  With
``*TIMES`` it fires that often per vector or slot, over all cards and processes.  All firings are
counted in ``fault_dir``, where there is one, see `farm.devices.sim_memory`.  With ``/SLOT`` it
fires on that card only.  The first fault of the list that matches and has firings left is the one
that happens.

Whole cards: ``dead_cards`` never open.  After a hang, cards of ``stuck`` measure nothing until a
reset, those of ``wedge`` until a cold reset.  Cards throttle if told to, see
`farm.devices.sim_throttle`.  ``chaos`` draws faults at random, see `farm.devices.sim_chaos`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from farm.devices.device import ResetLevel
from farm.devices.sim_memory import FaultMemory
from farm.errors import UsageError


class FaultKind(StrEnum):
    """What a faulty vector or card does, see the tables of the module."""

    HANG = "hang"
    HANG_GIL = "hang-gil"
    HANG_TREE = "hang-tree"
    HANG_LATE = "hang-late"
    HANG_READ = "hang-read"
    HANG_IDLE = "hang-idle"
    CRASH = "crash"
    CRASH_TREE = "crash-tree"
    CRASH_READ = "crash-read"
    SEGV = "segv"
    KILL = "kill"
    EXIT = "exit"
    RAISE = "raise"
    OOM = "oom"
    CARD_ERROR = "card-error"
    BLACK_HOLE = "black-hole"
    SLOW = "slow"
    LATE = "late"
    DROP = "drop"
    DOUBLE = "double"
    TRUNCATE = "truncate"
    STALE = "stale"
    FOREIGN = "foreign"
    CRASH_OPEN = "crash-open"
    HANG_OPEN = "hang-open"
    RAISE_OPEN = "raise-open"
    SLOW_OPEN = "slow-open"
    LIE_RESET = "lie-reset"
    HANG_RESET = "hang-reset"
    RAISE_RESET = "raise-reset"


HANGS = frozenset(
    {
        FaultKind.HANG,
        FaultKind.HANG_GIL,
        FaultKind.HANG_TREE,
        FaultKind.HANG_LATE,
        FaultKind.HANG_READ,
        FaultKind.HANG_IDLE,
    }
)
"""Faults after which a card of ``stuck`` or ``wedge`` needs a reset."""

AFTER_LAUNCH = frozenset({FaultKind.HANG_LATE, FaultKind.LATE})
AT_READ = frozenset({FaultKind.HANG_READ, FaultKind.CRASH_READ, FaultKind.HANG_IDLE})
IN_RECORDS = frozenset(
    {
        FaultKind.DROP,
        FaultKind.DOUBLE,
        FaultKind.TRUNCATE,
        FaultKind.STALE,
        FaultKind.FOREIGN,
    }
)
AT_OPEN = frozenset(
    {FaultKind.CRASH_OPEN, FaultKind.HANG_OPEN, FaultKind.RAISE_OPEN, FaultKind.SLOW_OPEN}
)
AT_RESET = frozenset({FaultKind.LIE_RESET, FaultKind.HANG_RESET, FaultKind.RAISE_RESET})
OF_CARD = AT_OPEN | AT_RESET

EVERY_TIME = 1 << 62
DEFAULT_SLOW_S = 2.0
DEFAULT_SECONDS = {
    FaultKind.SLOW: DEFAULT_SLOW_S,
    FaultKind.LATE: DEFAULT_SLOW_S,
    FaultKind.SLOW_OPEN: DEFAULT_SLOW_S,
    FaultKind.HANG_RESET: 3600.0,
}
"""Kinds that take ``@SECONDS``."""

_FAULT = re.compile(
    r"(?P<kind>[a-z-]+):(?P<first>\d+)(\.\.(?P<last>\d+))?"
    r"(@(?P<seconds>\d+(\.\d*)?|\.\d+))?(\*(?P<times>\d+))?(/(?P<slot>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan.

    Attributes
    ----------
    kind : FaultKind
        What happens.
    first, last : int
        Positions in the sweep or slots, both included.
    seconds : float
        How long, for kinds of `DEFAULT_SECONDS`.
    times : int or None
        How often it fires for each vector or slot; None for every time.
    slot : int or None
        The only card on which it fires; None for every card.
    needs : ResetLevel or None
        The gentlest reset that heals the card after this hang; None if reopening does.
    """

    kind: FaultKind
    first: int
    last: int
    seconds: float = 0.0
    times: int | None = None
    slot: int | None = None
    needs: ResetLevel | None = None


def _parse_one(text: str) -> Fault:
    match = _FAULT.fullmatch(text)
    kinds = ", ".join(FaultKind)
    if match is None:
        raise UsageError(
            f"fault {text!r}: write KIND:INDEX or KIND:FIRST..LAST, then @SECONDS, *TIMES and "
            f"/SLOT where needed, for example hang:17 or raise:40..49*1; KIND is one of {kinds}"
        )
    if match["kind"] not in tuple(FaultKind):
        raise UsageError(f"fault {text!r}: {match['kind']!r} is none of {kinds}")
    kind, first = FaultKind(match["kind"]), int(match["first"])
    last = int(match["last"]) if match["last"] else first
    if last < first:
        raise UsageError(f"fault {text!r}: the range {first}..{last} is empty")
    if match["seconds"] and kind not in DEFAULT_SECONDS:
        raise UsageError(f"fault {text!r}: only {', '.join(DEFAULT_SECONDS)} take @SECONDS")
    times = int(match["times"]) if match["times"] else None
    if times == 0:
        raise UsageError(f"fault {text!r}: *TIMES must be at least 1")
    if match["slot"] and kind in OF_CARD:
        raise UsageError(f"fault {text!r}: {kind}:{first} names the slot already, without /SLOT")
    slot = int(match["slot"]) if match["slot"] else None
    seconds = float(match["seconds"]) if match["seconds"] else DEFAULT_SECONDS.get(kind, 0.0)
    return Fault(kind, first, last, seconds, times, slot)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults that were written down for the cards of a run.

    Attributes
    ----------
    faults : Sequence of Fault
        In the order in which they were written.
    memory : FaultMemory or None
        Counts firings across processes.
    """

    faults: Sequence[Fault] = ()
    memory: FaultMemory | None = None

    @staticmethod
    def parse(text: str, memory: FaultMemory | None = None) -> FaultPlan:
        """Read a plan from text, see the module's text.

        Raises
        ------
        UsageError
            If the text is malformed, or needs a memory and there is none.
        """
        faults = tuple(_parse_one(part.strip()) for part in re.split("[,;]", text) if part.strip())
        for fault in faults:
            if memory is None and (fault.times or fault.kind is FaultKind.BLACK_HOLE):
                what = "*TIMES" if fault.times else "a black hole"
                raise UsageError(
                    f"fault {fault.kind}:{fault.first}: {what} needs the device option fault_dir, "
                    "the directory in which firings are counted"
                )
        return FaultPlan(faults, memory)

    def due(self, index: int, slot: int = 0) -> Fault | None:
        """Return the fault that fires now for a vector on a card, and count it.

        Parameters
        ----------
        index : int
            Position of the vector in the sweep; nothing fires for probes, which are below 0.
        slot : int
            Where the card is.

        Returns
        -------
        Fault or None
            What happens.

        Raises
        ------
        CardError
            If the firing cannot be counted.
        """
        return self._first(index, slot, [f for f in self.faults if f.kind not in OF_CARD])

    def due_on_card(self, kinds: Collection[FaultKind], slot: int) -> Fault | None:
        """Return the fault among `kinds` that fires now for a card, and count it.

        Raises
        ------
        CardError
            If the firing cannot be counted.
        """
        return self._first(slot, slot, [f for f in self.faults if f.kind in kinds])

    def _first(self, where: int, slot: int, faults: Sequence[Fault]) -> Fault | None:
        for fault in faults:
            if fault.first <= where <= fault.last and fault.slot in (None, slot):
                times = fault.times or EVERY_TIME
                if self.memory is None or self.memory.fires(fault.kind, where, times):
                    return fault
        return None
