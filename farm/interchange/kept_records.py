"""The imported files of a sweep directory, one by one, out of their kept records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from farm.interchange.record_table import FileFacts, Piece, pieces, records
from farm.store.files import Files


@dataclass(frozen=True)
class KeptFile:
    """An imported file.

    Attributes
    ----------
    facts : FileFacts
        What is known of it.
    generation : str
        Which wrote it.
    """

    facts: FileFacts
    generation: str
    _records: Iterator[tuple[str, Any]]

    def records(self) -> Iterator[Any]:
        """Yield its records; the files have to be read in turn, each to its end."""
        for _, record in islice(self._records, self.facts.n_records):
            yield record


def kept_files(files: Files, kind: str) -> Iterator[KeptFile]:
    """Yield the imported files of a kind, in order.

    Raises
    ------
    DamagedStoreError
        If a piece is damaged.
    """
    for one in pieces(files, kind):
        every = _records(files, one)
        for facts in one[0].files:
            yield KeptFile(facts, one[0].generation, every)


def generations(files: Files, kind: str) -> set[str]:
    """Return which generations the imported files of a kind were written by."""
    return {one[0].generation for one in pieces(files, kind)}


def _records(files: Files, one: list[Piece]) -> Iterator[tuple[str, Any]]:
    for piece in one:
        yield from records(files, piece.name)
