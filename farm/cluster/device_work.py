"""What an actor does on a node of a cluster: claim a card, and work on it in a thread."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

import ray

from farm import logs
from farm.actor import COORDINATOR, AnalysisSink, RemoteCoordinator, analysis_name
from farm.card.runner import CardRunner, End
from farm.cluster import claim, draining
from farm.errors import FarmError
from farm.ray_environment import restore_home
from farm.settings import RunSettings

logger = logging.getLogger(__name__)

REFUSED = "refused"


def this_node() -> claim.Node:
    """Describe the node that this process is on."""
    node_id = ray.get_runtime_context().get_node_id()
    entry: dict[str, Any] = next((n for n in ray.nodes() if n["NodeID"] == node_id), {})
    n_cards = int(entry.get("Resources", {}).get("card", 1))
    return claim.Node(node_id, socket.gethostname(), max(1, n_cards))


class DeviceWork:
    """One card of a cluster, to be found where this process is.

    Parameters
    ----------
    version : str
        Sweepfarm's, where the driver runs.
    settings : str
        `RunSettings` as JSON.
    token : str
        What the sweep directory shows if it is the driver's.
    """

    def __init__(self, version: str, settings: str, token: str) -> None:
        restore_home()
        known = RunSettings.from_json(settings)
        logs.configure(known.log_level, run=known.run_id)
        self._version, self._settings, self._token = version, settings, token
        self._claimed: dict[str, Any] = {}
        self._ended: dict[str, Any] = {}
        self._is_claimed, self._is_ended = threading.Event(), threading.Event()
        self._node = this_node()
        threading.Thread(target=self._live, name="runner", daemon=True).start()

    def claimed(self) -> dict[str, Any]:
        """Wait for a card; returns ``node_id``, ``host``, and the card or a refusal."""
        self._is_claimed.wait()
        return self._claimed

    def ended(self) -> dict[str, Any]:
        """Wait for the end of the work; returns ``end`` and ``reason``."""
        self._is_ended.wait()
        return self._ended

    def _live(self) -> None:
        try:
            end, reason = map(str, self._work())
        except FarmError as error:
            end, reason = REFUSED, str(error)
        except Exception as error:
            logger.exception("the actor failed before it had a card")
            end, reason = REFUSED, f"{type(error).__name__}: {error}"
        if end == REFUSED:
            self._say_claimed(name=self._node.host, refusal=reason)
        self._ended = {"end": str(end), "reason": reason}
        self._is_ended.set()

    def _work(self) -> tuple[End, str]:
        claim.require_same_version(self._version)
        settings = RunSettings.from_json(self._settings)
        directory = claim.open_shared(settings, self._token)
        slots = claim.slots_of(self._node, settings.device_kind, settings.device_options)
        coordinator = RemoteCoordinator(ray.get_actor(COORDINATOR))
        usable = claim.without_retired(slots, coordinator.retired())
        claimed = claim.claim_one(usable, settings.directory)
        workers = [ray.get_actor(analysis_name(i)) for i in range(settings.n_analysis_workers)]
        sink = AnalysisSink(workers)
        runner = CardRunner(claimed.slot, directory, settings, coordinator, sink)
        slot = claimed.slot
        logs.configure_card(settings.log_level, settings.directory, settings.run_id, slot.card)
        self._say_claimed(name=slot.node, card=slot.card, epoch=runner.epoch)
        watched = (self._node.node_id, runner.leave, self._is_ended)
        threading.Thread(target=draining.watch, args=watched, daemon=True).start()
        return runner.run()

    def _say_claimed(self, **facts: Any) -> None:
        self._claimed = {"node_id": self._node.node_id, "host": self._node.host, **facts}
        self._is_claimed.set()
