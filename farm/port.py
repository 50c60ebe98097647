"""What a card and its coordinator say to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from farm.chunk import Strike
from farm.orders import Order, Verdict
from farm.store.measured import Measured

Sink = Callable[[str, Measured], None]
"""Takes (chunk_id, measured rows) of each committed chunk."""


@dataclass(frozen=True)
class Answer:
    """What the coordinator says to a card that asks for work."""

    order: Order
    verdicts: list[Verdict]


class CoordinatorPort(Protocol):
    """What a card needs of the coordinator; every call may be made twice."""

    def join(self, card: str, epoch: int, node: str = "") -> None:
        """Announce a card, and the cluster node that it is in."""

    def ask(self, card: str, epoch: int, awaiting: list[int], in_hand: list[str]) -> Answer:
        """Ask for work, and for verdicts on suspected vectors."""

    def report(self, card: str, epoch: int, state: dict[str, Any]) -> str:
        """Tell that the card lives; answers ``run``, ``drain`` or ``stop``."""

    def committed(self, chunk_id: str, counts: dict[str, int]) -> None:
        """Tell that a chunk is committed."""

    def strike(self, strike: Strike, facts: dict[str, Any]) -> None:
        """Tell that a vector was in flight when its executor hung or died."""

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Tell what became of a suspected vector."""

    def incident(self, kind: str, facts: dict[str, Any]) -> None:
        """Have an incident journalled."""

    def retire(self, card: str, epoch: int, reason: str) -> None:
        """Tell that a card cannot be healed."""

    def leave(self, card: str, epoch: int) -> None:
        """Tell that a card is gone from the run in good order; what it had leased is free."""

    def decline(self, card: str, epoch: int, kind: str, reason: str) -> None:
        """Tell that a card of a cluster is of no use to the run, which goes on without it."""

    def fail(self, message: str, exit_code: int) -> None:
        """Tell of a fault of the farm that ends the run."""
