"""The only place of the farm that writes, syncs, links and renames.

Two ways to put a file in place, both atomic and durable on return (`Files.append` serves journals,
see `farm.store.journal`):

* `Files.publish`: create if absent.  Written under ``tmp/``, fsynced, linked to its name, the
  folder fsynced.  Whoever links first wins; a published file never changes.
* `Files.replace`: for caches only.  Written under ``tmp/``, fsynced, renamed over its name.

``tmp/`` holds only files whose writer died, or is at work; the holder of the run lock empties it.
The steps are methods of their own, so that a test can die before, half-way through or after each.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from farm.errors import StoreAccessError

TEMPORARY = "tmp"
SET_ASIDE = "set-aside"

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "your disk quota is used up: free some space and run the same command again",
    errno.EACCES: "no permission: choose another directory or change its permissions",
    errno.EPERM: "not permitted: choose another directory or change its permissions",
    errno.EROFS: "the file system is read-only: choose another directory",
    errno.EIO: "the disk reported an I/O error: check it, then run the same command again",
    errno.ENOENT: "it does not exist (any more)",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EFBIG: "the file would exceed the file size limit",
}


class StoreAccess:
    """Context that turns an `OSError` into a `StoreAccessError` that says what to do."""

    def __init__(self, action: str, path: Path) -> None:
        self._action, self._path = action, path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Translate."""
        # Arrow's OSError for a page with a wrong checksum has no number: not the disk's doing.
        if isinstance(error, OSError) and error.errno is not None:
            advice = _ADVICE.get(error.errno, error.strerror or str(error))
            raise StoreAccessError(f"cannot {self._action} {self._path}: {advice}") from error


@contextmanager
def _removed_on_failure(temporary: Path) -> Iterator[None]:
    """Remove a temporary file if the disk refuses a step with it."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


class Files:
    """Durable writes below one root folder.

    Parameters
    ----------
    root : Path
        The sweep directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, relative: str, content: bytes) -> bool:
        """Create a file if its name is free.

        Parameters
        ----------
        relative : str
            Path below the root.
        content : bytes
            Everything that the file will hold.

        Returns
        -------
        bool
            Whether this call created it; False if the name was taken.

        Raises
        ------
        StoreAccessError
            If the disk refuses; what is visible under the name then, if anything, is whole.
        """
        final = self.root / relative
        with StoreAccess("write", final):
            temporary = self._write_temporary(final.parent, content)
            with _removed_on_failure(temporary):
                try:
                    self.link(temporary, final)
                    is_first = True
                except FileExistsError:
                    is_first = False
                self.unlink(temporary)
            self.sync_folder(final.parent)
        return is_first

    def replace(self, relative: str, content: bytes, *, is_durable: bool = True) -> None:
        """Write a file, whatever was there before; readers see the one or the other, whole.

        Parameters
        ----------
        relative : str
            Path below the root.
        content : bytes
            Everything that the file will hold.
        is_durable : bool
            Whether it must survive a power cut; a view that is written anew soon need not.

        Raises
        ------
        StoreAccessError
            If the disk refuses; the earlier file is untouched then.
        """
        final = self.root / relative
        with StoreAccess("write", final):
            temporary = self._write_temporary(final.parent, content, is_durable=is_durable)
            with _removed_on_failure(temporary):
                self.rename(temporary, final)
            if is_durable:
                self.sync_folder(final.parent)

    def read(self, relative: str) -> bytes:
        """Content of a file.

        Raises
        ------
        StoreAccessError
            If it does not exist or cannot be read.
        """
        path = self.root / relative
        with StoreAccess("read", path):
            return path.read_bytes()

    def exists(self, relative: str) -> bool:
        """Whether there is such a file.

        Raises
        ------
        StoreAccessError
            If that cannot be found out.
        """
        path = self.root / relative
        with StoreAccess("read", path):
            return path.exists()

    def set_aside(self, relative: str) -> bool:
        """Move a file below ``set-aside/``, keeping its path and adding a number.

        Returns
        -------
        bool
            False if there is no such file.

        Raises
        ------
        StoreAccessError
            If the disk refuses; the file is where it was then.
        """
        source = self.root / relative
        with StoreAccess("set aside", source):
            if not source.exists():
                return False
            target = self.root / SET_ASIDE / f"{relative}.{uuid.uuid4().hex[:8]}"
            if not target.parent.is_dir():
                self.make_folder(target.parent)
            self.rename(source, target)
            self.sync_folder(target.parent)
            self.sync_folder(source.parent)
        return True

    def sweep_temporaries(self) -> int:
        """Remove what writers that died left behind; returns how many files.

        Only the holder of the run lock may do this.
        """
        folder = self.root / TEMPORARY
        n_removed = 0
        with StoreAccess("clean up", folder):
            if folder.is_dir():
                for path in folder.iterdir():
                    self.unlink(path)
                    n_removed += 1
        return n_removed

    def _write_temporary(self, parent: Path, content: bytes, *, is_durable: bool = True) -> Path:
        for folder in (self.root / TEMPORARY, parent):
            if not folder.is_dir():
                self.make_folder(folder)
        temporary = self.root / TEMPORARY / f"{os.getpid()}-{uuid.uuid4().hex}.tmp"
        with _removed_on_failure(temporary):
            if is_durable:
                self.write(temporary, content)
            else:
                temporary.write_bytes(content)
        return temporary

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents, durably."""
        missing = [folder, *folder.parents]
        missing = missing[: [p.is_dir() for p in missing].index(True)]
        folder.mkdir(parents=True, exist_ok=True)
        for created in missing:
            self.sync_folder(created.parent)

    def write(self, path: Path, content: bytes) -> None:
        """Write a new file and fsync it."""
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def append(self, file: FileIO, content: bytes) -> None:
        """Write at the end of an open file and fsync it."""
        left = memoryview(content)
        while left:
            # A disk that is filling up takes a part without an error; the next call reports it.
            left = left[file.write(left) or 0 :]
        os.fsync(file.fileno())

    def truncate(self, file: FileIO, n_bytes: int) -> None:
        """Cut an open file off."""
        file.truncate(n_bytes)

    def link(self, source: Path, target: Path) -> None:
        """Give a file its final name; fails if the name is taken."""
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        """Move a file over its final name."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a temporary name."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file of the user's, outside of any sweep directory: whole or not at all.

    Raises
    ------
    StoreAccessError
        If the disk refuses; what was there before is untouched then.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with StoreAccess("write", path), _removed_on_any_failure(temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def _removed_on_any_failure(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
