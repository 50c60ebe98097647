"""The nodes of a cluster that have cards, as Ray tells."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class CardNode:
    """A node with cards.

    Attributes
    ----------
    node_id, host : str
        Of Ray, and the machine.
    n_cards : int
        Amount of the resource ``card``.
    is_alive : bool
        Whether Ray hears of it.
    """

    node_id: str
    host: str
    n_cards: int
    is_alive: bool


class Nodes:
    """Asks Ray now and then."""

    def __init__(self) -> None:
        self._asked_s = -_FRESH_S
        self._known: list[CardNode] = []

    def all(self, is_fresh: bool = False) -> list[CardNode]:
        """Return every node with cards that the cluster has or had.

        Parameters
        ----------
        is_fresh : bool
            Whether to ask now; otherwise the answer may be a second old.
        """
        import ray

        if is_fresh or time.monotonic() - self._asked_s >= _FRESH_S:
            self._known = [found for entry in ray.nodes() if (found := _card_node(entry))]
            self._asked_s = time.monotonic()
        return self._known

    def alive(self, is_fresh: bool = False) -> dict[str, CardNode]:
        """Return the living ones by their id."""
        return {node.node_id: node for node in self.all(is_fresh) if node.is_alive}


def _card_node(entry: dict[str, Any]) -> CardNode | None:
    n_cards = int(entry.get("Resources", {}).get("card", 0))
    if n_cards < 1:
        return None
    host = str(entry.get("NodeManagerHostname") or entry.get("NodeManagerAddress"))
    return CardNode(str(entry["NodeID"]), host, n_cards, bool(entry["Alive"]))
