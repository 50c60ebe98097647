"""Collect what a report says, in one pass over the committed results.

Only statistics are held, never all rows; a second pass reads the points of the few groups that are
drawn.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analysis.models import GroupModel, model_groups
from analysis.ranking import ranked
from analysis.size_means import SizeMeans
from analysis.worker import AnalysisWorker
from farm.outcome import Status
from farm.store.directory import SweepDirectory
from farm.store.journal import is_incident
from farm.store.manifest import Manifest
from farm.store.measured import measured
from farm.store.results import ResultMeta

_N_WORST_DRAWN = 6
_N_OTHERS_DRAWN = 3

# Bins of the relative standard deviation between launches: 50 per decade.
_NOISE_EDGES = np.logspace(-6, 2, 401)

Floats = npt.NDArray[np.float64]


@dataclass
class CardFacts:
    """What one card did.

    Attributes
    ----------
    card : str
        Its name.
    n_vectors, n_chunks : int
        What it committed.
    busy_s : float
        Wall time of its chunks.
    spans : list
        Start and end of each chunk in seconds since the epoch, and its vectors.
    """

    card: str
    n_vectors: int = 0
    n_chunks: int = 0
    busy_s: float = 0.0
    spans: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def rate(self) -> float | None:
        """Vectors per second while at work."""
        return self.n_vectors / self.busy_s if self.busy_s > 0 else None


@dataclass
class DrawnGroup:
    """A group with its points.

    Attributes
    ----------
    model : GroupModel
        Key and line.
    label : str
        ``worst``, ``typical`` or ``best``.
    sizes, durations_ns : ndarray
        Its points, shape (n,).
    """

    model: GroupModel
    label: str
    sizes: Floats
    durations_ns: Floats


@dataclass
class Facts:
    """Everything a report says.

    Attributes
    ----------
    name : str
        Name of the sweep directory, without its path.
    manifest : Manifest
        The sweep.
    over : str
        What the points of the fits are.
    n_chunks, n_committed : int
        Chunks of the sweep, and those with results.
    counts : Counter
        Vectors by status.
    reasons : Counter
        Vectors by (status, reason).
    cards : list of CardFacts
        By name.
    devices : list of Mapping
        Distinct descriptions of what measured, without the card's name, most frequent first.
    run_ids : list of str
        Runs that contributed.
    first_start, last_end : float or None
        Seconds since the epoch.
    groups : list of GroupModel
        In the order of the model files.
    drawn : list of DrawnGroup
        Groups to plot.
    noise : float or None
        Median over the vectors of the relative standard deviation between launches.
    incidents : list of Mapping
        Journal records by time.
    """

    name: str
    manifest: Manifest
    over: str
    n_chunks: int
    n_committed: int
    counts: Counter[str]
    reasons: Counter[tuple[str, str]]
    cards: list[CardFacts]
    devices: list[Mapping[str, Any]]
    run_ids: list[str]
    first_start: float | None
    last_end: float | None
    groups: list[GroupModel]
    drawn: list[DrawnGroup]
    noise: float | None
    incidents: list[dict[str, Any]]

    @property
    def n_done(self) -> int:
        """Vectors with an outcome."""
        return sum(self.counts.values())

    @property
    def is_complete(self) -> bool:
        """Whether every vector is accounted for."""
        return self.n_committed == self.n_chunks

    @property
    def lost_s(self) -> float:
        """Card time that incidents cost."""
        return sum(number(incident.get("lost_s")) for incident in self.incidents)

    def as_json(self) -> dict[str, Any]:
        """Return the main figures as plain data."""
        return {
            "sweep": self.manifest.sweep,
            "is_complete": self.is_complete,
            "n_vectors": self.manifest.n_vectors,
            "n_done": self.n_done,
            "counts": dict(self.counts),
            "n_groups": len(self.groups),
            "n_fitted": sum(group.fit.is_fitted for group in self.groups),
            "n_incidents": sum(is_incident(record) for record in self.incidents),
            "over": self.over,
        }


def number(value: object) -> float:
    """Read a number from a record that another process wrote; 0 if it is none."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number and isinstance(value, int | float) else 0.0


def collect(directory: SweepDirectory, over: str) -> Facts:
    """Read the facts of a sweep directory.

    Parameters
    ----------
    directory : SweepDirectory
        The sweep, in whatever state.
    over : str
        What the points of the fits are.

    Raises
    ------
    StoreError
        If it cannot be read, or is damaged.
    """
    manifest = directory.manifest
    tally = _Tally()
    worker = AnalysisWorker(str(directory.location), over)
    chunks_of: dict[tuple[str, ...], list[str]] = defaultdict(list)
    committed = sorted(directory.committed())
    for chunk_id, (outcomes, meta) in zip(committed, directory.results(committed), strict=True):
        tally.add(meta, outcomes)
        found = measured(manifest, directory.vectors(chunk_id), outcomes)
        worker.push(chunk_id, found.rows, found.groups)
        for key in found.groups.values():
            chunks_of[key].append(chunk_id)
    groups = model_groups(manifest, worker.fits())
    spans = [span for card in tally.cards.values() for span in card.spans]
    return Facts(
        name=directory.location.name,
        manifest=manifest,
        over=over,
        n_chunks=len(directory.chunks()),
        n_committed=tally.n_chunks,
        counts=tally.counts,
        reasons=tally.reasons,
        cards=[tally.cards[card] for card in sorted(tally.cards)],
        devices=[dict(device) for device, _ in tally.described()],
        run_ids=sorted(tally.run_ids),
        first_start=min((start for start, _, _ in spans), default=None),
        last_end=max((end for _, end, _ in spans), default=None),
        groups=groups,
        drawn=_drawn(directory, groups, chunks_of, over),
        noise=tally.median_noise(),
        incidents=directory.incidents(),
    )


