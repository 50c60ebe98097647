"""Whole runs from the command line, with Ray: complete, resumable, on loopback only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farm.store.directory import SweepDirectory
from tests.e2e.conftest import Farm, start
from tests.fault.conftest import LocalFarm

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RESHARD = (
    "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "32", "--out", "sweep",
)  # fmt: skip


def local(tmp_path: Path) -> LocalFarm:
    return LocalFarm(tmp_path / "sweep", SweepDirectory.open(tmp_path / "sweep"), 0.0)


def test_a_run_with_faults_accounts_for_every_vector(farm: Farm, tmp_path: Path) -> None:
    result = farm(
        "run", *RESHARD, "--device", "sim:3", "-o", "faults=hang:40,crash:100,raise:150",
        "--timeout", "2",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "every vector is accounted for" in result.stdout
    assert "\x1b" not in result.stdout
    assert "(raylet)" not in result.stdout + result.stderr
    statuses = local(tmp_path).statuses()
    assert {i: s for i, s in statuses.items() if s != "OK"} == {
        40: "HANG", 100: "CRASH", 150: "OP_ERROR",
    }  # fmt: skip
    status = json.loads(farm("status", "sweep", "--json").stdout)
    assert status["n_committed_vectors"] == status["n_vectors"] == len(statuses)
    assert status["counts"] == {"OK": len(statuses) - 3, "HANG": 1, "CRASH": 1, "OP_ERROR": 1}
    assert farm("check", "sweep").returncode == 0

    streamed = (tmp_path / "sweep/models/linear.csv").read_bytes()
    assert farm("fit", "sweep").returncode == 0
    assert (tmp_path / "sweep/models/linear.csv").read_bytes() == streamed
    prediction = farm(
        "predict", "sweep", "--op", "reshard", "input_grid=1x1", "output_grid=2x2",
        "input_strategy=BLOCK", "output_strategy=WIDTH", "shape=1x1x256x256", "--json",
    )  # fmt: skip
    assert prediction.returncode == 0, prediction.stderr
    assert farm("report", "sweep").returncode == 0
    page = (tmp_path / "sweep/report.html").read_text()
    assert "HANG" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")

    again = farm("run", "sweep", "--device", "sim:3")
    assert again.returncode == 0
    assert "nothing is left to measure" in again.stdout
    mixed = farm("run", "sweep", "--device", "cpu")
    assert mixed.returncode == 2
    assert "holds results of device kind 'sim'" in mixed.stderr
    other = farm("run", "sweep", "--device", "sim:3", "-o", "seed=7")
    assert other.returncode == 2
    assert "holds results with seed=0, not 7" in other.stderr


def test_a_run_is_on_loopback_and_ctrl_c_keeps_what_is_committed(
    farm: Farm, tmp_path: Path
) -> None:
    slow = ("run", *RESHARD, "--device", "sim:2", "-o", "device_time=0.03")
    with start(*slow, cwd=tmp_path) as run:
        _wait_for_results(tmp_path, 2)
        _require_loopback(run.pid)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "To go on: farm run sweep" in output
    directory = SweepDirectory.open(tmp_path / "sweep")
    n_before = len(directory.committed())
    assert 2 <= n_before < len(directory.chunks())
    result = farm("run", "sweep", "--device", "sim:2")
    assert result.returncode == 0, result.stdout
    assert f"({n_before:,} committed)" in result.stdout
    assert set(local(tmp_path).statuses().values()) == {"OK"}


def test_any_process_may_be_killed(farm: Farm, tmp_path: Path) -> None:
    slow = ("run", *RESHARD, "--device", "sim:2", "-o", "device_time=0.03")
    with start(*slow, cwd=tmp_path) as run:
        for n_results, victim in enumerate(
            ("executor", "DeviceActor", "Coordinator", "AnalysisWorker", "farm.driver"), start=1
        ):
            _wait_for_results(tmp_path, 2 * n_results)
            _kill(run.pid, victim)
        _wait_for_results(tmp_path, 12)
        run.kill()
        run.communicate(timeout=60)
    n_before = len(SweepDirectory.open(tmp_path / "sweep").committed())
    result = farm("run", "sweep", "--device", "sim:2", "--json")
    assert result.returncode == 0, result.stdout
    _require_all_told(result.stdout)
    assert n_before >= 12
    assert set(local(tmp_path).statuses().values()) == {"OK"}
    assert farm("check", "sweep").returncode == 0
    assert not list((tmp_path / "sweep" / "tmp").iterdir())


def _require_all_told(output: str) -> None:
    """The events for machines end with the models, and account for every vector."""
    events = [json.loads(line) for line in output.splitlines()]
    assert events[-1]["event"] == "fitted"
    last = [event for event in events if event["event"] == "progress"][-1]
    assert last["n_done"] == last["n_vectors"] == sum(last["counts"].values())


def _require_loopback(pid: int) -> None:
    """Everything of a run listens on loopback, calls nobody else, and its token is private."""
    connections = [c for process in _family(pid) for c in _connections(process)]
    listening = [c for c in connections if c.status == psutil.CONN_LISTEN]
    assert listening
    loopback = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert {c.laddr.ip for c in listening} <= loopback
    assert {c.raddr.ip for c in connections if c.raddr} <= loopback
    token = Path(os.environ.get("TMPDIR", "/tmp"), f"sweepfarm-{os.getuid()}/home/token")
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.xdist_group("cpu")
def test_a_user_writes_a_sweep_of_their_own(farm: Farm, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "softmax_sweep.py"
    result = farm("run", example, "--device", "cpu", "--repeats", "3", "--out", "mine")
    assert result.returncode == 0, result.stdout + result.stderr
    status = json.loads(farm("status", "mine", "--json").stdout)
    assert set(status["counts"]) == {"OK"}
    (tmp_path / "changed.py").write_text(example.read_text().replace('"rows"', '"lines"'))
    refused = farm("run", tmp_path / "changed.py", "--device", "cpu", "--out", "mine")
    assert refused.returncode == 2
    assert (
        "the code of softmax was changed after the vectors in mine were generated" in refused.stderr
    )


def _wait_for_results(tmp_path: Path, n: int, limit_s: float = 90.0) -> None:
    end = time.monotonic() + limit_s
    while sum(1 for _ in (tmp_path / "sweep" / "results").glob("*/*.parquet")) < n:
        assert time.monotonic() < end, (tmp_path / "sweep" / "driver.log").read_text()[-2000:]
        time.sleep(0.05)


def _family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def _connections(process: psutil.Process) -> list[psutil._common.pconn]:
    try:
        return process.net_connections(kind="inet")
    except psutil.Error:
        return []


def _kill(pid: int, what: str, limit_s: float = 30.0) -> None:
    """Kill one process of a run; it may have to be waited for, if an earlier kill took it down."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        for process in _victims(pid, what):
            try:
                process.kill()
            except psutil.Error:
                continue
            return
        time.sleep(0.1)
    pytest.fail(f"no {what} to kill")


def _victims(pid: int, what: str) -> Iterator[psutil.Process]:
    for process in _family(pid):
        try:
            text = " ".join(process.cmdline())
        except psutil.Error:
            continue
        is_executor = "spawn_main" in text
        if what in text or (what == "executor" and is_executor):
            yield process


def test_a_socket_can_be_opened_here() -> None:
    """The listener test above would pass vacuously where sockets cannot be seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = psutil.Process().net_connections(kind="inet")
        assert any(connection.laddr.port == server.getsockname()[1] for connection in own)


@pytest.mark.xdist_group("cpu")
def test_the_demo(tmp_path: Path) -> None:
    """The README's main job, as `make demo` runs it."""
    script = Path(__file__).parents[2] / "examples" / "demo.py"
    result = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
    assert len(list(tmp_path.glob("demo/*/report.html"))) == 3
    assert result.stdout.count("every vector is accounted for") == 3
