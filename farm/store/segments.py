"""Journals in a bucket: objects cannot grow, so a journal is a row of small ones.

``journal/w.jsonl`` is the first segment of the journal of writer w, ``journal/w.00001.jsonl`` the
next.  An append puts the last segment again, on the condition that nobody else has changed it; when
it is large, a new one begins.  Readers never see part of a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from farm.errors import StoreAccessError
from farm.store.files import Appender

if TYPE_CHECKING:
    from farm.store.object_files import ObjectFiles, Version

SEGMENT_BYTES = 64 << 10
"""Size at which a new segment begins: what one more incident costs to send at most."""


def segment_file(relative: str, number: int) -> str:
    """Name of a segment of a journal."""
    path = PurePosixPath(relative)
    return relative if not number else f"{path.parent}/{path.stem}.{number:05d}{path.suffix}"


def writer_of(file: str) -> str:
    """Name of the writer of a journal file, whichever segment it is."""
    stem, dot, number = PurePosixPath(file).stem.rpartition(".")
    return stem if dot and len(number) == 5 and number.isdecimal() else PurePosixPath(file).stem


class SegmentAppender(Appender):
    """Appends to a journal in a bucket; the first request is sent by the first append.

    Parameters
    ----------
    files : ObjectFiles
        The sweep directory.
    relative : str
        Name of the journal.
    n_whole : Callable
        Length of the part of a content that ends with the last whole frame.
    """

    def __init__(self, files: ObjectFiles, relative: str, n_whole: Callable[[bytes], int]) -> None:
        self._files, self._relative, self._n_whole = files, relative, n_whole
        self._number = 0
        self._content = b""
        self._version: Version | None = None
        self._is_known = False

    def append(self, content: bytes) -> None:
        """Add whole frames, durably."""
        if not self._is_known:
            self._go_on()
        if len(self._content) >= SEGMENT_BYTES:
            self._number, self._content, self._version = self._number + 1, b"", None
        file = segment_file(self._relative, self._number)
        whole = self._content + content
        try:
            version = self._files.put_if(file, whole, self._version)
        except StoreAccessError:
            # Whether it is there is not known: look before the next append.
            self._is_known = False
            raise
        if version is None:
            raise StoreAccessError(
                f"cannot write {self._files.location / file}: another process writes this journal"
            )
        self._content, self._version = whole, version

    def _go_on(self) -> None:
        """Find the last segment, which an earlier writer of this name may have left."""
        number = self._number
        found = self._files.found(segment_file(self._relative, number))
        while found is not None:
            self._content = found.content[: self._n_whole(found.content)]
            self._version = found.version
            self._number = number
            number += 1
            found = self._files.found(segment_file(self._relative, number))
        self._is_known = True

    def close(self) -> None:
        """Nothing is open."""
