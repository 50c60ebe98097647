"""The process that a node of a cluster is: ``ray start --block`` with what Ray leaves out.

``python -m farm.cluster.ray_start {loopback|network} ARGUMENTS OF RAY START`` is what `farm node`
becomes.  It ends as a service does: 0 after it was asked to stop and has drained.

* On loopback, Ray refuses to join a second node to a cluster and looks for an outside address: both
  are got round.  All of the node's listeners are looked at while it lives.
* Ray's client server, a second door that nothing here uses, stays shut.
* It ends with its raylet, however that ended: ``ray start`` waits for ever after ``ray stop``.
* Ray's hints on how to use it are left out; its warnings and errors are not.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
from typing import Any

import psutil

from farm.cluster.listeners import listeners, require_loopback
from farm.cluster.node_process import UP
from farm.errors import ExposedError

_POLL_S = 1.0
_N_FIRST_LOOKS = 30  # while Ray starts; later, new workers open ports of their own
_LATER_LOOKS_S = 30.0
EXIT_LOST, EXIT_REFUSED = 1, 2


class _Watch(threading.Thread):
    """Ends the node with its raylet, and one for this machine alone as soon as others reach it."""

    def __init__(self, is_loopback: bool, asked_to_stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._is_loopback, self._asked_to_stop = is_loopback, asked_to_stop
        self.found: ExposedError | None = None
        self.is_lost = False

    def run(self) -> None:
        was_up, next_look, n_looks = False, 0.0, 0
        while self.found is None:
            is_up = any(child.name() == "raylet" for child in _children())
            if was_up and not is_up:
                self.is_lost = not self._asked_to_stop.is_set()
                break
            was_up = is_up
            if self._is_loopback and time.monotonic() >= next_look:
                n_looks += 1
                next_look = time.monotonic() + (n_looks > _N_FIRST_LOOKS) * _LATER_LOOKS_S
                self._look()
            time.sleep(_POLL_S)
        _stop_without_draining()

    def _look(self) -> None:
        try:
            require_loopback(listeners(os.getpid()))
        except ExposedError as error:
            self.found = error


def _children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    ]


class _Output(io.StringIO):
    """Takes what Ray prints on standard output, and passes on that the node is up."""

    def write(self, text: str) -> int:
        if "Ray runtime started" in text:
            print(UP, file=sys.__stdout__, flush=True)
        return len(text)


def _stop_without_draining() -> None:
    from ray._private import ray_constants

    ray_constants.RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S = 0
    os.kill(os.getpid(), signal.SIGTERM)


def keep_to_loopback() -> None:
    """Have this process take the loopback address for the node's, also where it joins a node."""
    from ray._private import ray_constants, services

    services.get_node_ip_address = lambda address=None: "127.0.0.1"
    ray_constants.ENABLE_RAY_CLUSTER = True  # its children see the variable, which says otherwise


def shut_client_server() -> None:
    """Have ``ray start`` believe that what its client server needs is not installed."""
    from ray.scripts import scripts

    scripts.get_ray_client_dependency_error = lambda: "not offered"


def main(reach: str, arguments: list[str]) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    from ray.scripts import scripts

    shut_client_server()
    asked_to_stop = _note_first_sigterm()
    watch = _Watch(reach == "loopback", asked_to_stop)
    if reach == "loopback":
        keep_to_loopback()
    watch.start()
    try:
        with contextlib.redirect_stdout(_Output()):
            scripts.cli(["start", "--block", *arguments], standalone_mode=False)
    except SystemExit:
        if watch.found is not None:
            print(f"error: {watch.found}", file=sys.stderr, flush=True)  # noqa: T201
            return EXIT_REFUSED
        if not asked_to_stop.is_set():
            raise
    except Exception as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return EXIT_LOST
    return EXIT_LOST if watch.is_lost else 0


def _note_first_sigterm() -> threading.Event:
    """Learn of the signal that Ray's own handler answers; Ray replaces handlers, so wrap that."""
    import ray._private.utils as ray_utils

    noted = threading.Event()
    install = ray_utils.set_sigterm_handler

    def install_noting(handler: Any) -> None:
        def note(number: int, frame: Any) -> None:
            noted.set()
            handler(number, frame)

        install(note)

    ray_utils.set_sigterm_handler = install_noting
    return noted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
