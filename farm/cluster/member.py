"""One actor of the fleet: asked for, at work, leaving, or of no use where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Where an actor is in its life."""

    PENDING = "pending"
    WORKING = "working"
    LEAVING = "leaving"
    PARKED = "parked"


@dataclass
class Member:
    """What the driver knows of an actor.

    Attributes
    ----------
    actor : ray.actor.ActorHandle
        The actor.
    claimed, ended : ray.ObjectRef or None
        Answers that it has been asked for; None once they are there.
    asked_s : float
        When it was asked for, monotonic.
    phase : Phase
        Where it is in its life.
    node_id, node, host : str
        The Ray node that it is on, its name in card names, and the machine; empty while pending.
    card, epoch : str, int
        The card that it has claimed, and its incarnation.
    reason : str
        Why it is parked.
    retry_s : float
        When to try again what it is parked for, monotonic.
    """

    actor: Any
    claimed: Any
    ended: Any
    asked_s: float
    phase: Phase = Phase.PENDING
    node_id: str = ""
    node: str = ""
    host: str = ""
    card: str = ""
    epoch: int = 0
    reason: str = ""
    retry_s: float = math.inf

    @property
    def incarnation(self) -> tuple[str, int]:
        """Card and epoch, as the coordinator knows it."""
        return self.card, self.epoch

    def place(self, claimed: dict[str, Any]) -> None:
        """Note where it has started, and with which card if it has one."""
        self.claimed = None
        self.node_id, self.host = str(claimed["node_id"]), str(claimed["host"])
        self.node = str(claimed["name"])
        if "card" in claimed:
            self.phase = Phase.WORKING
            self.card, self.epoch = str(claimed["card"]), int(claimed["epoch"])

    def park(self, reason: str, retry_s: float = math.inf) -> None:
        """Leave it where it is, doing nothing, at least until `retry_s`."""
        self.phase, self.reason, self.retry_s = Phase.PARKED, reason, retry_s


def least_needed(members: list[Member], idle_cards: set[str], n: int) -> list[Member]:
    """Choose the actors to let go of: those on their way first, then those on the emptiest nodes.

    Parameters
    ----------
    members : list of Member
        Pending and working ones.
    idle_cards : set of str
        Cards that have nothing in hand.
    n : int
        How many to choose.
    """
    busy_on: dict[str, int] = {}
    cards_on: dict[str, int] = {}
    for member in members:
        if member.phase is Phase.WORKING:
            busy = member.card not in idle_cards
            busy_on[member.node_id] = busy_on.get(member.node_id, 0) + busy
            cards_on[member.node_id] = cards_on.get(member.node_id, 0) + 1

    def need(member: Member) -> tuple[bool, int, int, str, bool, float]:
        return (
            member.phase is Phase.WORKING,
            busy_on.get(member.node_id, 0),
            cards_on.get(member.node_id, 0),
            member.node_id,
            member.card not in idle_cards,
            -member.asked_s,
        )

    return sorted(members, key=need)[: max(0, n)]
