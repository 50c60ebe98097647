"""A sweep directory that is a folder: on a local disk, or shared over a network.

This is the only place that writes, syncs, links and renames.  Two ways to put a file in place, both
atomic and durable on return:

* `LocalFiles.publish`: create if absent.  Written under ``tmp/``, fsynced, linked to its name, the
  folder fsynced.  Whoever links first wins.  A file server may do a link and its answer be lost:
  whether the name is this very file's decides then.  Without hard links, a rename that refuses to
  replace does it (`farm.store.exclusive_rename`).
* `LocalFiles.replace`: for caches only.  Written under ``tmp/``, fsynced, renamed over its name.

``tmp/`` holds only files whose writer died, or is at work; the holder of the run lock empties it.
The steps are methods of their own, so that a test can die before, half-way through or after each.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from farm.errors import DirectoryBusyError, StoreAccessError
from farm.store.disk_access import StoreAccess
from farm.store.exclusive_rename import rename_if_free
from farm.store.files import SET_ASIDE, TEMPORARY, Appender, Files, RunLock
from farm.store.location import Location

LOCK_FILE = "run.lock"

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_SILLY_RENAMED = ".nfs"
"""How a file server names a file that was removed while it was open."""


@contextmanager
def _removed_on_failure(temporary: Path) -> Iterator[None]:
    """Remove a temporary file if the disk refuses a step with it."""
    try:
        yield
    except (OSError, StoreAccessError):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


class LocalFiles(Files):
    """Durable writes below one root folder.

    Parameters
    ----------
    root : Path
        The sweep directory.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(Location(str(root)))
        self.root = root

    def create(self) -> None:
        """Make the folder."""
        with StoreAccess("create", self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    def publish(self, relative: str, content: bytes) -> bool:
        """Create a file if its name is free; see `Files.publish`."""
        final = self.root / relative
        with StoreAccess("write", final):
            temporary = self._write_temporary(final.parent, content)
            with _removed_on_failure(temporary):
                is_first = self._name(temporary, final)
                self.unlink(temporary)
            self.sync_folder(final.parent)
        return is_first

    def _name(self, temporary: Path, final: Path) -> bool:
        """Give a file its final name; returns whether it was free."""
        try:
            self.link(temporary, final)
        except FileExistsError:
            # Also what a client is told that asks again after a lost answer.
            return _is_same_file(temporary, final)
        except OSError as error:
            if _is_same_file(temporary, final):
                return True
            if error.errno not in _NO_HARD_LINKS:
                raise
            return self.rename_if_free(temporary, final)
        return True

    def replace(self, relative: str, content: bytes, *, is_durable: bool = True) -> None:
        """Write a file, whatever was there before; see `Files.replace`."""
        final = self.root / relative
        with StoreAccess("write", final):
            temporary = self._write_temporary(final.parent, content, is_durable=is_durable)
            with _removed_on_failure(temporary):
                self.rename(temporary, final)
            if is_durable:
                self.sync_folder(final.parent)

    def read_if_exists(self, relative: str) -> bytes | None:
        """Content of a file; None if there is none."""
        path = self.root / relative
        with StoreAccess("read", path):
            try:
                return _read_again_if_stale(path)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read_tail(self, relative: str, n_bytes: int) -> bytes:
        """Last bytes of a file, or all of it if it is shorter."""
        path = self.root / relative
        with StoreAccess("read", path), path.open("rb", buffering=0) as file:
            n_all = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), n_bytes, max(0, n_all - n_bytes))

    def exists(self, relative: str) -> bool:
        """Whether there is such a file."""
        path = self.root / relative
        with StoreAccess("read", path):
            return path.exists()

    def names_in(self, folder: str) -> list[str]:
        """Names of all files below a folder, in order."""
        found: list[str] = []
        with StoreAccess("list", self.root / folder):
            _collect(self.root / folder, folder, found)
        return sorted(found)

    def entries(self) -> list[str]:
        """Names of the files and folders at the top, in order."""
        with StoreAccess("read", self.root):
            if self.root.exists() and not self.root.is_dir():
                raise StoreAccessError(f"{self.root} is a file; --out names a directory")
            return sorted(os.listdir(self.root)) if self.root.exists() else []

    def set_aside(self, relative: str) -> bool:
        """Move a file below ``set-aside/``; see `Files.set_aside`."""
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

    def remove(self, entries: Iterable[str]) -> None:
        """Remove files, and folders with all that is in them."""
        for name in entries:
            entry = self.root / name
            with StoreAccess("remove", entry):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink(missing_ok=True)

    def sweep_temporaries(self) -> int:
        """Remove what writers that died left behind; returns how many files."""
        folder = self.root / TEMPORARY
        n_removed = 0
        with StoreAccess("clean up", folder):
            if folder.is_dir():
                for path in folder.iterdir():
                    self.unlink(path)
                    n_removed += 1
        return n_removed

    def appender(self, relative: str, n_whole: Callable[[bytes], int]) -> Appender:
        """Open a journal file for writing."""
        return _FileAppender(self, self.root / relative, n_whole)

    @contextmanager
    def lock(self) -> Iterator[RunLock]:
        """Hold the right to run; released by the kernel when the process ends."""
        lock = self.root / LOCK_FILE
        with StoreAccess("lock", lock):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with StoreAccess("lock", lock):
                _take(descriptor, self.root)
            with StoreAccess("write", lock):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
            yield _KernelLock()
        finally:
            os.close(descriptor)

    def local_copy(self, relative: str, sha256: str, *, is_fresh: bool = False) -> Path:
        """Return the file's own path."""
        return self.root / relative

    def parquet_source(self, relative: str) -> Path:
        """Return the file's path."""
        return self.root / relative

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

    def rename_if_free(self, source: Path, target: Path) -> bool:
        """Move a file to its final name, where there are no hard links; False if it is taken."""
        return rename_if_free(source, target)

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
        except OSError as error:
            # Some network file systems have no fsync for folders: their server sees to it.
            if error.errno != errno.EINVAL:
                raise
        finally:
            os.close(descriptor)


