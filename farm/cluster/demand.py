"""Pure: how many cards a run is worth at the moment.

A card that is asked for works only once its node and its actor are up.  By then the cards at
work have done a part of what is left; the newcomer has to find a chunk to measure, and at least as
much work as its start took.  With `n` cards at work, `left` chunks of `c` seconds and a start of
`s` seconds, `k` more cards are worth while if ::

    k * max(c, s) <= left * c - n * s        and        n + k <= left

Growth is bounded to a doubling at a time, so that a run without a limit does not ask for thousands
of cards before the first chunk is measured.  What was asked for is given up only when there are
fewer chunks than cards: chunks only ever become fewer, so that demand falls once and does not flap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

FIRST_CARDS = 8
"""Most cards to wait for while fewer are at work."""

START_S = 30.0
"""Guess of the time from asking for a card to its first chunk, until one was observed."""

_PACE_MEMORY_S = 60.0
_MOST_STARTS = 9


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do, and who is at it.

    Attributes
    ----------
    n_left : int
        Chunks that are not committed.
    n_at_work : int
        Cards that have a chunk or are opening.
    chunk_s : float or None
        Card seconds per chunk; None until it was observed.
    start_s : float
        Expected seconds from asking for a card to its first chunk.
    max_cards : int or None
        Upper limit; None for none.
    n_second_goes : int
        Chunks and vectors that wait for another card than the one that has them.
    n_places : int or None
        Cards that the cluster has, if it is not to grow for this run; None if it may.
    """

    n_left: int
    n_at_work: int
    chunk_s: float | None = None
    start_s: float = START_S
    max_cards: int | None = None
    n_second_goes: int = 0
    n_places: int | None = None

    @property
    def most_cards(self) -> int:
        """Cards that can find something to do."""
        n_most = self.n_left + self.n_second_goes if self.n_left else 0
        limits = [n for n in (self.max_cards, self.n_places) if n is not None]
        return min(n_most, *limits) if limits else n_most


def wanted_cards(work: Work, n_wanted: int) -> int:
    """Decide how many cards to have, at work or on their way.

    Parameters
    ----------
    work : Work
        What there is to do.
    n_wanted : int
        What was decided last.

    Returns
    -------
    int
        Never more than `Work.most_cards`.
    """
    return max(0, min(work.most_cards, max(n_wanted, _justified(work))))


def _justified(work: Work) -> int:
    n_most = work.n_at_work + max(FIRST_CARDS, work.n_at_work)
    n_more = work.n_left - work.n_at_work
    if work.chunk_s is not None and work.chunk_s > 0:
        left_s = work.n_left * work.chunk_s - work.n_at_work * work.start_s
        n_more = min(n_more, math.floor(left_s / max(work.chunk_s, work.start_s)))
    # Somebody has to do what is left, however little it is, and another one what is held up.
    return min(n_most, max(1 + work.n_second_goes, work.n_at_work + n_more))


@dataclass(frozen=True, slots=True)
class Pace:
    """Card seconds per chunk, over the last minute or so.

    Attributes
    ----------
    card_s, n_chunks : float
        Time that cards were at work, and the chunks that were committed meanwhile; both fade.
    last_s : float or None
        When it was last observed, monotonic.
    n_committed : int
        Chunks committed by then.
    """

    card_s: float = 0.0
    n_chunks: float = 0.0
    last_s: float | None = None
    n_committed: int = 0

    def observed(self, now_s: float, n_at_work: int, n_committed: int) -> Pace:
        """Take in how things stand.

        Parameters
        ----------
        now_s : float
            Monotonic time, seconds.
        n_at_work : int
            Cards that have been measuring since the last observation.
        n_committed : int
            Chunks committed so far.

        Returns
        -------
        Pace
            The new one.
        """
        if self.last_s is None:
            return replace(self, last_s=now_s, n_committed=n_committed)
        passed_s = max(0.0, now_s - self.last_s)
        fade = 0.5 ** (passed_s / _PACE_MEMORY_S)
        n_new = max(0, n_committed - self.n_committed)
        return Pace(
            self.card_s * fade + n_at_work * passed_s,
            self.n_chunks * fade + n_new,
            now_s,
            n_committed,
        )

    @property
    def chunk_s(self) -> float | None:
        """Seconds of one card per chunk; None until a chunk was committed."""
        # Less than half a chunk in memory says nothing: everything has faded.
        return self.card_s / self.n_chunks if self.n_chunks >= 0.5 else None


@dataclass(frozen=True, slots=True)
class Starts:
    """How long the latest cards took from being asked for to being claimed.

    Attributes
    ----------
    seconds : tuple of float
        The latest, oldest first.
    """

    seconds: tuple[float, ...] = ()

    def observed(self, start_s: float) -> Starts:
        """Take in one start."""
        return Starts((*self.seconds, max(0.0, start_s))[-_MOST_STARTS:])

    @property
    def expected_s(self) -> float:
        """Median of the latest, or the guess."""
        if not self.seconds:
            return START_S
        return sorted(self.seconds)[len(self.seconds) // 2]
