"""Pure: vectors that were in flight when their executor was lost, and what became of them.

A vector that hangs or crashes its executor gets a *strike*; a *trial* runs it alone.  It is
condemned once it has `max_strikes` strikes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from farm.chunk import Strike
from farm.orders import Verdict


@dataclass
class Trial:
    """A run of one suspected vector alone.

    Attributes
    ----------
    origin : str
        Card on which the vector got its last strike.
    card : str or None
        Card that runs it.
    outcome : dict or None
        What was measured.
    is_over : bool
        Whether the vector has its verdict.
    """

    origin: str
    card: str | None = None
    outcome: dict[str, Any] | None = None
    is_over: bool = False


@dataclass
class _Suspect:
    trial: Trial
    strikes: list[Strike] = field(default_factory=list)


class Suspects:
    """Strikes, trials and verdicts of a run.

    Parameters
    ----------
    max_strikes : int
        Strikes that condemn a vector.
    strikes : Iterable of Strike
        Strikes of earlier runs.
    """

    def __init__(self, max_strikes: int, strikes: Iterable[Strike] = ()) -> None:
        self._max_strikes = max_strikes
        self._suspects: dict[int, _Suspect] = {}
        for strike in strikes:
            self.strike(strike)

    @property
    def n_open_trials(self) -> int:
        """Vectors without a verdict."""
        return sum(not suspect.trial.is_over for suspect in self._suspects.values())

    def strike(self, strike: Strike) -> bool:
        """Note a strike; False if it was known, or the vector already has its verdict."""
        suspect = self._suspects.setdefault(strike.index, _Suspect(Trial(strike.card)))
        is_known = any(known.strike_id == strike.strike_id for known in suspect.strikes)
        if is_known or suspect.trial.is_over:
            return False
        suspect.strikes.append(strike)
        is_condemned = len(suspect.strikes) >= self._max_strikes
        suspect.trial = Trial(origin=strike.card, is_over=is_condemned)
        return True

    def among(self, start: int, stop: int) -> tuple[int, ...]:
        """Suspected vectors whose index is in a half-open range."""
        return tuple(index for index in self._suspects if start <= index < stop)

    def unassigned_trials(self) -> Iterator[tuple[int, Trial]]:
        """Vectors that wait for a card to run them alone, with their trials."""
        for index, suspect in self._suspects.items():
            if not suspect.trial.is_over and suspect.trial.card is None:
                yield index, suspect.trial

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Note what a trial measured; ignored if the trial is not this card's."""
        suspect = self._suspects.get(index)
        if suspect is not None and suspect.trial.card == card and not suspect.trial.is_over:
            suspect.trial.outcome, suspect.trial.is_over = outcome, True

    def free(self, card: str) -> None:
        """Take a card's trials away from it."""
        for suspect in self._suspects.values():
            if suspect.trial.card == card and not suspect.trial.is_over:
                suspect.trial.card = None

    def verdicts(self, indexes: Iterable[int]) -> list[Verdict]:
        """Verdicts that are known, of the vectors asked for."""
        found: list[Verdict] = []
        for index in indexes:
            suspect = self._suspects.get(index)
            if suspect is None or not suspect.trial.is_over:
                continue
            evidence = "; ".join(f"{s.kind} on {s.card}: {s.evidence}" for s in suspect.strikes)
            outcome = suspect.trial.outcome
            condemned = _commonest([s.kind for s in suspect.strikes]) if outcome is None else None
            found.append(Verdict(index, condemned, evidence, outcome))
        return found


def _commonest(kinds: list[str]) -> str:
    """Return what happened most often; of equals, what happened last."""
    return max(reversed(kinds), key=kinds.count)
