"""Runs on a cluster of several nodes: the same command, cards that come, and cards that go."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farm.store.directory import SweepDirectory
from farm.testing.truth import audit
from tests.e2e.cluster_nodes import FARM, Nodes

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.xdist_group("nodes")]

RESHARD = (
    "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "32", "--device", "sim",
)  # fmt: skip
_LIMIT_S = 90.0


@dataclass
class Run:
    """A ``farm run`` that tells its events."""

    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    def until(self, is_enough: Any) -> dict[str, Any]:
        """Read events up to the first one of progress that is enough."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == "progress" and is_enough(self.events[-1]):
                return self.events[-1]
        raise AssertionError(self.said())

    def finish(self) -> int:
        """Read the other events; returns the exit code."""
        # Not by communicate(), which passes over what the iterator has read ahead.
        assert self.process.stdout is not None
        self.events += [json.loads(line) for line in self.process.stdout]
        return self.process.wait(_LIMIT_S)

    def said(self) -> str:
        """Everything but progress."""
        assert self.process.stderr is not None
        other = [event for event in self.events if event["event"] != "progress"]
        return f"{other} {self.process.stderr.read() if not self.process.stderr.closed else ''}"

    def progress(self) -> dict[str, Any]:
        return next(event for event in reversed(self.events) if event["event"] == "progress")

    def clusters(self) -> list[dict[str, Any]]:
        return [event["cluster"] for event in self.events if "cluster" in event]


@dataclass
class Cluster:
    """A head without cards, and nodes with some."""

    nodes: Nodes
    runs: list[Run] = field(default_factory=list)

    def start(self, out: Path, *arguments: object) -> Run:
        words = [*RESHARD, *arguments, "--out", out, "--address", self.nodes.address, "--json"]
        process = subprocess.Popen(
            [FARM, "run", *map(str, words)],
            env=self.nodes.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.runs.append(Run(process))
        return self.runs[-1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    nodes = Nodes()
    made = Cluster(nodes)
    try:
        nodes.start_head()
        nodes.join("--device", "sim:2")
        yield made
    finally:
        for run in made.runs:
            if run.process.poll() is None:
                run.process.kill()
            run.process.communicate()
        nodes.close()


def measured_on(path: Path) -> dict[str, int]:
    """Count committed chunks per node, and check that every vector is there once and right."""
    directory = SweepDirectory.open(path)
    found = audit(directory)
    assert found.is_clean, found
    assert set(found.statuses.values()) == {"OK"}
    counts: dict[str, int] = {}
    for chunk_id in directory.committed():
        meta = directory.result_meta(chunk_id)
        assert meta.card.startswith(f"{meta.node}/sim:")
        assert meta.node.startswith(meta.host)
        counts[meta.node] = counts.get(meta.node, 0) + 1
    return counts


def test_a_node_that_joins_in_the_middle_takes_work_and_demand_falls_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    run = cluster.start(tmp_path / "sweep", "-o", "device_time=0.05")
    begun = run.until(lambda state: state.get("cluster", {}).get("nodes"))
    assert len(begun["cluster"]["nodes"]) == 1
    late = cluster.nodes.start("--address", cluster.nodes.address, "--device", "sim:1")
    try:
        second = cluster.start(tmp_path / "sweep")
        grown = run.until(lambda state: len(_at_work(state)) == 2)
        assert second.process.wait(_LIMIT_S) == 2
        assert "another run" in second.process.communicate()[1]
        assert {node["n_cards"] for node in grown["cluster"]["nodes"]} == {1, 2}
        assert run.finish() == 0, run.said()
    finally:
        cluster.nodes.stop(late)
    assert sum(measured_on(tmp_path / "sweep").values()) == grown["n_chunks"]
    assert len(measured_on(tmp_path / "sweep")) == 2
    assert max(told["n_at_work"] for told in run.clusters()) == 3
    n_wanted = [told["n_wanted"] for told in run.clusters()]
    falling = n_wanted[n_wanted.index(max(n_wanted)) :]
    assert falling == sorted(falling, reverse=True)
    assert n_wanted[-1] == 0


def test_a_card_that_is_released_is_free_for_another_sweep(
    cluster: Cluster, tmp_path: Path
) -> None:
    one = cluster.start(tmp_path / "one", "-o", "device_time=0.15")  # a minute and more
    one.until(lambda state: _n_at_work(state) == 2)
    assert cluster.nodes.farm("scale", tmp_path / "one", "--max-cards", 1).returncode == 0
    one.until(lambda state: _n_at_work(state) == 1)
    other = cluster.start(tmp_path / "other", "--max-cards", 1)
    one.process.send_signal(signal.SIGINT)
    assert one.finish() == 130, one.said()
    assert other.finish() == 0, other.said()
    assert {told["n_wanted"] for told in other.clusters()} <= {0, 1}
    assert max(told["n_at_work"] for told in other.clusters()) == 1
    assert sum(measured_on(tmp_path / "other").values()) == other.progress()["n_chunks"]
    assert SweepDirectory.open(tmp_path / "one").committed()


def test_cards_that_do_not_fit_end_the_run_with_one_clear_error(
    cluster: Cluster, tmp_path: Path
) -> None:
    run = cluster.start(tmp_path / "sweep", "--require", "arch=blackhole*", "--wait-cards", "6")
    assert run.finish() == 4
    errors = [event["message"] for event in run.events if event["event"] == "error"]
    assert len(errors) == 1
    assert "arch 'sim-wormhole_b0' is not the required 'blackhole*'" in errors[0]
    unfit = [event for event in run.events if event.get("kind") == "unfit"]
    assert len(unfit) == len({event["node"] for event in unfit}) >= 1
    assert SweepDirectory.open(tmp_path / "sweep").committed() == set()


def _at_work(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in state.get("cluster", {}).get("nodes", ()) if node["n_at_work"]]


def _n_at_work(state: dict[str, Any]) -> int:
    return int(state.get("cluster", {}).get("n_at_work", 0))
