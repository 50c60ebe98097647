"""What the model of the ledger's tests knows about cards."""

from __future__ import annotations

from dataclasses import dataclass, field

from farm.chunk import Chunk
from farm.orders import TrialGrant


@dataclass
class Job:
    """A chunk in the hands of a card."""

    chunk: Chunk
    awaiting: set[int]
    is_measured: bool = False


@dataclass
class Card:
    """What a card knows, and what the model knows about it."""

    epoch: int = 0
    is_alive: bool = False
    is_retired: bool = False
    is_released: bool = False
    heard_s: float = 0.0
    jobs: dict[str, Job] = field(default_factory=dict)
    leased: set[str] = field(default_factory=set)
    trial: TrialGrant | None = None

    @property
    def is_busy(self) -> bool:
        return self.trial is not None or any(not job.is_measured for job in self.jobs.values())

    @property
    def awaiting(self) -> list[int]:
        return [index for job in self.jobs.values() for index in job.awaiting]

    def die(self) -> None:
        self.is_alive = False
        self.jobs.clear()
        self.trial = None
