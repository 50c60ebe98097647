"""The commands on a sweep in a bucket, killed and resumed; equal to the same sweep on disk."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

from farm.generation import open_or_generate, plan_of
from farm.store.directory import SweepDirectory
from farm.store.files import open_files
from farm.testing.truth import audit
from tests.bucket_server import Server
from tests.e2e.conftest import Farm, start
from tests.fault.conftest import LocalFarm

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SWEEP = ("memcpy", "--chunk", "8", "--limit", "dtype=float32")
DEVICE = ("--device", "sim:2", "-o", "device_time=0.01")


@pytest.fixture
def place(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SWEEPFARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return server.location("runs/memcpy")


def table_of(farm: Farm, place: str, file: str) -> pa.Table:
    """What an export holds, but for what differs between any two runs."""
    assert farm("export", place, "--format", "csv", "--out", file).returncode == 0
    table = pyarrow.csv.read_csv(file)
    return table.drop_columns(["card", "started_at"])


def test_a_run_in_a_bucket(
    farm: Farm, place: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = start("run", *SWEEP, *DEVICE, "--out", place, cwd=tmp_path)
    files = open_files(place)
    deadline = time.monotonic() + 90
    while len(files.names_in("results")) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    # Its lease lives on for a while, but its holder was a process of this host.
    n_before = len(files.names_in("results"))
    server.requests()
    result = farm("run", place, *DEVICE)
    requests = server.requests()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "(new)" not in result.stdout
    assert "every vector is accounted for" in result.stdout
    assert not (tmp_path / "s3:").exists(), "no folder of that name is made"
    assert list((tmp_path / "state").rglob("driver.log"))

    there = SweepDirectory.open(place)
    n_chunks = len(there.chunks())
    n_commits = sum(r.startswith("PUT") and "/results/" in r for r in requests)
    assert n_chunks - n_before - 2 <= n_commits <= n_chunks - n_before + 2, "one put each"
    n_lists = sum("list-type" in request for request in requests)
    assert n_lists < 20 < n_chunks, "a number that does not grow with the chunks: no lease lists"

    found = audit(there)
    assert (found.missing, found.doubled, found.wrong) == ([], [], [])
    here = on_disk(there, tmp_path / "sweep")
    assert here.manifest.shards == there.manifest.shards
    assert here.committed() == there.committed() == {c.chunk_id for c in here.chunks()}
    assert table_of(farm, "sweep", "a.csv").equals(table_of(farm, place, "b.csv"))

    check = farm("check", place, "--json")
    assert check.returncode == 0, check.stdout
    assert json.loads(check.stdout)["is_sound"]
    status = json.loads(farm("status", place, "--json").stdout)
    assert status["n_committed_vectors"] == status["n_vectors"] == here.manifest.n_vectors

    streamed = files.read("models/linear.csv")
    assert farm("fit", place).returncode == 0
    assert files.read("models/linear.csv") == streamed
    vector = there.vectors(there.chunks()[0].chunk_id).slice(0, 1).to_pylist()[0]
    asked = [f"{axis.name}={axis.format(vector[axis.name])}" for axis in there.manifest.axes]
    prediction = farm("predict", place, "--op", there.manifest.op, *asked, "--json")
    assert prediction.returncode == 0, prediction.stderr
    assert farm("report", place).returncode == 0
    assert b"<html" in files.read("report.html")


def on_disk(there: SweepDirectory, path: Path) -> SweepDirectory:
    """Run the same sweep on this disk, without Ray."""
    here = open_or_generate(path, plan_of(there.manifest))
    options = {"device_time": "0.001"}
    assert LocalFarm(path, here, 60.0).run(options=options).progress()["is_complete"]
    return here


def test_what_is_said_of_a_place_that_cannot_be(farm: Farm, place: str) -> None:
    for command, message in (
        (("status", "ftp://host/x"), "ftp:// is no place for a sweep directory"),
        (("run", "memcpy", "--out", "s3://nowhere/x", "--device", "sim"), "no bucket nowhere"),
        (("export", "x", "--format", "csv", "--out", place), "is in a bucket; give a folder here"),
        (("report", place, "--open"), "is in a bucket; name a file here by --out"),
    ):
        result = farm(*command)
        assert result.returncode == 2, (command, result.stdout)
        assert message in result.stderr, (command, result.stderr)
        assert "Traceback" not in result.stderr
