"""deploy/slurm.sh, truly run: its head, its second node and its sweep; only srun is a stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farm.store.directory import SweepDirectory
from farm.testing.ray_node import wait_for
from tests.e2e.cluster_nodes import Nodes

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "slurm.sh"
SWEEP = (
    "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "16",
)  # fmt: skip
SLOWLY = ("-o", "device_time=0.1")  # a minute and more, until both hosts have done something
STAND_INS = ROOT / "tests" / "standins" / "slurm"


@pytest.fixture
def host() -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        yield nodes
    finally:
        nodes.close()


def _submit(host: Nodes, out: Path, n_hosts: int, *more: str) -> subprocess.Popen[str]:
    tools = f"{STAND_INS}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = host.environment(
        PATH=tools,
        SLURM_JOB_NODELIST="hosts-[1-2]",
        SLURM_JOB_ID=str(host.port),
        SLURM_NNODES=str(n_hosts),
        SWEEPFARM_DEVICE="sim:1",
        SWEEPFARM_LISTEN="127.0.0.1",
    )
    return subprocess.Popen(
        ["bash", str(SCRIPT), *SWEEP, *more, "--out", str(out)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_job_that_is_ended_stops_tidily_and_the_next_one_completes_the_sweep(
    host: Nodes, tmp_path: Path
) -> None:
    out = tmp_path / "sweep"
    job = _submit(host, out, 2, *SLOWLY)
    while len(_nodes_at_work(out)) < 2:
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.2)
    job.send_signal(signal.SIGTERM)
    said = job.communicate(timeout=90)[0]
    assert job.returncode == 130, said
    assert said.count("the node is up") == 2
    assert "what was committed is safe" in said
    # A worker whose node has gone needs a moment to see it.
    assert wait_for(
        lambda: not any(_is_of(p, host) for p in psutil.process_iter(["environ"])), 60.0
    )
    directory = SweepDirectory.open(str(out))
    n_first = len(directory.committed())
    assert 0 < n_first < len(directory.chunks()), said

    # An allocation of another size goes on.
    job = _submit(host, out, 1)
    said = job.communicate(timeout=150)[0]
    assert job.returncode == 0, said
    assert "every vector is accounted for" in said
    assert len(SweepDirectory.open(str(out)).committed()) == len(directory.chunks())


def _nodes_at_work(out: Path) -> set[str]:
    """Nodes that have committed a chunk."""
    if not (out / "results").is_dir():
        return set()
    directory = SweepDirectory.open(str(out))
    return {directory.result_meta(chunk).node for chunk in directory.committed()}


def _is_of(process: psutil.Process, host: Nodes) -> bool:
    environment = process.info["environ"] or {}
    return str(host.folder) in str(environment.get("TMPDIR", ""))


def test_the_script_is_sound_shell() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run(
        [shellcheck, SCRIPT, *STAND_INS.iterdir()], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
