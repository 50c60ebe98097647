"""Writing a JSON file out of pieces of text, and comparing it with what was imported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from farm.interchange.record_table import FileFacts
from farm.store.disk_access import new_file

_MOST_PIECES = 1 << 12


@dataclass(frozen=True)
class FileResult:
    """A file that was written.

    Attributes
    ----------
    path : Path
        Where.
    is_same : bool or None
        Whether it has the bytes of the imported file; None: it was not imported.
    """

    path: Path
    is_same: bool | None


def write_text(
    folder: Path, name: str, pieces: Iterator[str], original: FileFacts | None
) -> FileResult:
    """Write a file below a folder.

    Raises
    ------
    StoreAccessError
        If the disk refuses.
    """
    path = folder / name
    digest = hashlib.sha256()
    with new_file(path) as file:
        while part := "".join(islice(pieces, _MOST_PIECES)):
            content = part.encode()
            digest.update(content)
            file.write(content)
    return FileResult(path, None if original is None else digest.hexdigest() == original.sha256)
