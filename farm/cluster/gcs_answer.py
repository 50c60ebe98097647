"""Ask the head of a cluster who is admitted, in a process of its own.

``python -m farm.cluster.gcs_answer HOST:PORT`` prints ``admitted`` or ``turned away``.  Ray reads
the mode of authentication and the token once, when it is imported, and aborts its process over a
token that is missing: hence a process per question.  With ``RAY_AUTH_MODE=disabled`` the question
is whether the cluster lets anybody in.
"""

from __future__ import annotations

import sys

from farm.cluster.open_probe import ADMITTED, TURNED_AWAY


def ask(address: str) -> str:
    """Ask for the cluster's id, which is the first thing that every client asks for."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError

    try:
        client = GcsClient(address=address)
    except AuthenticationError:
        return TURNED_AWAY
    return ADMITTED if client.cluster_id else TURNED_AWAY


if __name__ == "__main__":
    print(ask(sys.argv[1]), flush=True)  # noqa: T201 - its parent reads it
