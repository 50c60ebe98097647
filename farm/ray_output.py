"""What Ray prints, kept off the terminal and out of events."""

from __future__ import annotations

from collections.abc import Callable


def quiet(log: Callable[[str], None]) -> None:
    """Send what Ray would print on standard output to a log function instead."""
    import ray._private.worker as ray_worker

    ray_worker.print_to_stdstream = lambda data, ignore_prefix=False: log(str(data))
