"""The head dies, and what becomes of a run: it ends, or goes on when there is a head again."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.testing.cluster_run import ClusterRun
from farm.testing.ray_cluster import RayCluster
from tests.cluster.conftest import SLOW, require_complete

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.xdist_group("cluster")]


def test_the_head_dies_and_comes_back_on_the_same_port(tmp_path: Path) -> None:
    with RayCluster() as cluster:
        cluster.add_node()
        with ClusterRun(cluster, tmp_path / "sweep", SLOW) as sweep:
            sweep.wait_for_chunks(4)
            cluster.kill_head()
            cluster.remove_nodes()
            cluster.start_head()
            cluster.add_node(n_cards=2)
            exit_code = sweep.wait()
            n_before = sweep.n_committed
        assert n_before >= 4
        if exit_code:
            with ClusterRun(cluster, tmp_path / "sweep", SLOW) as again:
                assert again.wait() == 0, again.story()
        require_complete(sweep)
