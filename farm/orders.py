"""What the ledger tells a card to do, and what it has found out about a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from farm.chunk import Chunk


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
