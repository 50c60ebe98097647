"""Ask the runs at work on a cluster what they look like, in a process of its own.

``python -m farm.cluster.runs_answer ADDRESS EVERY_S PARENT_PID`` writes one line with a JSON list
of snapshots (`farm.store.live`) each time, until its parent is gone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from farm.parent_death import end_with_parent

NAMESPACE_PREFIX = "sweepfarm"
COORDINATOR = "coordinator"

_ANSWER_S = 5.0


def _ask_all(ray: Any) -> list[dict[str, Any]]:
    """Ask every coordinator of the cluster for its run's snapshot; who does not answer has none."""
    from ray.util import list_named_actors

    asked = []
    for actor in list_named_actors(all_namespaces=True):
        if actor["name"] == COORDINATOR and actor["namespace"].startswith(NAMESPACE_PREFIX):
            try:
                handle = ray.get_actor(COORDINATOR, namespace=actor["namespace"])
            except ValueError:  # it has ended meanwhile
                continue
            asked.append(handle.noted.remote())
    answered = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_S)[0] if asked else []
    found = []
    for reference in answered:
        try:
            noted = ray.get(reference)
        except ray.exceptions.RayError:
            continue
        if noted:
            found.append(noted)
    return sorted(found, key=lambda snapshot: str(snapshot["run_id"]))


def main() -> None:
    """Entry point of the child process."""
    end_with_parent(int(sys.argv[3]))
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    sys.stdout = sys.stderr  # whatever Ray says is not for our reader
    import ray

    ray.init(
        address=sys.argv[1],
        namespace=f"{NAMESPACE_PREFIX}-status",
        log_to_driver=False,
        logging_level="ERROR",
    )
    while True:
        out.write(json.dumps(_ask_all(ray)) + "\n")
        out.flush()
        time.sleep(float(sys.argv[2]))


if __name__ == "__main__":
    main()
