"""Pure: who measures what.  Events in, orders out; no I/O, no clock, no Ray.

The ledger knows chunks, cards, leases and strikes.  It is a cache: built from the chunks of a sweep
and the set of committed ones, it can be thrown away at any time.

A chunk is PENDING, LEASED or COMMITTED.  A lease expires when its card has not been heard of for
`lease_s`; the chunk is then pending again, under a higher attempt.  A commit counts whoever makes
it: the results directory has already decided who was first.

A vector that was in flight when its executor hung or died gets a *strike* and becomes a suspect:
its chunk goes on without it, and a *trial* runs it alone on another card (on the same one if it is
the only one left).  What the trial finds is the verdict; a vector is condemned with status HANG or
CRASH once it has `max_strikes` strikes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from farm.chunk import Chunk, Strike


@dataclass(frozen=True, slots=True)
class Grant:
    """Order: measure the rows of a chunk, but for its suspects, and commit it."""

    chunk: Chunk
    attempt: int
    suspects: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialGrant:
    """Order: measure one suspected vector alone and report what became of it."""

    chunk: Chunk
    index: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Order: nothing to do at the moment; ask again."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Order: nothing is left for this card; close it."""


Order = Grant | TrialGrant | Wait | Finish


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a suspected vector.

    Attributes
    ----------
    index : int
        The vector, by its index in the sweep.
    condemned : str or None
        HANG or CRASH if it used up its strikes.
    evidence : str
        The strikes in words.
    outcome : dict or None
        Otherwise the outcome row that a trial measured.
    """

    index: int
    condemned: str | None
    evidence: str
    outcome: dict[str, Any] | None = None


@dataclass
class _Card:
    epoch: int
    heard_s: float
    is_retired: bool = False
    has_finished: bool = False


@dataclass
class _Lease:
    card: str
    attempt: int
    since_s: float


@dataclass
class _Trial:
    origin: str
    card: str | None = None
    outcome: dict[str, Any] | None = None
    is_over: bool = False


@dataclass
class _Suspect:
    strikes: list[Strike] = field(default_factory=list)
    trial: _Trial | None = None


class Ledger:
    """State of a run.

    Parameters
    ----------
    chunks : Iterable of Chunk
        All chunks, in the order in which they are to be leased.
    committed : set of str
        Names of those that are committed.
    max_strikes : int
        Strikes that condemn a vector.
    lease_s : float
        Silence after which a card's leases expire.
    strikes : Iterable of Strike
        Strikes of earlier runs, from the journal.
    straggler_s : float
        Age of a lease after which an idle card may measure its chunk, too; the first commit wins.
    """

    def __init__(
        self,
        chunks: Iterable[Chunk],
        committed: set[str],
        max_strikes: int = 2,
        lease_s: float = 30.0,
        strikes: Iterable[Strike] = (),
        straggler_s: float = math.inf,
    ) -> None:
        self._chunks = {chunk.chunk_id: chunk for chunk in chunks}
        self._by_index = sorted(self._chunks.values(), key=lambda chunk: chunk.first_index)
        self._committed = committed & self._chunks.keys()
        self._pending = deque(c for c in self._chunks if c not in self._committed)
        self._leases: dict[str, _Lease] = {}
        self._copies: dict[str, _Lease] = {}
        self._attempts: dict[str, int] = {}
        self._cards: dict[str, _Card] = {}
        self._suspects: dict[int, _Suspect] = {}
        self._max_strikes, self._lease_s, self._straggler_s = max_strikes, lease_s, straggler_s
        self._is_draining = self._is_paused = False
        for strike in strikes:
            self._add_strike(strike)

    @property
    def n_chunks(self) -> int:
        """Chunks of the sweep."""
        return len(self._chunks)

    @property
    def n_committed(self) -> int:
        """Committed chunks."""
        return len(self._committed)

    @property
    def is_complete(self) -> bool:
        """Whether every chunk is committed."""
        return len(self._committed) == len(self._chunks)

    @property
    def n_usable_cards(self) -> int:
        """Cards that have joined and are not retired."""
        return sum(not card.is_retired for card in self._cards.values())

    @property
    def all_finished(self) -> bool:
        """Whether every card that joined was told to finish or is retired."""
        cards = self._cards.values()
        return bool(cards) and all(card.has_finished or card.is_retired for card in cards)

    def leases(self) -> dict[str, tuple[str, int]]:
        """Leased chunks: chunk_id -> (card, attempt)."""
        return {chunk: (lease.card, lease.attempt) for chunk, lease in self._leases.items()}

    def join(self, card: str, epoch: int, now_s: float) -> None:
        """Note a card that is ready; whatever an earlier incarnation of it held is free again."""
        known = self._cards.get(card)
        if known is not None and known.epoch >= epoch:
            self.hear(card, epoch, now_s)
            return
        self._free(card)
        self._cards[card] = _Card(epoch, now_s)

    def hear(self, card: str, epoch: int, now_s: float) -> bool:
        """Note a sign of life; False if it comes from an incarnation that is gone.

        A card that is not known, or known by an earlier incarnation only, joins: the ledger is
        younger than the card.
        """
        known = self._cards.get(card)
        if known is None or known.epoch < epoch:
            self._free(card)
            known = self._cards[card] = _Card(epoch, now_s)
        if known.epoch != epoch:
            return False
        known.heard_s = now_s
        return True

    def ask(
        self,
        card: str,
        epoch: int,
        now_s: float,
        awaiting: Iterable[int] = (),
        in_hand: Iterable[str] = (),
    ) -> Order:
        """Give a card its next order.

        Parameters
        ----------
        card : str
            Who asks.
        epoch : int
            Its incarnation.
        now_s : float
            Monotonic time, seconds.
        awaiting : Iterable of int
            Suspects in the chunks that the card has in hand.
        in_hand : Iterable of str
            Chunks that the card has in hand without suspects: those it is committing.  What else
            it was granted it does not know of, because the answer was lost on the way: that is
            free again.

        Returns
        -------
        Grant, TrialGrant, Wait or Finish
            What to do.
        """
        if not self.hear(card, epoch, now_s):
            return Finish()
        waiting = [self._chunk_of(index) for index in awaiting]
        known_of = {chunk.chunk_id for chunk in waiting if chunk is not None}
        self._free(card, but=known_of.union(in_hand))
        self._expire(now_s)
        known = self._cards[card]
        if self._is_draining or known.is_retired or self.is_complete:
            known.has_finished = True
            return Finish()
        if self._is_paused:
            return Wait()
        return (
            self._next_trial(card, now_s)
            or self._next_chunk(card, now_s)
            or self._next_straggler(card, now_s)
            or Wait()
        )

    def _next_trial(self, card: str, now_s: float) -> TrialGrant | None:
        for index, suspect in self._suspects.items():
            trial = suspect.trial
            if trial is None or trial.is_over or trial.card is not None:
                continue
            chunk = self._chunk_of(index)
            if chunk is None or chunk.chunk_id in self._committed:
                continue
            if card != trial.origin or not self._has_other_card(trial.origin, now_s):
                trial.card = card
                return TrialGrant(chunk, index, self._attempts.get(chunk.chunk_id, 0))
        return None

    def _has_other_card(self, card: str, now_s: float) -> bool:
        return any(
            other != card and not known.is_retired and now_s - known.heard_s <= self._lease_s
            for other, known in self._cards.items()
        )

    def _next_chunk(self, card: str, now_s: float) -> Grant | None:
        while self._pending:
            chunk_id = self._pending.popleft()
            if chunk_id in self._committed or chunk_id in self._leases:
                continue
            return self._grant(chunk_id, card, now_s, self._leases)
        return None

    def _next_straggler(self, card: str, now_s: float) -> Grant | None:
        """Give an idle card a second go at the chunk that has been under way the longest."""
        late = [
            (lease.since_s, chunk_id)
            for chunk_id, lease in self._leases.items()
            if lease.card != card
            and chunk_id not in self._copies
            and now_s - lease.since_s > self._straggler_s
        ]
        return self._grant(min(late)[1], card, now_s, self._copies) if late else None

    def _grant(self, chunk_id: str, card: str, now_s: float, leases: dict[str, _Lease]) -> Grant:
        attempt = self._attempts.get(chunk_id, 0) + 1
        self._attempts[chunk_id] = attempt
        leases[chunk_id] = _Lease(card, attempt, now_s)
        chunk = self._chunks[chunk_id]
        stop = chunk.first_index + chunk.n_rows
        suspects = tuple(i for i in self._suspects if chunk.first_index <= i < stop)
        return Grant(chunk, attempt, suspects)

    def commit(self, chunk_id: str) -> None:
        """Note that a chunk's results are in the directory."""
        if chunk_id in self._chunks:
            self._committed.add(chunk_id)
            self._leases.pop(chunk_id, None)
            self._copies.pop(chunk_id, None)

    def give_back(self, chunk_id: str, attempt: int) -> None:
        """Take back a lease that its card cannot fulfil."""
        lease = self._leases.get(chunk_id)
        if lease is not None and lease.attempt == attempt:
            del self._leases[chunk_id]
            self._pending.appendleft(chunk_id)

    def strike(self, strike: Strike) -> bool:
        """Note that a vector was in flight when its executor hung or died.

        Returns
        -------
        bool
            False if this very strike was known, or the vector already has its verdict.
        """
        return self._add_strike(strike)

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Note what a trial measured; ignored if the trial is not this card's."""
        suspect = self._suspects.get(index)
        trial = suspect.trial if suspect else None
        if trial is not None and trial.card == card and not trial.is_over:
            trial.outcome, trial.is_over = outcome, True

    def verdicts(self, indexes: Iterable[int]) -> list[Verdict]:
        """Verdicts that are known, of the vectors asked for."""
        found: list[Verdict] = []
        for index in indexes:
            suspect = self._suspects.get(index)
            if suspect is None or suspect.trial is None or not suspect.trial.is_over:
                continue
            evidence = "; ".join(f"{s.kind} on {s.card}: {s.evidence}" for s in suspect.strikes)
            outcome = suspect.trial.outcome
            condemned = _commonest([s.kind for s in suspect.strikes]) if outcome is None else None
            found.append(Verdict(index, condemned, evidence, outcome))
        return found

    def retire(self, card: str) -> None:
        """Take a card out of the run; its leases and trials are free at once."""
        self._free(card)
        if card in self._cards:
            self._cards[card].is_retired = True

    def drain(self) -> None:
        """Grant nothing any more."""
        self._is_draining = True

    def pause(self, is_paused: bool) -> None:
        """Grant nothing until told otherwise; cards go on with what they have, and wait."""
        self._is_paused = is_paused

    def _add_strike(self, strike: Strike) -> bool:
        suspect = self._suspects.setdefault(strike.index, _Suspect())
        is_known = any(s.strike_id == strike.strike_id for s in suspect.strikes)
        if is_known or (suspect.trial is not None and suspect.trial.is_over):
            return False
        suspect.strikes.append(strike)
        is_condemned = len(suspect.strikes) >= self._max_strikes
        suspect.trial = _Trial(origin=strike.card, is_over=is_condemned)
        return True

    def _chunk_of(self, index: int) -> Chunk | None:
        position = bisect_right(self._by_index, index, key=lambda chunk: chunk.first_index) - 1
        chunk = self._by_index[max(0, position)]
        is_inside = chunk.first_index <= index < chunk.first_index + chunk.n_rows
        return chunk if is_inside else None

    def _free(self, card: str, but: Collection[str] = ()) -> None:
        for chunk_id in [c for c, copy in self._copies.items() if copy.card == card]:
            if chunk_id not in but:
                del self._copies[chunk_id]
        held = [c for c, lease in self._leases.items() if lease.card == card and c not in but]
        for chunk_id in held:
            del self._leases[chunk_id]
            if chunk_id in self._copies:
                self._leases[chunk_id] = self._copies.pop(chunk_id)
            else:
                self._pending.appendleft(chunk_id)
        for suspect in self._suspects.values():
            trial = suspect.trial
            if trial is not None and trial.card == card and not trial.is_over:
                trial.card = None

    def _expire(self, now_s: float) -> None:
        for card, known in self._cards.items():
            if not known.is_retired and now_s - known.heard_s > self._lease_s:
                self._free(card)


def _commonest(kinds: list[str]) -> str:
    """Return what happened most often; of equals, what happened last."""
    return max(reversed(kinds), key=kinds.count)
