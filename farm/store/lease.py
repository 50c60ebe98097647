"""The run lock of a sweep directory in a bucket: an object that its holder keeps renewing.

``run.lock`` holds JSON: ``host``, ``boot``, ``pid_namespace``, ``pid`` and ``started`` of the
holder, ``epoch`` (how often it changed hands), ``n_beats``, ``ttl_s`` and ``is_released``.  The
holder puts it again every `BEAT_S`, each time on the condition that it is unchanged.  Another run
may take it over, on the same condition, if it was released, if its holder was a process of this
host that is no more, or if it was not renewed for ``ttl_s``.  That is judged by the store's own
clock, so hosts need not agree on the time.

A holder that was stopped for long finds at its next beat that the object is another's.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import psutil

from farm.errors import DirectoryBusyError, StoreAccessError
from farm.store.files import TEMPORARY, RunLock
from farm.store.object_files import Found, ObjectFiles, Version

LOCK_FILE = "run.lock"
BEAT_S = 7.0
TTL_S = 30.0


@dataclass(frozen=True)
class Claim:
    """What the object says; see the module's text."""

    host: str
    boot: str
    pid_namespace: int
    pid: int
    started: float
    epoch: int = 1
    n_beats: int = 0
    ttl_s: float = TTL_S
    is_released: bool = False

    @staticmethod
    def of_this_process() -> Claim:
        """Claim of the process that calls."""
        pid = os.getpid()
        return Claim(socket.gethostname(), *_here(), pid, psutil.Process(pid).create_time())

    @property
    def is_of_a_dead_process(self) -> bool:
        """Whether the holder ran on this host and is no more."""
        if (self.boot, self.pid_namespace) != _here():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) > 1.0
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False

    def encode(self) -> bytes:
        """Return the bytes of the object."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(content: bytes) -> Claim | None:
        """Read the bytes of the object; None if they are no claim."""
        try:
            return Claim(**json.loads(content))
        except (TypeError, ValueError):
            return None


def _here() -> tuple[str, int]:
    """Which boot of which kernel, and which numbering of processes."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, Path("/proc/self/ns/pid").stat().st_ino


class Lease(RunLock):
    """The claim of this process, while it holds.

    Parameters
    ----------
    files : ObjectFiles
        The sweep directory.
    claim : Claim
        What was put.
    version : Version
        Of the object.
    """

    def __init__(self, files: ObjectFiles, claim: Claim, version: Version) -> None:
        self._files, self._claim = files, claim
        self._version: Version | None = version
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Put the claim again, or find that it was taken over."""
        # Another content each time, hence another version: a beat in between foils a take-over.
        self._claim = replace(self._claim, n_beats=self._claim.n_beats + 1)
        self._put(self._claim)

    def release(self) -> None:
        """Let others have it at once."""
        self._put(replace(self._claim, is_released=True))

    def _put(self, claim: Claim) -> None:
        with self._lock:
            if self._version is not None:
                self._version = self._files.put_if(LOCK_FILE, claim.encode(), self._version)

    def require_held(self) -> None:
        """Check that it was not lost, as far as the last beat told."""
        if self._version is None:
            raise DirectoryBusyError(
                f"another run has taken over {self._files.location}: this one was stopped for more "
                f"than {TTL_S:g} s, or somebody removed {LOCK_FILE}. What it committed is safe"
            )


@contextmanager
def held_lease(files: ObjectFiles) -> Iterator[Lease]:
    """Hold the run lock.

    Raises
    ------
    DirectoryBusyError
        If another run holds it.
    """
    lease = _acquire(files)
    is_over = threading.Event()
    beats = threading.Thread(target=_beat, args=(lease, is_over), daemon=True, name="lease")
    beats.start()
    try:
        yield lease
    finally:
        is_over.set()
        beats.join()
        lease.release()


def _beat(lease: Lease, is_over: threading.Event) -> None:
    while not is_over.wait(BEAT_S):
        try:
            lease.renew()
        except StoreAccessError:
            # Unreachable at the moment: the next beat finds out who holds it.
            continue


def _acquire(files: ObjectFiles) -> Lease:
    claim = Claim.of_this_process()
    version = files.put_if(LOCK_FILE, claim.encode(), None)
    if version is None:
        found = files.found(LOCK_FILE)
        if found is not None:
            claim = replace(claim, epoch=_require_free(files, found) + 1)
        version = files.put_if(LOCK_FILE, claim.encode(), found.version if found else None)
    if version is None:
        raise DirectoryBusyError(f"another run has just begun in {files.location}; wait for it")
    lease = Lease(files, claim, version)
    try:
        _require_conditions(files, claim)
    except StoreAccessError:
        lease.release()
        raise
    return lease


def _require_conditions(files: ObjectFiles, claim: Claim) -> None:
    """Refuse a store that takes conditional writes and ignores the condition."""
    another = Version("", {"e_tag": '"0"'})
    for condition in (None, another):
        if files.put_if(LOCK_FILE, claim.encode(), condition) is not None:
            raise StoreAccessError(
                f"{files.location}: this store ignores the conditions of writes (If-None-Match, "
                f"If-Match), so that a chunk could be committed twice; use another store"
            )


def _require_free(files: ObjectFiles, found: Found) -> int:
    """Check that a claim may be taken over; returns its epoch."""
    claim = Claim.decode(found.content)
    epoch = claim.epoch if claim else 0
    if claim is not None and (claim.is_released or claim.is_of_a_dead_process):
        return epoch
    age_s = (_store_clock(files, found.changed) - found.changed).total_seconds()
    ttl_s = claim.ttl_s if claim else TTL_S
    if age_s > ttl_s:
        return epoch
    holder = f"pid {claim.pid} on {claim.host}" if claim else "unknown process"
    raise DirectoryBusyError(
        f"another run ({holder}) is at work in {files.location}: it gave a sign of life "
        f"{max(0.0, age_s):.0f} s ago. Wait for it, stop it, or choose another --out; if its "
        f"machine is gone, try again in {ttl_s - age_s + 1:.0f} s"
    )


def _store_clock(files: ObjectFiles, default: datetime) -> datetime:
    """Time by the store's own clock: when an object that is put now was put."""
    probe = f"{TEMPORARY}/clock-{uuid.uuid4().hex}"
    files.publish(probe, b"")
    try:
        found = files.found(probe)
    finally:
        files.discard(probe)
    return found.changed if found else default
