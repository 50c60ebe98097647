"""What a run tells Prometheus: the catalogue of metrics, and how progress becomes their values.

One process, the driver, records all of them from the progress that it polls anyway, about every
`EVERY_S` seconds: nothing is added to the measuring of a vector, and a card's restart does not
begin a new series.  Ray's exporter puts ``ray_`` before each name and ``_total`` behind counters.
Labels are few: the run, the sweep, and where it makes sense the card and its node, never a chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from farm.card_state import WORDS, word_of
from farm.store.journal import is_incident

EVERY_S = 1.0

RUN_LABELS = ("run", "sweep")
CARD_LABELS = (*RUN_LABELS, "card", "node")

CARD_STATES = (*(word for word in WORDS if word not in {"starting", "trial"}), "other")


class MetricKind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
        Without what the exporter adds.
    kind : MetricKind
        Counter or gauge.
    description : str
        For people.
    labels : tuple of str
        Names of its labels.
    """

    name: str
    kind: MetricKind
    description: str
    labels: tuple[str, ...] = RUN_LABELS

    @property
    def exported_name(self) -> str:
        """Name under which Prometheus finds it."""
        return f"ray_{self.name}" + ("_total" if self.kind is MetricKind.COUNTER else "")


def _counter(name: str, description: str, labels: tuple[str, ...] = CARD_LABELS) -> Metric:
    return Metric(f"sweepfarm_{name}", MetricKind.COUNTER, description, labels)


def _gauge(name: str, description: str, labels: tuple[str, ...] = RUN_LABELS) -> Metric:
    return Metric(f"sweepfarm_{name}", MetricKind.GAUGE, description, labels)


VECTORS_DONE = _counter("vectors_done", "Vectors with an outcome, measured by this card.")
CHUNKS_COMMITTED = _counter("chunks_committed", "Chunks that this card was first to commit.")
READ_SECONDS = _counter("read_seconds", "Seconds spent reading the device profiler.")
COMMIT_SECONDS = _counter("commit_seconds", "Seconds spent committing chunks to the store.")
INCIDENTS = _counter("incidents", "Incidents, by kind.", (*CARD_LABELS, "kind"))
BATCH_ROWS = _gauge("batch_rows", "Vectors per profiler read.", CARD_LABELS)
CARD_STATE = _gauge("card_state", "1 for the state that a card is in.", (*CARD_LABELS, "state"))
CARDS = _gauge("cards", "Cards, by state.", (*RUN_LABELS, "state"))
CARDS_WANTED = _gauge("cards_wanted", "Cards that the pending chunks justify.")
CARDS_PENDING = _gauge("cards_pending", "Cards asked for that have not come yet.")
CARDS_MAX = _gauge("cards_max", "The most cards that the run may have; 0: no limit.")
NODES = _gauge("nodes", "Nodes of the cluster that the run sees.")
VECTORS = _gauge("vectors", "Vectors of the sweep.")
VECTORS_COMMITTED = _gauge(
    "vectors_committed", "Committed vectors, by status.", (*RUN_LABELS, "status")
)
CHUNKS_LEFT = _gauge("chunks_left", "Chunks that are not committed yet.")
PROGRESS = _gauge("progress_ratio", "Vectors with an outcome over vectors of the sweep, 0 to 1.")
PAUSED = _gauge("paused", "1 while the run is paused.")

CATALOGUE = (
    VECTORS_DONE, CHUNKS_COMMITTED, READ_SECONDS, COMMIT_SECONDS, INCIDENTS, BATCH_ROWS,
    CARD_STATE, CARDS, CARDS_WANTED, CARDS_PENDING, CARDS_MAX, NODES, VECTORS, VECTORS_COMMITTED,
    CHUNKS_LEFT, PROGRESS, PAUSED,
)  # fmt: skip

_TOTALS = {
    VECTORS_DONE: "n_done",
    CHUNKS_COMMITTED: "n_chunks",
    READ_SECONDS: "read_s",
    COMMIT_SECONDS: "commit_s",
}
"""Counter -> the running total that a card reports."""


