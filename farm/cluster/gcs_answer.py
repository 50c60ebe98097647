"""Ask the head of a cluster who is admitted, in a process of its own.

``python -m farm.cluster.gcs_answer HOST:PORT`` prints ``turned away``, or ``admitted`` and the
address that the head has for its nodes.  Ray reads the mode of authentication and the token once,
when it is imported, and aborts its process over a token that is missing: hence a process per
question.  With ``RAY_AUTH_MODE=disabled`` the question is whether the cluster lets anybody in.
"""

from __future__ import annotations

import sys

from farm.cluster.open_probe import ADMITTED, LONGEST_ANSWER_S, TURNED_AWAY


def ask(address: str) -> str:
    """Ask a head for its nodes, as every client does."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError

    try:
        nodes = GcsClient(address=address).get_all_node_info(timeout=LONGEST_ANSWER_S)
    except AuthenticationError:
        return TURNED_AWAY
    heads = [node for node in nodes.values() if node.is_head_node]
    heads.sort(key=lambda node: int(node.start_time_ms))
    return f"{ADMITTED} {heads[-1].node_manager_address if heads else ''}"


if __name__ == "__main__":
    print(ask(sys.argv[1]), flush=True)  # noqa: T201 - its parent reads it
