"""The runs at work on a cluster, told by the cluster itself.

Each driver hands the snapshot of its run to its coordinator; a child process that has Ray asks all
of them (`farm.cluster.runs_answer`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from farm.cluster import open_probe
from farm.errors import ClusterError
from farm.store.live import Snapshot

_FIRST_S = 60.0


class Runs:
    """Asks a cluster for its runs, again and again, in a process of its own.

    Parameters
    ----------
    address : str
        Of the cluster: ``auto`` or ``HOST:PORT``.
    every_s : float
        Seconds between two looks.
    is_insecure : bool
        Whether a cluster that lets anybody in is asked.
    tls : Path or None
        Folder with certificates; None: as the environment says.

    Raises
    ------
    AccessError
        If nobody answers there, or we are not admitted.
    """

    def __init__(
        self, address: str, every_s: float, is_insecure: bool = False, tls: Path | None = None
    ) -> None:
        environment = dict(os.environ)
        head = open_probe.enter(environment, address, is_insecure, tls)
        self._address = str(head)
        self._latest: list[Snapshot] | None = None
        self._changed = threading.Condition()
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "farm.cluster.runs_answer",
                str(head),
                f"{every_s:g}",
                str(os.getpid()),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True, name="runs").start()

    def latest(self) -> list[Snapshot]:
        """Snapshots of all runs at work, as of the last look.

        Raises
        ------
        ClusterError
            If the cluster cannot be asked (any more).
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._latest is not None or self._child.poll() is not None, _FIRST_S
            )
            if self._latest is None or self._child.poll() is not None:
                raise ClusterError(
                    f"the cluster at {self._address} cannot be asked: this machine is not one of "
                    f"its nodes, or it is gone"
                )
            return self._latest

    def close(self) -> None:
        """Ask no more."""
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def _read(self) -> None:
        for line in self._child.stdout or ():
            found = [Snapshot.from_json(content) for content in json.loads(line)]
            with self._changed:
                self._latest = found
                self._changed.notify_all()
        self._child.wait()
        with self._changed:
            self._changed.notify_all()
