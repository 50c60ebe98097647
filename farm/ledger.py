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
from dataclasses import dataclass
from typing import Any

from farm.chunk import Chunk, Strike
from farm.orders import Finish, Grant, Order, TrialGrant, Verdict, Wait
from farm.suspects import Suspects


@dataclass
class _Card:
    epoch: int
    heard_s: float
    is_retired: bool = False
    is_released: bool = False
    is_lost: bool = False
    has_finished: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether it is given work."""
        return not (self.is_retired or self.is_released or self.is_lost)


@dataclass
class _Lease:
    card: str
    attempt: int
    since_s: float


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
        self._suspects = Suspects(max_strikes, strikes)
        self._lease_s, self._straggler_s = lease_s, straggler_s
        self._is_draining = self._is_paused = False

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
        """Cards that have joined and are neither retired, released nor lost."""
        return sum(card.is_usable for card in self._cards.values())

    def n_second_goes(self, now_s: float) -> int:
        """Vectors that another card is to run alone, and chunks that another may measure, too."""
        n_stragglers = sum(self._is_straggler(lease, now_s) for lease in self._leases.values())
        return self._suspects.n_open_trials + n_stragglers

    def _is_straggler(self, lease: _Lease, now_s: float) -> bool:
        return now_s - lease.since_s > self._straggler_s

    @property
    def all_finished(self) -> bool:
        """Whether every card that joined was told to finish, is retired or lost."""
        cards = self._cards.values()
        return bool(cards) and all(
            card.has_finished or card.is_retired or card.is_lost for card in cards
        )

    def retired_cards(self) -> list[str]:
        """Cards that are retired."""
        return [card for card, known in self._cards.items() if known.is_retired]

    def leases(self) -> dict[str, tuple[str, int]]:
        """Leased chunks: chunk_id -> (card, attempt)."""
        return {chunk: (lease.card, lease.attempt) for chunk, lease in self._leases.items()}

    def join(self, card: str, epoch: int, now_s: float) -> None:
        """Note a card that is ready; whatever an earlier incarnation of it held is free again."""
        known = self._cards.get(card)
        if known is not None and known.epoch >= epoch:
            self.hear(card, epoch, now_s)
            return
        self._begin(card, epoch, now_s)

    def _begin(self, card: str, epoch: int, now_s: float) -> _Card:
        known = self._cards.get(card)
        self._free(card)
        # A card that could not be healed is not better for having another actor.
        is_retired = known is not None and known.is_retired
        self._cards[card] = _Card(epoch, now_s, is_retired)
        return self._cards[card]

    def hear(self, card: str, epoch: int, now_s: float) -> bool:
        """Note a sign of life; False if it comes from an incarnation that is gone.

        A card that is not known, or known by an earlier incarnation only, joins: the ledger is
        younger than the card.
        """
        known = self._cards.get(card)
        if known is None or known.epoch < epoch:
            known = self._begin(card, epoch, now_s)
        if known.epoch != epoch or known.is_lost:
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
            Chunks that the card has in hand, also those it is committing.  What else it was granted
            it does not know of, because the answer was lost on the way: that is free again.  What
            nobody has a lease of was granted before this ledger began: the card goes on with it.

        Returns
        -------
        Grant, TrialGrant, Wait or Finish
            What to do.
        """
        if not self.hear(card, epoch, now_s):
            return Finish()
        waiting = [self._chunk_of(index) for index in awaiting]
        held = {chunk.chunk_id for chunk in waiting if chunk is not None}.union(in_hand)
        self._free(card, but=held)
        self._expire(now_s)
        self._adopt(card, held, now_s)
        known = self._cards[card]
        is_done = self._is_draining or known.is_retired or self.is_complete
        if is_done or (known.is_released and not held):
            known.has_finished = True
            return Finish()
        if self._is_paused:
            return Wait()
        if known.is_released:
            # It stays until what it has in hand has its verdicts, and is committed.
            return self._next_trial(card, now_s) or Wait()
        return (
            self._next_trial(card, now_s)
            or self._next_chunk(card, now_s)
            or self._next_straggler(card, now_s, held)
            or Wait()
        )

    def _next_trial(self, card: str, now_s: float) -> TrialGrant | None:
        for index, trial in self._suspects.unassigned_trials():
            chunk = self._chunk_of(index)
            if chunk is None or chunk.chunk_id in self._committed:
                continue
            if card != trial.origin or not self._has_other_card(trial.origin, now_s):
                trial.card = card
                return TrialGrant(chunk, index, self._attempts.get(chunk.chunk_id, 0))
        return None

    def _has_other_card(self, card: str, now_s: float) -> bool:
        return any(
            other != card and known.is_usable and now_s - known.heard_s <= self._lease_s
            for other, known in self._cards.items()
        )

    def _next_chunk(self, card: str, now_s: float) -> Grant | None:
        while self._pending:
            chunk_id = self._pending.popleft()
            if chunk_id in self._committed or chunk_id in self._leases:
                continue
            return self._grant(chunk_id, card, now_s, self._leases)
        return None

    def _next_straggler(self, card: str, now_s: float, held: Collection[str]) -> Grant | None:
        """Give an idle card a second go at the chunk that has been under way the longest."""
        late = [
            (lease.since_s, chunk_id)
            for chunk_id, lease in self._leases.items()
            if lease.card != card
            and chunk_id not in self._copies
            and chunk_id not in held
            and self._is_straggler(lease, now_s)
        ]
        return self._grant(min(late)[1], card, now_s, self._copies) if late else None

    def _adopt(self, card: str, held: Iterable[str], now_s: float) -> None:
        for chunk_id in self._chunks.keys() & held:
            if chunk_id not in self._committed and chunk_id not in self._leases:
                self._grant(chunk_id, card, now_s, self._leases)

    def _grant(self, chunk_id: str, card: str, now_s: float, leases: dict[str, _Lease]) -> Grant:
        attempt = self._attempts.get(chunk_id, 0) + 1
        self._attempts[chunk_id] = attempt
        leases[chunk_id] = _Lease(card, attempt, now_s)
        chunk = self._chunks[chunk_id]
        stop = chunk.first_index + chunk.n_rows
        return Grant(chunk, attempt, self._suspects.among(chunk.first_index, stop))

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
        return self._suspects.strike(strike)

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Note what a trial measured; ignored if the trial is not this card's."""
        self._suspects.end_trial(index, card, outcome)

    def verdicts(self, indexes: Iterable[int]) -> list[Verdict]:
        """Verdicts that are known, of the vectors asked for."""
        return self._suspects.verdicts(indexes)

    def retire(self, card: str) -> None:
        """Take a card out of the run; its leases and trials are free at once."""
        self._free(card)
        if card in self._cards:
            self._cards[card].is_retired = True

    def release(self, card: str, epoch: int) -> None:
        """Give a card no more work: it commits what it has in hand and finishes."""
        known = self._cards.get(card)
        if known is not None and known.epoch == epoch:
            known.is_released = True

    def leave(self, card: str, epoch: int) -> None:
        """Note that a card, with nothing in hand, is of no use to this run."""
        self.release(card, epoch)
        known = self._cards.get(card)
        if known is not None and known.epoch == epoch:
            self._free(card)
            known.has_finished = True

    def lose(self, card: str, epoch: int) -> bool:
        """Note that an incarnation of a card is gone; its leases and trials are free at once.

        It is not listened to any more; a later incarnation joins as usual.

        Returns
        -------
        bool
            False if it was known to be gone, or is not the latest.
        """
        known = self._cards.get(card)
        if known is None or known.epoch != epoch or known.is_lost:
            return False
        self._free(card)
        known.is_lost = True
        return True

    def drain(self) -> None:
        """Grant nothing any more."""
        self._is_draining = True

    def pause(self, is_paused: bool) -> None:
        """Grant nothing until told otherwise; cards go on with what they have, and wait."""
        self._is_paused = is_paused

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
        self._suspects.free(card)

    def _expire(self, now_s: float) -> None:
        for card, known in self._cards.items():
            if not known.is_retired and not known.is_lost and now_s - known.heard_s > self._lease_s:
                self._free(card)
