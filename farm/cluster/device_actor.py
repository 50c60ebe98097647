"""The Ray edge of a card in a cluster: an actor that claims a card of its node and works on it.

It drives itself.  Two calls wait for it: `ClaimingDeviceActor.claimed` returns once it is decided
whether there is a card for it, `ClaimingDeviceActor.ended` once its work is over.  An actor that is
of no use stays where it is, holding its share of the node, until the fleet ends it: that keeps
others from being sent there in its place.

This module travels to the nodes by value, and imports nothing of the farm before it is there: so a
node without Sweepfarm, or with a broken one, says so like any other that cannot be used.
"""

from __future__ import annotations

import socket
from typing import Any


class ClaimingDeviceActor:
    """Starts `farm.cluster.device_work.DeviceWork` where Ray has placed it.

    Parameters
    ----------
    version, settings, token : str
        See there.
    """

    def __init__(self, version: str, settings: str, token: str) -> None:
        import ray

        self._work: Any = None
        self._refusal: dict[str, Any] = {}
        try:
            from farm.cluster.device_work import DeviceWork

            self._work = DeviceWork(version, settings, token)
        except Exception as error:
            host = socket.gethostname()
            self._refusal = {
                "node_id": ray.get_runtime_context().get_node_id(),
                "host": host,
                "name": host,
                "refusal": f"Sweepfarm {version} is not installed there: {error}",
            }

    def claimed(self) -> dict[str, Any]:
        """Wait for a card; returns ``node_id``, ``host``, and the card or a refusal."""
        return dict(self._work.claimed()) if self._work is not None else self._refusal

    def ended(self) -> dict[str, Any]:
        """Wait for the end of the work; returns ``end`` and ``reason``."""
        if self._work is None:
            return {"end": "refused", "reason": self._refusal["refusal"]}
        return dict(self._work.ended())
