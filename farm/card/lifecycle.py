"""Pure: what an executor is doing, and whether it has taken too long.

The executor writes a progress word of six 64-bit numbers into shared memory; the actor's watchdog
reads it.  Writing costs a few tens of nanoseconds, so it is done before every vector and names the
guilty one of any hang or crash.
"""

from __future__ import annotations

import signal
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from enum import IntEnum

WORD_LENGTH = 6
NO_TAG = -1


class Phase(IntEnum):
    """What an executor is doing."""

    STARTING = 0
    OPENING = 1
    IDLE = 2
    RUNNING = 3
    READING = 4
    CLOSING = 5
    WARMING = 6


ABOUT_A_VECTOR = (Phase.RUNNING, Phase.WARMING)
"""Phases in which a vector is in flight, and to blame."""


@dataclass(frozen=True, slots=True)
class ProgressWord:
    """One reading of the progress word.

    Attributes
    ----------
    phase : Phase
        What is being done.
    tag : int
        Tag of the vector in flight while `phase` is RUNNING or WARMING, else `NO_TAG`.
    n_executed : int
        Vectors whose execution has ended in this executor.
    since_ns : int
        Monotonic time at which the phase or the vector began, ns.
    batch : int
        Number of the batch in hand.
    n_launches : int
        Launches asked for so far in this executor.
    """

    phase: Phase
    tag: int
    n_executed: int
    since_ns: int
    batch: int
    n_launches: int

    @staticmethod
    def read(word: Sequence[int]) -> ProgressWord:
        """Take a reading from shared memory."""
        phase, tag, n_executed, since_ns, batch, n_launches = word[:WORD_LENGTH]
        return ProgressWord(Phase(phase), tag, n_executed, since_ns, batch, n_launches)


class ProgressWriter:
    """The executor's side of the progress word.

    Parameters
    ----------
    word : MutableSequence of int
        Shared memory of `WORD_LENGTH` 64-bit numbers.
    """

    def __init__(self, word: MutableSequence[int]) -> None:
        self._word = word
        word[1] = NO_TAG

    def enter(self, phase: Phase, now_ns: int, batch: int = 0) -> None:
        """Begin a phase in which no vector is in flight."""
        self._word[1] = NO_TAG
        self._word[3] = now_ns
        self._word[4] = batch
        self._word[0] = phase

    def warm_up(self, tag: int, now_ns: int) -> None:
        """Begin the warm-up of a vector."""
        self._word[3] = now_ns
        self._word[1] = tag
        self._word[0] = Phase.WARMING

    def start_vector(self, tag: int, repeats: int, now_ns: int) -> None:
        """Begin a vector.

        The time is written before the tag, so that a reader never sees a new vector with an old
        start and calls it overdue.
        """
        self._word[3] = now_ns
        self._word[1] = tag
        self._word[5] += repeats
        self._word[0] = Phase.RUNNING

    def end_vector(self) -> None:
        """Count a vector whose execution has ended."""
        self._word[2] += 1


@dataclass(frozen=True, slots=True)
class Budgets:
    """Longest time of each phase, in seconds."""

    start_s: float = 60.0
    open_s: float = 120.0
    vector_s: float = 30.0
    warm_up_s: float = 30.0
    read_s: float = 60.0
    close_s: float = 10.0
    idle_s: float = 30.0

    def of(self, phase: Phase) -> float:
        """Budget of a phase, seconds."""
        return {
            Phase.STARTING: self.start_s,
            Phase.OPENING: self.open_s,
            Phase.IDLE: self.idle_s,
            Phase.RUNNING: self.vector_s,
            Phase.WARMING: self.warm_up_s,
            Phase.READING: self.read_s,
            Phase.CLOSING: self.close_s,
        }[phase]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an executor must be given up.

    Attributes
    ----------
    kind : str
        ``HANG`` or ``CRASH``.
    phase : Phase
        What it was doing.
    tag : int
        The vector in flight, or `NO_TAG`: then no vector is to blame.
    evidence : str
        What was seen, for the journal and the outcome.
    """

    kind: str
    phase: Phase
    tag: int
    evidence: str


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def judge(
    word: ProgressWord,
    now_ns: int,
    exit_code: int | None,
    n_outstanding: int,
    budgets: Budgets,
    absence_ns: int = 0,
) -> Trouble | None:
    """Decide whether an executor is in trouble.

    Parameters
    ----------
    word : ProgressWord
        Latest reading.
    now_ns : int
        Monotonic time of the reading, ns.
    exit_code : int or None
        Exit code if the process has ended (negative: signal number), else None.
    n_outstanding : int
        Batches sent and not yet answered; an idle executor is only late if there are any.
    budgets : Budgets
        Longest time of each phase.
    absence_ns : int
        How much of the phase's time the judge itself was stopped, and the executor with it.

    Returns
    -------
    Trouble or None
        None if all is well.
    """
    guilty = word.tag if word.phase in ABOUT_A_VECTOR else NO_TAG
    doing = word.phase.name.lower()
    if exit_code is not None:
        how = _signal_name(-exit_code) if exit_code < 0 else f"exit code {exit_code}"
        return Trouble("CRASH", word.phase, guilty, f"executor ended by {how} while {doing}")
    if word.phase is Phase.IDLE and n_outstanding == 0:
        return None
    budget_s = budgets.of(word.phase)
    waited_s = (now_ns - word.since_ns - absence_ns) / 1e9
    if waited_s <= budget_s:
        return None
    return Trouble(
        "HANG", word.phase, guilty, f"{doing} for {waited_s:.3g} s, budget {budget_s:.3g} s"
    )
