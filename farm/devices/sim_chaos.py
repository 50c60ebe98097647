"""Random faults that can be replayed from one number: ``chaos=SEED[:RATE[:KIND+KIND...]]``.

Whether a fault happens, and which, is a hash of the seed, the vector's position and how often the
vector was tried before.  RATE (default 0.02) is the part of all tries that go wrong.  Needs
``fault_dir``; a new one for each run.

* One vector in ``5 / RATE`` is a *culprit*: it always hangs, crashes or raises.  `planned_faults`
  tells which, so that a test knows that they end as HANG, CRASH or OP_ERROR.
* All other vectors end as OK, with their own measurements: a vector has at most one fault that ends
  the executor and at most one that spoils records or takes time.  Of every 256 vectors at most one
  has a fault that looks like the card's own; two of them in a row cannot retire a card.
* A hang leaves one card in five in need of a warm or a cold reset.
* A card fails to open at RATE, and every other reset may lie, hang or raise; never so often that
  the ladder of `farm.card.recovery` ends.

KINDs limit the faults of vectors that are no culprits.  All kinds of `farm.devices.sim_faults` can
happen but ``hang-idle``, whose victim is another vector, and those that raise, which the farm must
not retry.

References
----------
J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011:
random numbers as a hash of a counter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from farm.devices.device import ResetLevel
from farm.devices.sim_faults import (
    AT_RESET,
    DEFAULT_SECONDS,
    EVERY_TIME,
    HANGS,
    Fault,
    FaultKind,
)
from farm.devices.sim_memory import FaultMemory
from farm.errors import UsageError
from farm.outcome import Status

DEFAULT_RATE = 0.02
CULPRITS_PER_FAULT = 0.2
CARD_FAULT_BLOCK = 256
CHOSEN_RATE = 32.0
"""How much likelier than others the chosen vector of a block is to go wrong."""
NEEDS_WARM, NEEDS_COLD = 0.15, 0.05
RESET_RATE = 0.5
SLOW_S = 0.05

EXPECTED_STATUS = {
    FaultKind.HANG: Status.HANG,
    FaultKind.CRASH: Status.CRASH,
    FaultKind.RAISE: Status.OP_ERROR,
}
"""What becomes of culprits, by what they do."""

ENDING = (
    FaultKind.HANG,
    FaultKind.HANG_GIL,
    FaultKind.HANG_TREE,
    FaultKind.HANG_LATE,
    FaultKind.CRASH,
    FaultKind.CRASH_TREE,
    FaultKind.SEGV,
    FaultKind.KILL,
    FaultKind.EXIT,
    FaultKind.LATE,
)
HARMLESS = (
    FaultKind.SLOW,
    FaultKind.DROP,
    FaultKind.DOUBLE,
    FaultKind.TRUNCATE,
    FaultKind.STALE,
    FaultKind.FOREIGN,
)
CARD_LIKE = (
    FaultKind.HANG_READ,
    FaultKind.CRASH_READ,
    FaultKind.CARD_ERROR,
    FaultKind.BLACK_HOLE,
)
OF_VECTORS = (*ENDING, *HARMLESS, *CARD_LIKE)


def _uniform(*counters: object) -> float:
    """Hash to a number in [0, 1), the same on every machine."""
    text = "/".join(str(counter) for counter in counters)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / (1 << 64)


def _pick(kinds: Sequence[FaultKind], *counters: object) -> FaultKind:
    return kinds[int(_uniform(*counters) * len(kinds))]


@dataclass(frozen=True, slots=True)
class Chaos:
    """The draws: pure functions of the seed and of counters.

    Attributes
    ----------
    seed : int
        The one number.
    rate : float
        Part of all tries that go wrong, 0 to 1.
    kinds : Sequence of FaultKind
        Faults of vectors that are no culprits.
    """

    seed: int
    rate: float = DEFAULT_RATE
    kinds: Sequence[FaultKind] = OF_VECTORS

    @staticmethod
    def parse(text: str) -> Chaos:
        """Read ``SEED[:RATE[:KIND+KIND...]]``.

        Raises
        ------
        UsageError
            If the text is malformed.
        """
        seed, _, rest = text.strip().partition(":")
        rate_text, _, kinds_text = rest.partition(":")
        try:
            rate = float(rate_text or DEFAULT_RATE)
        except ValueError:
            rate = math.nan
        names = [name.strip() for name in kinds_text.split("+") if name.strip()]
        unknown = [name for name in names if name not in OF_VECTORS]
        if not (seed.isascii() and seed.isdigit() and 0 <= rate <= 1) or unknown:
            raise UsageError(
                f"device option chaos={text!r}: write SEED, SEED:RATE or SEED:RATE:KIND+KIND, for "
                f"example 7:0.02:hang+drop; RATE is 0 to 1, KIND one of {', '.join(OF_VECTORS)}"
            )
        return Chaos(int(seed), rate, tuple(FaultKind(name) for name in names) or OF_VECTORS)

    def culprit(self, index: int) -> FaultKind | None:
        """Return what a vector does every time, or None."""
        if _uniform(self.seed, "culprit", index) >= self.rate * CULPRITS_PER_FAULT:
            return None
        return _pick(tuple(EXPECTED_STATUS), self.seed, "culprit-kind", index)

    def transient(self, index: int, n_tries: int) -> FaultKind | None:
        """Return what happens to a vector that was tried `n_tries` times before, or None."""
        block, place = divmod(index, CARD_FAULT_BLOCK)
        is_chosen = place == int(_uniform(self.seed, "block", block) * CARD_FAULT_BLOCK)
        rate = self.rate * CHOSEN_RATE if is_chosen else self.rate
        if _uniform(self.seed, "vector", index, n_tries) >= rate:
            return None
        kinds = [kind for kind in self.kinds if (kind in CARD_LIKE) == is_chosen]
        return _pick(kinds, self.seed, "kind", index, n_tries) if kinds else None

    def card_fault(self, kinds: Collection[FaultKind], slot: int, n: int) -> FaultKind | None:
        """Return what happens to a card that was opened or reset `n` times before, or None.

        Never twice in a row.
        """
        rate = RESET_RATE if kinds == AT_RESET and self.rate else self.rate
        what = "reset" if kinds == AT_RESET else "open"
        if n % 2 or _uniform(self.seed, what, slot, n) >= rate:
            return None
        return _pick(sorted(kinds), self.seed, f"{what}-kind", slot, n)

    def needs(self, index: int) -> ResetLevel | None:
        """Gentlest reset that heals a card after a hang of this vector."""
        drawn = _uniform(self.seed, "needs", index)
        if drawn < NEEDS_COLD:
            return ResetLevel.COLD
        return ResetLevel.WARM if drawn < NEEDS_COLD + NEEDS_WARM else None


def planned_faults(seed: int, rate: float, indexes: Iterable[int]) -> dict[int, FaultKind]:
    """Tell which vectors fail every time, and how; see `EXPECTED_STATUS`.

    Parameters
    ----------
    seed, rate : int, float
        Of ``chaos=SEED:RATE``.
    indexes : Iterable of int
        Positions in the sweep.

    Returns
    -------
    dict
        Position -> fault, for culprits only: all other vectors end as OK.
    """
    chaos = Chaos(seed, rate)
    drawn = {index: chaos.culprit(index) for index in indexes}
    return {index: kind for index, kind in drawn.items() if kind is not None}


class ChaosPlan:
    """Faults as they are drawn, with what happened before kept in files.

    Parameters
    ----------
    chaos : Chaos
        The draws.
    memory : FaultMemory
        Counts tries and firings across processes.
    """

    def __init__(self, chaos: Chaos, memory: FaultMemory) -> None:
        self._chaos, self._memory = chaos, memory

    def due(self, index: int, slot: int = 0) -> Fault | None:
        """Return the fault that fires now for a vector, and count it; none for probes.

        Raises
        ------
        CardError
            If it cannot be counted.
        """
        if index < 0:
            return None
        kind = self._chaos.culprit(index)
        if kind is not None:
            self._memory.fires(kind, index, EVERY_TIME)
            return Fault(kind, index, index)
        kind = self._chaos.transient(index, self._memory.count(f"try-{index}"))
        if kind is None:
            return None
        group = "harmless" if kind in HARMLESS else "ending"
        if not self._memory.enter(f"chaos-{group}-{index}"):
            return None
        self._memory.fires(kind, index, 1)
        seconds = SLOW_S if kind is FaultKind.SLOW else DEFAULT_SECONDS.get(kind, 0.0)
        needs = self._chaos.needs(index) if kind in HANGS else None
        return Fault(kind, index, index, seconds, 1, needs=needs)

    def due_on_card(self, kinds: Collection[FaultKind], slot: int) -> Fault | None:
        """Return the fault among `kinds` that fires now for a card, and count it.

        Raises
        ------
        CardError
            If it cannot be counted.
        """
        was_reset = f"chaos-reset-{slot}"
        if kinds == AT_RESET:
            self._memory.enter(was_reset)
        elif self._memory.leave(was_reset):
            # A reset is judged by the probe after it: its card has no second fault at once.
            return None
        what = "reset" if kinds == AT_RESET else "open"
        kind = self._chaos.card_fault(kinds, slot, self._memory.count(f"{what}-{slot}"))
        if kind is None:
            return None
        self._memory.fires(kind, slot, EVERY_TIME)
        seconds = SLOW_S if kind is FaultKind.SLOW_OPEN else DEFAULT_SECONDS.get(kind, 0.0)
        return Fault(kind, slot, slot, seconds)
