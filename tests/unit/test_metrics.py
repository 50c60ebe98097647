"""What Prometheus is told, and that the files for Prometheus and Grafana ask for what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm import metrics
from farm.metrics import CATALOGUE, EVERY_S, Metric, MetricKind, RunMetrics

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = {metric.exported_name: metric for metric in CATALOGUE}

Key = tuple[str, tuple[tuple[str, str], ...]]


class Recorder:
    """A meter that keeps the values."""

    def __init__(self) -> None:
        self.values: dict[Key, float] = {}
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        assert metric.kind is MetricKind.COUNTER
        assert amount > 0
        key = self._key(metric, labels)
        self.values[key] = self.values.get(key, 0.0) + amount

    def set(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        assert metric.kind is MetricKind.GAUGE
        self.values[self._key(metric, labels)] = value

    @staticmethod
    def _key(metric: Metric, labels: Mapping[str, str]) -> Key:
        assert set(labels) == set(metric.labels)
        return metric.name.removeprefix("sweepfarm_"), tuple(sorted(labels.items()))

    def of(self, name: str, **labels: str) -> float | None:
        wanted = {"run": "run-1", "sweep": "tiny", **labels}
        return self.values.get((name, tuple(sorted(wanted.items()))))


@pytest.fixture
def meter() -> Recorder:
    return Recorder()


@pytest.fixture
def run(meter: Recorder) -> RunMetrics:
    return RunMetrics(meter, "run-1", "tiny", meter.clock)


def state(n_done: int = 10, doing: str = "measuring 00000-00001", **more: Any) -> dict[str, Any]:
    card = {"state": doing, "n_done": n_done, "batch_rows": 8, "n_chunks": 2, "read_s": 0.5}
    return {
        "n_vectors": 40, "n_done": n_done, "n_chunks": 5, "n_chunks_committed": 2,
        "counts": {"OK": 8}, "cards": {"sim:0": card}, **more,
    }  # fmt: skip


def later(meter: Recorder, run: RunMetrics, what: dict[str, Any]) -> None:
    meter.now_s += EVERY_S
    run.progress(what)


CARD = {"card": "sim:0", "node": ""}


def test_progress_becomes_gauges_and_counters(meter: Recorder, run: RunMetrics) -> None:
    run.progress(state())
    later(meter, run, state(25, is_paused=True))
    assert meter.of("vectors_done", **CARD) == 25
    assert meter.of("chunks_committed", **CARD) == 2
    assert meter.of("read_seconds", **CARD) == 0.5
    assert meter.of("batch_rows", **CARD) == 8
    assert meter.of("progress_ratio") == 25 / 40
    assert meter.of("chunks_left") == 3
    assert meter.of("vectors_committed", status="OK") == 8
    assert meter.of("cards", state="measuring") == 1
    assert meter.of("cards", state="idle") == 0
    assert meter.of("paused") == 1
    assert (meter.of("cards_wanted"), meter.of("cards_pending"), meter.of("nodes")) == (1, 0, 1)


def test_a_card_that_starts_again_counts_from_nothing(meter: Recorder, run: RunMetrics) -> None:
    run.progress(state(10))
    later(meter, run, state(3))
    later(meter, run, state(5))
    assert meter.of("vectors_done", **CARD) == 15


def test_a_card_is_in_one_state_at_a_time(meter: Recorder, run: RunMetrics) -> None:
    run.progress(state())
    later(meter, run, state(doing="idle"))
    assert meter.of("card_state", state="measuring", **CARD) == 0
    assert meter.of("card_state", state="idle", **CARD) == 1
    later(meter, run, state(cards={}))
    assert meter.of("card_state", state="idle", **CARD) == 0


def test_incidents_are_counted_by_kind_and_their_ends_are_not(
    meter: Recorder, run: RunMetrics
) -> None:
    run.progress(state())
    kinds = ("hang", "hang", "recovered", "crash")
    run.incidents([{"kind": kind, "card": "sim:0"} for kind in kinds])
    run.incidents([{"kind": "node-lost"}])
    assert meter.of("incidents", kind="hang", **CARD) == 2
    assert meter.of("incidents", kind="crash", **CARD) == 1
    assert meter.of("incidents", kind="recovered", **CARD) is None
    assert meter.of("incidents", kind="node-lost", card="", node="") == 1


def test_a_cluster_says_what_it_waits_for(meter: Recorder, run: RunMetrics) -> None:
    cluster = {"n_wanted": 9, "n_pending": 3, "n_max": 16, "nodes": [{}, {}]}
    run.progress(state(cluster=cluster))
    values = [meter.of(f"cards_{name}") for name in ("wanted", "pending", "max")]
    assert (values, meter.of("nodes")) == ([9, 3, 16], 2)


def test_nothing_is_recorded_more_often_than_needed(meter: Recorder, run: RunMetrics) -> None:
    run.progress(state(1))
    for n_done in range(2, 9):
        meter.now_s += EVERY_S / 8
        run.progress(state(n_done))
    assert meter.of("vectors_done", **CARD) == 1
    later(meter, run, state(9))
    assert meter.of("vectors_done", **CARD) == 9


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("measuring 00000-00001", "measuring"),
        ("trial of vector 7", "measuring"),
        ("starting", "opening"),
        ("retired", "retired"),
        ("knitting", "other"),
        ("", "other"),
    ],
)
def test_states_are_few(text: str, word: str) -> None:
    assert metrics._state({"state": text}) == word


def test_names_are_unique_and_no_label_is_a_chunk() -> None:
    assert len(EXPORTED) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert metric.labels[:2] == ("run", "sweep")
        assert "chunk" not in metric.labels
        assert metric.description.endswith(".")


def _dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    return content


def test_the_dashboard_asks_for_metrics_and_labels_that_exist() -> None:
    asked: set[str] = set()
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            found = re.findall(r"ray_[a-z_]+", target["expr"])
            assert found, panel["title"]
            asked.update(found)
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert shown <= {label for name in found for label in EXPORTED[name].labels}
    for variable in _dashboard()["templating"]["list"]:
        query = variable["query"]
        if isinstance(query, dict):
            name, label = re.findall(r"\((\w+), (\w+)\)", query["query"])[0]
            assert label in EXPORTED[name].labels
    assert asked <= EXPORTED.keys()
    assert EXPORTED.keys() - asked == set()


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_prometheus_is_told_where_to_look() -> None:
    content = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    assert jobs["sweepfarm"]["static_configs"][0]["targets"] == ["127.0.0.1:8090"]
    (discovery,) = jobs["sweepfarm-discovered"]["file_sd_configs"]
    assert discovery["files"][0].endswith("/prom_metrics_service_discovery.json")


def test_the_how_to_names_every_metric() -> None:
    page = (ROOT / "docs/how-to/operate-a-run.md").read_text()
    for name, metric in EXPORTED.items():
        assert f"`{name}`" in page
        assert metric.description.rstrip(".") in page
