"""Clusters of several real Ray nodes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm.store.check import verify
from farm.testing.cluster_run import RESHARD, ClusterRun
from farm.testing.ray_cluster import RayCluster
from farm.testing.truth import audit

SLOW = (
    *RESHARD, "-l", "output_grid=1x2..2x2", "--chunk", "32",
    "--device", "sim", "-o", "device_time=0.02",
)  # fmt: skip
"""26 chunks, each two thirds of a second of a simulated card's time."""


@pytest.fixture(scope="package")
def cluster() -> Iterator[RayCluster]:
    """A head; each test adds and removes its own nodes."""
    with RayCluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def without_nodes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the nodes that a test has added."""
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").remove_nodes()


Runs = Callable[..., ClusterRun]


@pytest.fixture
def run(cluster: RayCluster, tmp_path: Path) -> Iterator[Runs]:
    """Start runs of one sweep directory."""
    started: list[ClusterRun] = []

    def begin(*arguments: str) -> ClusterRun:
        started.append(ClusterRun(cluster, tmp_path / "sweep", [*(SLOW), *arguments]))
        return started[-1]

    yield begin
    for one in started:
        one.end()


def require_complete(run: ClusterRun) -> None:
    """Every vector once, with its own launches; nothing left over."""
    found = audit(run.directory)
    assert found.is_clean, (found.missing[:5], found.doubled[:5], found.wrong[:5])
    assert set(found.statuses.values()) == {"OK"}
    assert verify(run.path).is_sound
    assert not list((run.path / "tmp").glob("*"))
