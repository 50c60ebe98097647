"""What a disk's refusals mean, and files of the user's outside of any sweep directory."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from farm.errors import StoreAccessError

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
    errno.ENOLCK: "the file system has no locks: mount it with them, or choose another directory",
    errno.ENOSYS: "the file system cannot do that: choose another directory",
    errno.EOPNOTSUPP: "the file system cannot do that: choose another directory",
    errno.ESTALE: "it was replaced on the file server meanwhile: run the same command again",
    errno.ETIMEDOUT: "the file server does not answer: run the same command again",
}


class StoreAccess:
    """Context that turns an `OSError` into a `StoreAccessError` that says what to do."""

    def __init__(self, action: str, path: object) -> None:
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
