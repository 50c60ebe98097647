"""The cards of a run on this machine alone: one actor per card, from the beginning to the end."""

from __future__ import annotations

from typing import Any

import ray

from farm.actor import DeviceActor
from farm.settings import RunSettings

_CLOSE_S = 15.0


class Crew:
    """Does for a run on this machine what `farm.cluster.fleet.Fleet` does in a cluster.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    """

    def __init__(self, settings: RunSettings) -> None:
        # Never retried by Ray: a lease decides what runs again.
        self._actors = [
            ray.remote(DeviceActor)
            .options(
                num_cpus=0,
                resources={"card": 1},
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=2,
            )
            .remote(slot, settings.to_json())
            for slot in settings.slots
        ]

    def tend(self, state: dict[str, Any], is_ending: bool) -> None:
        """Do nothing: Ray restarts actors, and their number is given."""

    def limit(self, n_cards: int | None) -> None:
        """Do nothing: the cards were chosen when the run began."""

    def describe(self) -> dict[str, Any]:
        """There is no cluster to describe."""
        return {}

    def waiting(self) -> str:
        """Nothing is waited for."""
        return ""

    @property
    def is_at_work(self) -> bool:
        """Whether a card may have work in hand."""
        return True

    def close(self) -> None:
        """Wait for the actors to let go of their cards, for a while."""
        waiting = [actor.wait.remote(_CLOSE_S) for actor in self._actors]
        ray.wait(waiting, num_returns=len(waiting), timeout=_CLOSE_S)
