"""A run is watched, paused, resumed and stopped by other processes that see its directory."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm.store.directory import SweepDirectory
from farm.store.live import Snapshot, read_live
from tests.e2e.conftest import Farm, start

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# 52 chunks of about half a second on two cards.
SLOW = (
    "run", "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "16", "--out", "sweep",
    "--device", "sim:2", "-o", "device_time=0.03",
)  # fmt: skip


def wait_until(what: Callable[[], object], run: subprocess.Popen[str], longest_s: float) -> None:
    end = time.monotonic() + longest_s
    while not what():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.1)


def live(directory: SweepDirectory) -> Snapshot:
    found = read_live(directory.files)
    assert found is not None
    return found


def n_committed(directory: SweepDirectory) -> int:
    return len(directory.committed())


def test_a_run_is_watched_paused_resumed_and_stopped(farm: Farm, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    with start(*SLOW, cwd=tmp_path) as run:
        wait_until((sweep / "live.json").exists, run, 60)
        directory = SweepDirectory.open(sweep)
        with start("status", "sweep", "--watch", "--json", "--until-end", cwd=tmp_path) as view:
            wait_until(lambda: n_committed(directory) >= 2, run, 60)

            scaled = farm("scale", "sweep", "--max-cards", "1")
            assert scaled.returncode == 2
            assert "only a run on a cluster" in scaled.stderr

            paused = farm("pause", "sweep")
            assert paused.returncode == 0, paused.stderr
            assert "is paused" in paused.stdout
            assert "stay claimed, but idle" in paused.stdout
            wait_until(lambda: "stay claimed, idle" in live(directory).phase, run, 30)
            n_before = n_committed(directory)
            time.sleep(1.5)
            assert n_committed(directory) == n_before
            # The driver may die meanwhile: its successor finds the run paused.
            _kill_driver(run)
            wait_until(lambda: "resuming" in live(directory).phase, run, 30)
            wait_until(lambda: "stay claimed, idle" in live(directory).phase, run, 60)
            assert n_committed(directory) == n_before

            resumed = farm("resume", "sweep", "--json")
            assert resumed.returncode == 0, resumed.stderr
            assert json.loads(resumed.stdout)["is_taken"]
            wait_until(lambda: n_committed(directory) > n_before, run, 30)

            stopped = farm("stop", "sweep", "--wait")
            assert stopped.returncode == 0, stopped.stderr
            assert "after the chunks in flight" in stopped.stdout
            assert "has stopped: stopped by" in stopped.stdout
            output, _ = run.communicate(timeout=30)
            looks = [json.loads(line) for line in view.communicate(timeout=30)[0].splitlines()]
    assert run.returncode == 130, output
    assert "stopped by" in output
    assert "To go on: farm run sweep" in output
    assert view.returncode == 130
    _require_story(looks)
    assert 2 <= n_committed(directory) < len(directory.chunks())

    again = farm("stop", "sweep")
    assert again.returncode == 2
    assert "has stopped; nothing was asked of it" in again.stderr
    assert farm("check", "sweep").returncode == 0
    assert live(directory).end is not None


def _kill_driver(run: subprocess.Popen[str]) -> None:
    import psutil

    for child in psutil.Process(run.pid).children():
        if "farm.driver" in child.cmdline():
            child.kill()


def _require_story(looks: list[dict[str, Any]]) -> None:
    """What `farm status --watch --json` told, from beginning to end."""
    assert looks[-1]["end"]["state"] == "stopped"
    alive = [look for look in looks if look["liveness"] == "live"]
    assert {look["run_id"] for look in alive} == {looks[-1]["run_id"]}
    assert any(look["phase"] == "measuring" and look["rate_hz"] > 0 for look in alive)
    assert any(look["phase"].startswith("paused by ") for look in alive)
    cards = [look["cards"] for look in alive if look["cards"]][-1]
    assert set(cards) == {"sim:0", "sim:1"}
    assert all(
        {"state", "n_done", "batch_rows", "age_s"} <= facts.keys() for facts in cards.values()
    )
