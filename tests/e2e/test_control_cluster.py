"""A run on a cluster is scaled while it works, and the cluster tells of it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.store.live import read_live
from farm.store.local_files import LocalFiles
from tests.e2e.cluster_nodes import FARM, Nodes

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SLOW = (
    "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "8", "--device", "sim",
    "-o", "device_time=0.1",
)  # fmt: skip


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    try:
        made.start_head("--device", "sim:3")
        yield made
    finally:
        made.close()


def test_a_run_is_scaled_and_the_cluster_tells_of_it(nodes: Nodes, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    words = (*SLOW, "--out", str(sweep), "--address", nodes.address, "--max-cards", "1")
    run = subprocess.Popen(
        [FARM, "run", *words],
        env=nodes.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: n_at_work(sweep) == 1, run)
        listed = nodes.farm("status", "--address", nodes.address)
        assert listed.returncode == 0, listed.stderr
        assert f"reshard in {sweep}: run 20" in listed.stdout
        assert "1 card wanted, 0 pending, at most 1" in listed.stdout

        more = nodes.farm("scale", sweep, "--max-cards", "3")
        assert more.returncode == 0, more.stderr
        assert "may have 3 cards" in more.stdout
        wait_until(lambda: n_at_work(sweep) == 3, run)
        told = nodes.farm("status", sweep, "--address", nodes.address, "--json")
        seen = json.loads(told.stdout)
        assert seen["cluster"]["n_max"] == 3
        assert len({facts["node"] for facts in seen["cards"].values()}) == 1

        # A run that waits asks for no card that the cluster does not have.
        assert nodes.farm("scale", sweep, "--max-cards", "5").returncode == 0
        wait_until(lambda: cluster_of(sweep).get("n_pending") == 2, run)
        assert nodes.farm("pause", sweep).returncode == 0
        wait_until(lambda: cluster_of(sweep).get("n_pending") == 0, run)
        assert n_at_work(sweep) == 3
        assert nodes.farm("resume", sweep).returncode == 0

        assert nodes.farm("scale", sweep, "--max-cards", "1").returncode == 0
        wait_until(lambda: n_at_work(sweep) == 1, run)
        stopped = nodes.farm("stop", sweep, "--wait")
        assert stopped.returncode == 0, stopped.stderr
        output, _ = run.communicate(timeout=30)
        assert run.returncode == 130, output
    finally:
        run.kill()
        run.communicate()
    nobody = nodes.farm("status", "--address", nodes.address)
    assert nobody.stdout == f"no run is at work on the cluster at {nodes.address}\n"


def cluster_of(sweep: Path) -> dict[str, Any]:
    found = read_live(LocalFiles(sweep)) if sweep.exists() else None
    return (found.cluster or {}) if found is not None else {}


def n_at_work(sweep: Path) -> int:
    return int(cluster_of(sweep).get("n_at_work", 0))


def wait_until(what: Callable[[], bool], run: subprocess.Popen[str], longest_s: float = 60) -> None:
    end = time.monotonic() + longest_s
    while not what():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.2)
