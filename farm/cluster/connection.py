"""Join a cluster as its driver.

The environment has been set, and the cluster been asked whether it admits us, before Ray was
imported: that is the supervisor's part.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from farm.errors import ClusterError
from farm.settings import RunSettings

ON_HEAD = {"node:__internal_head__": 0.001}
"""Resources of what must not run on nodes that come and go."""


def namespace(directory: str) -> str:
    """Name under which the actors of one driver find each other.

    Several runs share a cluster, and the actors of a driver that died are not to be taken for those
    of its successor.
    """
    digest = hashlib.sha256(directory.encode()).hexdigest()[:12]
    return f"sweepfarm-{digest}-{secrets.token_hex(4)}"


def join(settings: RunSettings) -> None:
    """Connect this process to the cluster of a run.

    Raises
    ------
    ClusterError
        If there is none, this machine is not one of its nodes, or its software differs.
    """
    import ray

    try:
        ray.init(
            address=settings.address,
            namespace=namespace(settings.directory),
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:
        raise ClusterError(explained(settings.address, error)) from error
    _require_head(ray)


def explained(address: str, error: Exception) -> str:
    """Say in one line why a cluster could not be joined, and what to do."""
    text = " ".join(str(error).split())
    if "Version mismatch" in text:
        return (
            f"the cluster at {address} has other software than this host: {text}. Install the same "
            f"versions of Ray and Python everywhere"
        )
    return (
        f"the cluster at {address} cannot be joined: {text or type(error).__name__}. Start `farm "
        f"run` on one of its nodes, such as the head"
    )


def _require_head(ray: Any) -> None:
    if not any("node:__internal_head__" in node.get("Resources", {}) for node in ray.nodes()):
        raise ClusterError("the cluster has no head that Ray knows of; start it again")
