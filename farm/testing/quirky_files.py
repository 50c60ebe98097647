"""Folders that behave as those of other file systems do: real files, other answers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from farm.store.local_files import LocalFiles


class UnlinkableFiles(LocalFiles):
    """A file system without hard links."""

    def link(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(target))


class FileServerFiles(LocalFiles):
    """A file server whose answers to links get lost.

    Every other link is done, and then reported as an I/O error or, as to a client that asks again,
    as a name that is taken.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._n_links = 0

    def link(self, source: Path, target: Path) -> None:
        """Do it, and report it so or so."""
        super().link(source, target)
        self._n_links += 1
        if self._n_links % 3 == 1:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        if self._n_links % 3 == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))

    def sync_folder(self, folder: Path) -> None:
        """Let the server see to it."""


KINDS = {
    "local": LocalFiles,
    "unlinkable": UnlinkableFiles,
    "file-server": FileServerFiles,
}
"""Name -> folders of that kind."""
