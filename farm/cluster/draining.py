"""Learns that the node of a process is about to go: preempted, drained for repair, or scaled down.

Ray tells a process so only when it is asked.  The question costs about a millisecond.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping

from ray._private.state import state
from ray.exceptions import RayError

POLL_S = 0.5
"""How long a notice may go unnoticed: short beside the 30 s that clouds give."""

logger = logging.getLogger(__name__)


def seconds_left(deadlines_ms: Mapping[str, int], node_id: str, now_s: float) -> float | None:
    """Say how long a node will still be there.

    Parameters
    ----------
    deadlines_ms : Mapping
        Node id -> wall-clock milliseconds at which it goes; 0 if nobody has said when.
    node_id : str
        The node.
    now_s : float
        Wall-clock time, seconds.

    Returns
    -------
    float or None
        Infinity if nobody has said when; None if the node is not to go.

    Examples
    --------
    >>> seconds_left({"a": 12_000}, "a", 2.0), seconds_left({"a": 0}, "a", 2.0)
    (10.0, inf)
    >>> seconds_left({"a": 12_000}, "b", 2.0) is None
    True
    """
    deadline_ms = deadlines_ms.get(node_id)
    if deadline_ms is None:
        return None
    return max(0.0, deadline_ms / 1000 - now_s) if deadline_ms else math.inf


def watch(node_id: str, on_notice: Callable[[float], None], is_over: threading.Event) -> None:
    """Call `on_notice` once, with the seconds left, when a node is to go; ends with `is_over`.

    Parameters
    ----------
    node_id : str
        The node of this process.
    on_notice : Callable
        Takes the seconds that are left, infinity if nobody has said how many.
    is_over : threading.Event
        Set when nobody cares any more.
    """
    while not is_over.wait(POLL_S):
        try:
            left_s = seconds_left(state.get_draining_nodes(), node_id, time.time())
        except (RayError, RuntimeError, OSError) as error:
            # The head is gone or on its way back: it has nothing to say.
            logger.info("cannot ask for draining nodes: %s", error)
            continue
        if left_s is not None:
            on_notice(left_s)
            return
