"""How far a sweep is, from footers and journals alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from farm.store.directory import SweepDirectory


@dataclass(frozen=True)
class Overview:
    """State of a sweep directory.

    Attributes
    ----------
    sweep, op : str
        What it is.
    n_vectors, n_chunks : int
        Its size.
    n_committed_vectors, n_committed_chunks : int
        What is done.
    counts : dict
        Status -> vectors.
    chunks_by_card : dict
        Card -> committed chunks.
    batch_by_card : dict
        Card -> the batch size it chose last and why (`farm.card.batch_tuner`).
    incidents : list of dict
        Journalled records by time.
    """

    sweep: str
    op: str
    n_vectors: int
    n_chunks: int
    n_committed_vectors: int
    n_committed_chunks: int
    counts: dict[str, int]
    chunks_by_card: dict[str, int]
    batch_by_card: dict[str, dict[str, Any]]
    incidents: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)


def overview(directory: SweepDirectory) -> Overview:
    """Read the footers of all committed chunks.

    Raises
    ------
    DamagedStoreError
        If a footer is damaged.
    """
    counts: dict[str, int] = {}
    chunks_by_card: dict[str, int] = {}
    latest: dict[str, tuple[str, dict[str, Any]]] = {}
    committed = sorted(directory.committed())
    for meta in directory.result_metas(committed):
        chunks_by_card[meta.card] = chunks_by_card.get(meta.card, 0) + 1
        choice = (meta.ended_at, dict(meta.batch))
        latest[meta.card] = max(latest.get(meta.card, choice), choice, key=lambda item: item[0])
        for status, n in meta.counts.items():
            counts[status] = counts.get(status, 0) + n
    manifest = directory.manifest
    return Overview(
        sweep=manifest.sweep,
        op=manifest.op,
        n_vectors=manifest.n_vectors,
        n_chunks=len(directory.chunks()),
        n_committed_vectors=sum(directory.chunk(c).n_rows for c in committed),
        n_committed_chunks=len(committed),
        counts=counts,
        chunks_by_card=chunks_by_card,
        batch_by_card={card: batch for card, (_, batch) in latest.items()},
        incidents=directory.incidents(),
    )