class Meter(Protocol):
    """Takes values; `farm.ray_metrics.RayMeter` hands them to Ray's exporter."""

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Let a counter grow."""

    def set(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""


class RunMetrics:
    """Turns progress into metrics.

    Parameters
    ----------
    meter : Meter
        Who takes them.
    run_id, sweep : str
        For the labels.
    clock : Callable
        Monotonic time, seconds.
    """

    def __init__(
        self, meter: Meter, run_id: str, sweep: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._meter, self._clock = meter, clock
        self._run = {"run": run_id, "sweep": sweep}
        self._next_s = clock()
        self._totals: dict[tuple[Metric, str], float] = {}
        self._states: dict[str, tuple[str, str]] = {}

    def incidents(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Count what was journalled since the last call."""
        for record in records:
            if is_incident(record):
                card = str(record.get("card", ""))
                labels = self._card_labels(card) | {"kind": str(record["kind"])}
                self._meter.add(INCIDENTS, 1.0, labels)

    def progress(self, state: Mapping[str, Any]) -> None:
        """Take in the latest progress; does nothing if the last one was a moment ago."""
        if self._clock() < self._next_s:
            return
        self._next_s = self._clock() + EVERY_S
        cards: Mapping[str, Mapping[str, Any]] = state.get("cards", {})
        for card, facts in cards.items():
            self._card(card, facts)
        self._gone(cards)
        words = [_state(facts) for facts in cards.values()]
        for word in CARD_STATES:
            self._meter.set(CARDS, words.count(word), self._run | {"state": word})
        self._whole(state)
        self._cluster(state.get("cluster") or {}, len(cards))

    def _whole(self, state: Mapping[str, Any]) -> None:
        n_vectors = int(state.get("n_vectors", 0))
        n_left = int(state.get("n_chunks", 0)) - int(state.get("n_chunks_committed", 0))
        self._meter.set(VECTORS, n_vectors, self._run)
        self._meter.set(CHUNKS_LEFT, n_left, self._run)
        self._meter.set(PROGRESS, int(state.get("n_done", 0)) / max(1, n_vectors), self._run)
        self._meter.set(PAUSED, float(bool(state.get("is_paused"))), self._run)
        for status, n in state.get("counts", {}).items():
            self._meter.set(VECTORS_COMMITTED, n, self._run | {"status": status})

    def _cluster(self, cluster: Mapping[str, Any], n_cards: int) -> None:
        self._meter.set(CARDS_WANTED, int(cluster.get("n_wanted", n_cards)), self._run)
        self._meter.set(CARDS_PENDING, int(cluster.get("n_pending", 0)), self._run)
        self._meter.set(CARDS_MAX, int(cluster.get("n_max") or 0), self._run)
        self._meter.set(NODES, len(cluster.get("nodes") or [{}]), self._run)

    def _card(self, card: str, facts: Mapping[str, Any]) -> None:
        word, node = _state(facts), str(facts.get("node", ""))
        before = self._states.get(card)
        if before is not None and before != (word, node):
            self._set_state(card, *before, 0.0)
        self._states[card] = word, node
        self._set_state(card, word, node, 1.0)
        labels = self._card_labels(card)
        self._meter.set(BATCH_ROWS, int(facts.get("batch_rows") or 0), labels)
        for metric, key in _TOTALS.items():
            self._count(metric, card, float(facts.get(key) or 0.0), labels)

    def _count(self, metric: Metric, card: str, total: float, labels: dict[str, str]) -> None:
        known = self._totals.get((metric, card), 0.0)
        self._totals[metric, card] = total
        # A card that starts again counts from nothing.
        grown = total - known if total >= known else total
        if grown > 0:
            self._meter.add(metric, grown, labels)

    def _gone(self, cards: Mapping[str, Any]) -> None:
        for card in self._states.keys() - cards.keys():
            self._set_state(card, *self._states.pop(card), 0.0)

    def _set_state(self, card: str, word: str, node: str, value: float) -> None:
        labels = self._run | {"card": card, "node": node, "state": word}
        self._meter.set(CARD_STATE, value, labels)

    def _card_labels(self, card: str) -> dict[str, str]:
        return self._run | {"card": card, "node": self._states.get(card, ("", ""))[1]}


def _state(card: Mapping[str, Any]) -> str:
    """Reduce what a card says it is doing to one of `CARD_STATES`."""
    word = word_of(card)
    known = {"trial": "measuring", "starting": "opening"}.get(word, word)
    return known if known in CARD_STATES else "other"
