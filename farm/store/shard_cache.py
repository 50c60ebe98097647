"""Copies of shards that lie far away: fetched once per host, shared by all of its processes.

A copy is named by the SHA-256 of its content, which is verified when it arrives and once per
process that uses it.  Whoever needs a copy first holds its lock while fetching; others wait.  The
least recently used copies go when there are too many bytes, but none that was used just now.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from farm.errors import DamagedStoreError, UsageError
from farm.store.disk_access import StoreAccess
from farm.store.host_folders import cache_folder

SIZE_VARIABLE = "SWEEPFARM_CACHE_BYTES"
MOST_BYTES = 20 << 30
IN_USE_S = 900.0
"""A copy that was asked for so recently stays: it may be about to be opened."""


class ShardCache:
    """The copies on this host.

    Parameters
    ----------
    folder : Path or None
        Where they are; None: in the user's cache folder.
    most_bytes : int or None
        What they may take; None: what the environment says.

    Raises
    ------
    StoreAccessError
        If the folder cannot be made or is not private.
    UsageError
        If the environment's number of bytes is none.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int | None = None) -> None:
        self._folder = (folder or cache_folder()) / "shards"
        self._most_bytes = _most_bytes() if most_bytes is None else most_bytes
        self._verified: set[str] = set()
        with StoreAccess("make", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path_of(
        self,
        sha256: str,
        origin: str,
        fetch: Callable[[], Iterable[bytes]],
        is_fresh: bool = False,
    ) -> Path:
        """Return the path of a copy, fetching it if need be.

        Parameters
        ----------
        sha256 : str
            Of the content.
        origin : str
            Where it comes from, for messages.
        fetch : Callable
            Returns the content in parts.
        is_fresh : bool
            Whether to fetch it in any case.

        Raises
        ------
        DamagedStoreError
            If what is fetched has another digest.
        StoreAccessError
            If it cannot be fetched or kept.
        """
        path = self._folder / f"{sha256}.parquet"
        with StoreAccess("keep a copy of a shard in", path):
            if not is_fresh and sha256 in self._verified and self._touch(path):
                return path
            with self._lock(sha256):
                if is_fresh or not self._is_sound(path, sha256):
                    self._fetch(path, sha256, origin, fetch)
            self._verified.add(sha256)
        return path

    def _touch(self, path: Path) -> bool:
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _is_sound(self, path: Path, sha256: str) -> bool:
        if not self._touch(path):
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256

    def _fetch(
        self, path: Path, sha256: str, origin: str, fetch: Callable[[], Iterable[bytes]]
    ) -> None:
        temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")
        digest = hashlib.sha256()
        try:
            with temporary.open("xb") as file:
                for part in fetch():
                    digest.update(part)
                    file.write(part)
            if digest.hexdigest() != sha256:
                raise DamagedStoreError(
                    f"shard {origin} is damaged: its SHA-256 is not that in sweep.json. Restore it "
                    f"from a copy, or by `farm check --repair`"
                )
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        self._evict(path)

    def _evict(self, newest: Path) -> None:
        """Remove the copies that were not used for longest, and what a dead process left."""
        now = time.time()
        known: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                status = path.stat()
                known.append((status.st_mtime, status.st_size, path))
        n_bytes = sum(size for _, size, _ in known)
        for used, size, path in sorted(known):
            is_litter = path.suffix == ".tmp"
            if path == newest or path.suffix == ".lock" or now - used < IN_USE_S:
                continue
            if is_litter or n_bytes > self._most_bytes:
                path.unlink(missing_ok=True)
                n_bytes -= size

    @contextmanager
    def _lock(self, sha256: str) -> Iterator[None]:
        descriptor = os.open(
            self._folder / f"{sha256[:2]}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _most_bytes() -> int:
    text = os.environ.get(SIZE_VARIABLE, "")
    if text and not text.isdecimal():
        raise UsageError(f"{SIZE_VARIABLE}={text!r}: write a number of bytes")
    return int(text) if text else MOST_BYTES
