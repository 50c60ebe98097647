"""The one interface to the files of a sweep directory, wherever they are.

Two implementations: `farm.store.local_files` for a folder of a file system, which may be shared,
and `farm.store.object_files` for a prefix of a bucket.  Names are relative, with slashes.

What both promise:

* `Files.publish` creates if absent: of any number of writers exactly one wins, and each knows.
* `Files.replace` is atomic; it is for caches and views.
* What was published or appended is durable on return, and never changes.
* A file is seen whole or not at all, but for the last frame of a journal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from farm.errors import StoreAccessError
from farm.store.location import Location, LocationLike

TEMPORARY = "tmp"
SET_ASIDE = "set-aside"

T = TypeVar("T")
Item = TypeVar("Item")


class Appender(ABC):
    """A journal file that one process writes."""

    @abstractmethod
    def append(self, content: bytes) -> None:
        """Add whole frames, durably.

        Raises
        ------
        StoreAccessError
            If the store refuses; readers then see the frames whole, torn at the end, or not.
        """

    @abstractmethod
    def close(self) -> None:
        """End writing."""


class RunLock(ABC):
    """The right to run in a sweep directory, while it is held."""

    @abstractmethod
    def require_held(self) -> None:
        """Check that it was not lost.

        Raises
        ------
        DirectoryBusyError
            If another run has taken it over.
        """


class Files(ABC):
    """The files of one sweep directory.

    Parameters
    ----------
    location : Location
        Where it is.
    """

    n_at_a_time = 1
    """How many files are worth reading at the same time."""

    def __init__(self, location: Location) -> None:
        self.location = location

    @abstractmethod
    def create(self) -> None:
        """Make the place itself, where there is something to make.

        Raises
        ------
        StoreAccessError
            If the store refuses.
        """

    @abstractmethod
    def publish(self, relative: str, content: bytes) -> bool:
        """Create a file if its name is free.

        Parameters
        ----------
        relative : str
            Its name.
        content : bytes
            Everything that the file will hold.

        Returns
        -------
        bool
            Whether this call created it; False if the name was taken.

        Raises
        ------
        StoreAccessError
            If the store refuses; what is visible under the name then, if anything, is whole.
        """

    @abstractmethod
    def replace(self, relative: str, content: bytes, *, is_durable: bool = True) -> None:
        """Write a file, whatever was there before; readers see the one or the other, whole.

        Parameters
        ----------
        relative : str
            Its name.
        content : bytes
            Everything that the file will hold.
        is_durable : bool
            Whether it must survive a power cut; a view that is written anew soon need not.

        Raises
        ------
        StoreAccessError
            If the store refuses; the earlier file is untouched then.
        """

    @abstractmethod
    def read_if_exists(self, relative: str) -> bytes | None:
        """Content of a file; None if there is none.

        Raises
        ------
        StoreAccessError
            If it cannot be read.
        """

    def read(self, relative: str) -> bytes:
        """Content of a file.

        Raises
        ------
        StoreAccessError
            If it does not exist or cannot be read.
        """
        content = self.read_if_exists(relative)
        if content is None:
            raise StoreAccessError(
                f"cannot read {self.location / relative}: it does not exist (any more)"
            )
        return content

    @abstractmethod
    def read_tail(self, relative: str, n_bytes: int) -> bytes:
        """Last bytes of a file, or all of it if it is shorter.

        Raises
        ------
        StoreAccessError
            If it does not exist or cannot be read.
        """

    @abstractmethod
    def exists(self, relative: str) -> bool:
        """Whether there is such a file.

        Raises
        ------
        StoreAccessError
            If that cannot be found out.
        """

    @abstractmethod
    def names_in(self, folder: str) -> list[str]:
        """Names of all files below a folder, at any depth, in order; none if there is no folder.

        Raises
        ------
        StoreAccessError
            If the listing fails.
        """

    @abstractmethod
    def entries(self) -> list[str]:
        """Names of the files and folders at the top, in order; none if there is nothing.

        Raises
        ------
        StoreAccessError
            If the listing fails, or the location is a file.
        """

    @abstractmethod
    def set_aside(self, relative: str) -> bool:
        """Move a file below ``set-aside/``, keeping its path and adding a number.

        Returns
        -------
        bool
            False if there is no such file.

        Raises
        ------
        StoreAccessError
            If the store refuses; the file is where it was then.
        """

    @abstractmethod
    def remove(self, entries: Iterable[str]) -> None:
        """Remove files, and folders with all that is in them; what is not there is skipped.

        Raises
        ------
        StoreAccessError
            If one cannot be removed.
        """

    @abstractmethod
    def sweep_temporaries(self) -> int:
        """Remove what writers that died left behind; returns how many files.

        Only the holder of the run lock may do this.
        """

    @abstractmethod
    def appender(self, relative: str, n_whole: Callable[[bytes], int]) -> Appender:
        """Open a journal file for writing.

        Parameters
        ----------
        relative : str
            Its name; no other process may write it.
        n_whole : Callable
            Length of the part of a journal's content that ends with its last whole frame.

        Raises
        ------
        StoreAccessError
            If it cannot be written.
        """

    @abstractmethod
    def lock(self) -> AbstractContextManager[RunLock]:
        """Hold the right to run; it ends with the context, or with the process.

        Raises
        ------
        DirectoryBusyError
            If another run holds it.
        """

    @abstractmethod
    def local_copy(self, relative: str, sha256: str, *, is_fresh: bool = False) -> Path:
        """Return a path on this host at which a published file can be read, for a while.

        Parameters
        ----------
        relative : str
            Its name.
        sha256 : str
            Of its content.  A copy has it; a file that lies here already is not looked into.
        is_fresh : bool
            Whether to fetch it even if a copy is at hand: to find out that it is still there.

        Raises
        ------
        StoreAccessError
            If it cannot be fetched.
        DamagedStoreError
            If what is fetched is not what was published.
        """

    def parquet_source(self, relative: str) -> Any:
        """Return what pyarrow reads a Parquet file from.

        Raises
        ------
        StoreAccessError
            If it cannot be read.
        """
        import pyarrow as pa

        return pa.BufferReader(self.read(relative))

    def each(self, function: Callable[[Item], T], items: Iterable[Item]) -> Iterator[T]:
        """Apply a function that reads a file to many of them; results come in order.

        Several are at work at a time where the store is far away; few results are in memory.
        """
        if self.n_at_a_time == 1:
            yield from map(function, items)
            return
        pool = ThreadPoolExecutor(self.n_at_a_time, thread_name_prefix="store")
        waiting: deque[Future[T]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > self.n_at_a_time:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def open_files(location: LocationLike) -> Files:
    """Return the files at a location; nothing is read or made yet.

    Raises
    ------
    UsageError
        If the location is none.
    StoreAccessError
        If the environment lacks what a bucket needs.
    """
    place = Location.parse(location)
    if place.is_local:
        from farm.store.local_files import LocalFiles

        return LocalFiles(place.path)
    from farm.store.object_files import ObjectFiles

    return ObjectFiles(place)
