"""Nodes that say that they go, and nodes that come back when they were given up."""

from __future__ import annotations

import re
import time

import pytest

from farm.testing.ray_cluster import RayCluster
from farm.testing.ray_node import wait_for
from tests.cluster.conftest import Runs, require_complete
from tests.cluster.test_losses import ACTOR, n_by_node, wait_until_at_work

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.xdist_group("cluster")]

REFUSED = re.compile(r"card=(\S+) chunk=(\S+) attempt=\d+\] another card was first")


def test_a_node_that_is_warned_leaves_in_good_order(cluster: RayCluster, run: Runs) -> None:
    first, second = cluster.add_nodes(2)
    sweep = run()
    leaving, staying = wait_until_at_work(sweep, first), wait_until_at_work(sweep, second)
    at = time.time()
    assert cluster.drain(first, deadline_s=60).wait(60) == 0
    sweep.wait_for_incident("node-draining", since_at=at)
    assert wait_for(lambda: not first.is_up, 60.0), sweep.story()
    n_left = n_by_node(sweep, leaving)
    assert sweep.wait() == 0, sweep.story()
    assert n_by_node(sweep, leaving) == n_left
    assert sweep.cards()[max(sweep.cards())].startswith(f"{staying}/")
    (incident,) = sweep.incidents("node-draining")
    assert incident["node"] == leaving
    # The chunk in hand was finished, not measured by two: a lease that is handed back is redone.
    assert sweep.incidents("actor-lost", "node-lost") == []
    attempts = [sweep.directory.result_meta(chunk).attempt for chunk in sweep.cards()]
    assert set(attempts) == {1}
    require_complete(sweep)


def test_a_node_that_comes_back_late_commits_nothing_twice(cluster: RayCluster, run: Runs) -> None:
    stale, steady = cluster.add_nodes(2)
    sweep = run()
    wait_until_at_work(sweep, steady)
    name = wait_until_at_work(sweep, stale)
    # By then a batch is a whole chunk, which needs nothing of the actor to be measured.
    assert wait_for(lambda: n_by_node(sweep, name) >= 3, 60.0), sweep.story()
    at = time.time()
    # The executor works on: a card does not know that its host is cut off.
    stale.stop(but="spawn_main")
    sweep.wait_for_incident("actor-lost", "node-lost", since_at=at)
    # Time for the chunks in hand to be measured by the other card.
    sweep.wait_for_chunks(sweep.n_committed + 5)
    # It comes back, but not to the head, which would tell it to stop: it can only commit.
    assert cluster.head is not None
    cluster.head.stop("ray::Coordinator")
    stale.go_on(ACTOR)

    def has_refused() -> bool:
        return any(card.startswith(name) for card, _ in REFUSED.findall(cluster.card_logs()))

    assert wait_for(has_refused, 60.0), cluster.card_logs() + sweep.story()
    cluster.head.go_on("ray::Coordinator")
    stale.go_on()
    assert sweep.wait() == 0, sweep.story()
    for card, chunk in REFUSED.findall(cluster.card_logs()):
        assert sweep.cards()[chunk] != card
    require_complete(sweep)
