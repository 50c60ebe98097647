"""Notices that this process itself was stopped: by SIGSTOP, a paused virtual machine, a suspend.

Monotonic time goes on meanwhile.  What a watchdog then takes for a hang of its neighbour, which was
stopped with it, is its own absence.
"""

from __future__ import annotations

import threading
import time

TICK_S = 0.1
ABSENT_NS = 1_000_000_000
"""Time without a tick from which on the process was away; a busy host is late by less."""


def overlap_ns(first: tuple[int, int], second: tuple[int, int]) -> int:
    """Length of what two intervals have in common, ns.

    Examples
    --------
    >>> overlap_ns((0, 10), (4, 20)), overlap_ns((0, 10), (10, 20)), overlap_ns((3, 5), (0, 9))
    (6, 0, 2)
    """
    return max(0, min(first[1], second[1]) - max(first[0], second[0]))


class AbsenceClock:
    """Ticks in a thread of its own until `is_over` is set, and remembers the latest absence.

    Parameters
    ----------
    is_over : threading.Event
        Set when nobody asks any more.
    """

    def __init__(self, is_over: threading.Event) -> None:
        self._is_over = is_over
        self._tick_ns = time.monotonic_ns()
        self._latest = (0, 0)
        threading.Thread(target=self._tick, daemon=True, name="absence").start()

    def latest(self, now_ns: int) -> tuple[int, int]:
        """Beginning and end of the latest absence, monotonic, ns; equal if there was none."""
        if now_ns - self._tick_ns > ABSENT_NS:
            return self._tick_ns, now_ns
        return self._latest

    def _tick(self) -> None:
        while not self._is_over.wait(TICK_S):
            now_ns = time.monotonic_ns()
            self._latest = self.latest(now_ns)
            self._tick_ns = now_ns
