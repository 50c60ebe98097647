"""A cluster that encrypts, the sweep in a bucket, and a node that vanishes in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme

from farm.errors import StoreError
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.testing.truth import audit
from tests.bucket_server import bucket_server
from tests.e2e.certificates import certificates
from tests.e2e.cluster_nodes import FARM, Nodes, wait_until_up

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RESHARD = (
    "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "32",
    "--device", "sim", "-o", "device_time=0.02",
)  # fmt: skip
_LIMIT_S = 90.0


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with bucket_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server.location("cluster")


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        yield nodes
    finally:
        nodes.close()


def test_a_sweep_in_a_bucket_survives_a_node(nodes: Nodes, place: str, tmp_path: Path) -> None:
    tls = ("--tls", certificates(trustme.CA(), tmp_path / "tls"))
    nodes.start_head(*tls)
    lost = nodes.start("--address", nodes.address, "--device", "sim:1", *tls)
    wait_until_up(lost)
    nodes.join("--device", "sim:1", *tls)
    arguments = [*RESHARD, "--out", place, "--address", nodes.address]
    refused = nodes.farm("run", *arguments, *tls, home="stranger")
    assert (refused.returncode, refused.stderr.count("error:")) == (2, 1), refused.stderr
    assert "asks for a token, and there is none here" in refused.stderr
    assert "vectors" not in refused.stdout, "nothing is generated for a cluster that turns us away"

    run = subprocess.Popen(
        [FARM, "run", *map(str, (*arguments, *tls))],
        env=nodes.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _await_commits_of(2, place, run)
        _kill(lost)
        said = run.communicate(timeout=_LIMIT_S)[0]
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == 0, said
    assert "every vector is accounted for" in said

    there = SweepDirectory.open(place)
    found = audit(there)
    assert found.is_clean, found
    assert set(found.statuses.values()) == {"OK"}
    assert len({there.result_meta(chunk_id).node for chunk_id in there.committed()}) == 2
    assert verify(place).is_sound


def _await_commits_of(n_nodes: int, place: str, run: subprocess.Popen[str]) -> None:
    """Wait until so many nodes have committed something."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        assert run.poll() is None, run.communicate()
        try:
            there = SweepDirectory.open(place)
        except StoreError:  # it is being generated
            time.sleep(0.5)
            continue
        if len({there.result_meta(chunk_id).node for chunk_id in there.committed()}) == n_nodes:
            return
        time.sleep(0.2)
    raise AssertionError("no commits")


def _kill(node: subprocess.Popen[str]) -> None:
    """End everything that a host runs at once, as a power cut does."""
    family = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
    for process in family:
        os.kill(process.pid, signal.SIGKILL)