class _Tally:
    """Counts over the committed chunks."""

    def __init__(self) -> None:
        self.n_chunks = 0
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.cards: dict[str, CardFacts] = {}
        self.run_ids: set[str] = set()
        self._devices: dict[str, tuple[Mapping[str, Any], int]] = {}
        self._noise = np.zeros(len(_NOISE_EDGES) - 1, np.int64)

    def add(self, meta: ResultMeta, outcomes: pa.Table) -> None:
        n_vectors = sum(meta.counts.values())
        self.n_chunks += 1
        self.counts.update(meta.counts)
        self.run_ids.add(meta.run_id)
        card = self.cards.setdefault(meta.card, CardFacts(meta.card))
        card.n_vectors += n_vectors
        card.n_chunks += 1
        card.busy_s += meta.measured_s
        card.spans.append((_seconds(meta.started_at), _seconds(meta.ended_at), n_vectors))
        shared = {key: value for key, value in meta.device.items() if key != "card"}
        known = self._devices.get(repr(shared), (shared, 0))
        self._devices[repr(shared)] = (shared, known[1] + n_vectors)
        if set(meta.counts) - {Status.OK.value}:
            self._add_reasons(outcomes)
        noise = pc.divide(outcomes["std_ns"], outcomes["mean_ns"]).drop_null().to_numpy()
        self._noise += np.histogram(np.clip(noise, 1e-6, 99.0), _NOISE_EDGES)[0]

    def _add_reasons(self, outcomes: pa.Table) -> None:
        status = outcomes["status"].combine_chunks().dictionary_decode()
        failed = pc.not_equal(status, Status.OK.value)
        pairs = zip(
            status.filter(failed).to_pylist(),
            outcomes["reason"].filter(failed).to_pylist(),
            strict=True,
        )
        self.reasons.update((kind, reason or "") for kind, reason in pairs)

    def described(self) -> list[tuple[Mapping[str, Any], int]]:
        return sorted(self._devices.values(), key=lambda item: -item[1])

    def median_noise(self) -> float | None:
        if not self._noise.sum():
            return None
        below = np.cumsum(self._noise)
        i = int(np.searchsorted(below, below[-1] / 2))
        return float(np.sqrt(_NOISE_EDGES[i] * _NOISE_EDGES[i + 1])) if i else 0.0


def _seconds(iso_time: str) -> float:
    return datetime.fromisoformat(iso_time).timestamp()


def _drawn(
    directory: SweepDirectory,
    groups: Sequence[GroupModel],
    chunks_of: Mapping[tuple[str, ...], Iterable[str]],
    over: str,
) -> list[DrawnGroup]:
    chosen = _chosen(ranked(groups))
    needed = sorted({chunk for model, _ in chosen for chunk in chunks_of[model.key]})
    points: dict[tuple[str, ...], list[tuple[Floats, Floats]]] = defaultdict(list)
    wanted = {model.key for model, _ in chosen}
    for chunk_id in needed:
        vectors, outcomes = directory.vectors(chunk_id), directory.outcomes(chunk_id)
        found = measured(directory.manifest, vectors, outcomes)
        ids = found.rows["group_id"].to_numpy()
        sizes, durations = found.rows["size"].to_numpy(), found.rows["duration_ns"].to_numpy()
        for group_id, key in found.groups.items():
            if key in wanted:
                points[key].append((sizes[ids == group_id], durations[ids == group_id]))
    drawn = []
    for model, label in chosen:
        x, y = (np.concatenate(parts) for parts in zip(*points[model.key], strict=True))
        if over == "size-means":
            means = SizeMeans.from_arrays(np.zeros(len(x), np.int64), x, y)
            x, y = means.sizes, means.mean_ns
        drawn.append(DrawnGroup(model, label, x, y))
    return drawn


def _chosen(order: list[GroupModel]) -> list[tuple[GroupModel, str]]:
    """Worst first; where there are few groups, each once."""
    n_worst = min(_N_WORST_DRAWN, (len(order) + 1) // 2)
    worst = order[len(order) - n_worst :][::-1]
    rest = order[: len(order) - n_worst]
    best = rest[:_N_OTHERS_DRAWN]
    middle = rest[len(best) :]
    start = max(0, (len(middle) - _N_OTHERS_DRAWN) // 2)
    typical = middle[start : start + _N_OTHERS_DRAWN]
    return [
        *((model, "worst") for model in worst),
        *((model, "typical") for model in typical),
        *((model, "best") for model in best),
    ]
