"""Which vectors of a sweep directory go into which file of tt-metal's layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa

from farm.store.directory import SweepDirectory
from farm.store.results import ResultMeta

Run = tuple[str, int, int]
"""Chunk, and rows of it: start and stop, half-open."""

FileOf = Callable[[dict[str, Any]], str]
"""Parameters of a vector -> name of its file."""


@dataclass
class FileRuns:
    """The vectors of one file.

    Attributes
    ----------
    name : str
        Of the file.
    suites : dict
        Suite -> runs of its vectors.
    """

    name: str
    suites: dict[str, list[Run]] = field(default_factory=dict)


def file_runs(directory: SweepDirectory, chunk_ids: list[str], file_of: FileOf) -> list[FileRuns]:
    """Find the runs of all files, in the order in which the sweep comes to them.

    Parameters
    ----------
    directory : SweepDirectory
        The directory.
    chunk_ids : list of str
        The chunks to write.
    file_of : Callable
        The same for all vectors of a suite that follow each other.
    """
    files: dict[str, FileRuns] = {}
    for chunk_id in chunk_ids:
        table = directory.vectors(chunk_id)
        row = 0
        for suite, same in groupby(table["suite"].to_pylist()):
            stop = row + sum(1 for _ in same)
            name = file_of(params_of(directory, table.slice(row, 1))[0])
            runs = files.setdefault(name, FileRuns(name)).suites.setdefault(suite, [])
            runs.append((chunk_id, row, stop))
            row = stop
    return list(files.values())


def params_of(directory: SweepDirectory, table: pa.Table) -> list[dict[str, Any]]:
    """Return the parameters of vectors; an axis that a vector lacks is left out."""
    names = [axis.name for axis in directory.manifest.axes]
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in table.select(names).to_pylist()
    ]


@dataclass(frozen=True)
class Rows:
    """Some vectors of one chunk with their outcomes, in the same order."""

    vectors: pa.Table
    outcomes: pa.Table
    meta: ResultMeta


class ChunkTables:
    """Reads runs of rows; the last chunk stays at hand.

    Parameters
    ----------
    directory : SweepDirectory
        The directory.
    """

    def __init__(self, directory: SweepDirectory) -> None:
        self._directory = directory
        self._chunk_id = ""
        self._vectors: pa.Table = None
        self._measured: Rows | None = None

    def vectors(self, run: Run) -> pa.Table:
        """Return the vectors of a run."""
        self._open(run[0])
        return self._vectors.slice(run[1], run[2] - run[1])

    def measured(self, run: Run) -> Rows:
        """Return the vectors of a run of a committed chunk with their outcomes."""
        chunk_id, start, stop = run
        self._open(chunk_id)
        if self._measured is None:
            outcomes, meta = self._directory.result(chunk_id)
            self._measured = Rows(self._vectors, outcomes, meta)
        found = self._measured
        return Rows(
            found.vectors.slice(start, stop - start),
            found.outcomes.slice(start, stop - start),
            found.meta,
        )

    def _open(self, chunk_id: str) -> None:
        if chunk_id != self._chunk_id:
            self._vectors = self._directory.vectors(chunk_id)
            self._chunk_id, self._measured = chunk_id, None