class _KernelLock(RunLock):
    """A lock that the kernel keeps for as long as the process lives."""

    def require_held(self) -> None:
        """Nobody can take it over."""


class _FileAppender(Appender):
    """Appends to one file, and cuts off what a failed append left behind."""

    def __init__(self, files: LocalFiles, path: Path, n_whole: Callable[[bytes], int]) -> None:
        self._files, self._path = files, path
        with StoreAccess("write", path):
            if not path.parent.is_dir():
                files.make_folder(path.parent)
            is_new = not path.exists()
            self._file = path.open("ab", buffering=0)
            try:
                if is_new:
                    files.sync_folder(path.parent)
                self._n_bytes = n_whole(path.read_bytes())
                self._cut_torn_tail()
            except BaseException:
                self._file.close()
                raise

    def append(self, content: bytes) -> None:
        """Add whole frames, durably."""
        with StoreAccess("write", self._path):
            self._cut_torn_tail()
            self._files.append(self._file, content)
            self._n_bytes += len(content)

    def _cut_torn_tail(self) -> None:
        """Remove what an append that failed, here or in a writer that died, left behind."""
        if os.fstat(self._file.fileno()).st_size > self._n_bytes:
            self._files.truncate(self._file, self._n_bytes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _collect(folder: Path, name: str, found: list[str]) -> None:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir():
            _collect(Path(entry.path), f"{name}/{entry.name}", found)
        elif not entry.name.startswith(_SILLY_RENAMED):
            found.append(f"{name}/{entry.name}")


def _is_same_file(temporary: Path, final: Path) -> bool:
    """Whether both names are of one file, asked in a way that a file server cannot cache."""
    try:
        with final.open("rb") as there:
            return os.path.samestat(os.fstat(there.fileno()), temporary.stat())
    except FileNotFoundError:
        return False


def _read_again_if_stale(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        # Another host replaced the file between the look-up of its name and the reading.
        if error.errno != errno.ESTALE:
            raise
        return path.read_bytes()


def _take(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 64).decode(errors="replace").strip()
        raise DirectoryBusyError(
            f"another run ({holder or 'unknown process'}) is at work in {root}; wait for it, "
            f"stop it, or choose another --out"
        ) from error
