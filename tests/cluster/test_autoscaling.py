"""Nodes that Ray's autoscaler starts for the demand of a run, and ends when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.testing.autoscaled_cluster import AutoscaledCluster
from farm.testing.cluster_run import ClusterRun
from farm.testing.ray_node import wait_for
from tests.cluster.conftest import SLOW, require_complete

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.xdist_group("cluster")]


def test_from_no_cards_to_four_and_back(tmp_path: Path) -> None:
    with AutoscaledCluster(max_nodes=2, n_cards=2, idle_s=2.0) as cluster:
        assert cluster.n_worker_nodes == 0
        with ClusterRun(cluster, tmp_path / "sweep", SLOW) as sweep:
            assert sweep.wait() == 0, sweep.story()
            require_complete(sweep)
            assert len(set(sweep.cards().values())) == 4
        # What the first run no longer needs goes; the next one has a node for its one card.
        longer = (*SLOW[:-1], "device_time=0.2", "--max-cards", "1")
        with ClusterRun(cluster, tmp_path / "other", longer) as killed:
            killed.wait_for_chunks(1)
            assert wait_for(lambda: cluster.n_worker_nodes == 1, 60.0)
            assert killed.process.poll() is None
            # A driver that dies leaves nothing behind that asks for cards.
            killed.end()
        assert wait_for(lambda: cluster.n_worker_nodes == 0, 60.0)
