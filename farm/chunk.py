"""Chunks: the unit of leasing and of committing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A fixed run of rows of one shard: one row group.

    Attributes
    ----------
    shard, row_group : int
        Where its rows are.
    first_index : int
        Index in the sweep of its first vector.
    n_rows : int
        How many vectors it has.
    """

    shard: int
    row_group: int
    first_index: int
    n_rows: int

    @property
    def chunk_id(self) -> str:
        """Name of the chunk, such as ``00002-00017``."""
        return f"{self.shard:05d}-{self.row_group:05d}"

    @property
    def result_file(self) -> str:
        """Path of its results in the sweep directory; hashed over 256 folders."""
        folder = hashlib.sha256(self.chunk_id.encode()).hexdigest()[:2]
        return f"results/{folder}/{self.chunk_id}.parquet"


@dataclass(frozen=True, slots=True)
class Strike:
    """A vector that was in flight when its executor hung or died.

    Attributes
    ----------
    strike_id : str
        Unique per event, so that a report made twice counts once.
    index : int
        The vector, by its index in the sweep.
    kind : str
        ``HANG`` or ``CRASH``.
    card : str
        Where it happened.
    evidence : str
        What was seen.
    """

    strike_id: str
    index: int
    kind: str
    card: str
    evidence: str
