"""What dies in a cluster, and what becomes of the sweep: it completes, and nothing is doubled."""

from __future__ import annotations

import time

import psutil
import pytest

from farm.testing.cluster_run import ClusterRun
from farm.testing.ray_cluster import RayCluster
from farm.testing.ray_node import RayNode, wait_for
from tests.cluster.conftest import Runs, require_complete

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.xdist_group("cluster")]

ACTOR = "ray::ClaimingDeviceActor"


def node_of(run: ClusterRun, node: RayNode) -> str:
    """Name of a node as cards and incidents have it."""
    entries = run.progress["cluster"]["nodes"]
    return next(str(entry["name"]) for entry in entries if entry["node_id"] == node.node_id)


def n_by_node(run: ClusterRun, name: str) -> int:
    return sum(card.startswith(f"{name}/") for card in run.cards().values())


def wait_until_at_work(run: ClusterRun, node: RayNode) -> str:
    """Wait until a card of a node has committed something; returns the node's name."""
    assert wait_for(
        lambda: any(
            entry["node_id"] == node.node_id and n_by_node(run, entry["name"])
            for entry in run.progress.get("cluster", {}).get("nodes", ())
        ),
        60.0,
    ), run.story()
    return node_of(run, node)


def test_actors_and_nodes_die_and_another_node_takes_their_work(
    cluster: RayCluster, run: Runs
) -> None:
    first, second = cluster.add_nodes(2)
    sweep = run()
    sweep.wait_for_chunks(3)
    name = wait_until_at_work(sweep, first)

    at = time.time()
    assert first.kill(ACTOR) == 1
    sweep.wait_for_incident("actor-lost", since_at=at)
    assert {record["node"] for record in sweep.incidents("actor-lost")} == {name}

    lost = node_of(sweep, second)
    at = time.time()
    second.kill()
    sweep.wait_for_incident("node-lost", since_at=at)
    (incident,) = sweep.incidents("node-lost")
    assert incident["node"] == lost
    third = cluster.add_node()
    wait_until_at_work(sweep, third)
    assert sweep.wait() == 0, sweep.story()
    require_complete(sweep)


def test_driver_coordinator_and_supervisor_die(cluster: RayCluster, run: Runs) -> None:
    cluster.add_nodes(2)
    sweep = run()
    sweep.wait_for_chunks(3)
    assert cluster.head is not None
    assert cluster.head.kill("ray::Coordinator") == 1
    sweep.wait_for_chunks(6)
    sweep.driver().kill()
    sweep.wait_for_chunks(10)
    driver = sweep.driver()
    sweep.process.kill()
    sweep.wait()
    psutil.wait_procs([driver], timeout=30)
    assert not driver.is_running()
    # Nothing asks for cards any more, and nobody holds one.
    assert wait_for(lambda: not any(node.members(ACTOR) for node in cluster.nodes), 60.0)
    n_before = sweep.n_committed
    again = run()
    assert again.wait() == 0, again.story()
    assert n_before >= 10
    require_complete(again)
