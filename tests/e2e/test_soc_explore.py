"""Designs on the farm, and ``farm soc explore`` as a user runs it."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from analysis.soc.commands import register
from analysis.soc.explore.design_space import DeclaredSpace, StoredSpace
from analysis.soc.explore.evaluation import DesignColumns, Setting
from analysis.soc.workload.argument import parse_workload
from farm.errors import UsageError
from sweeps.limits import limited
from sweeps.soc_design import SWEEP
from tests.e2e.conftest import Farm, start
from tests.e2e.test_bad_input import refused

LIMITS = ("n_sms=16,48", "clock_mhz=1800,2500", "area_mm2=300,400", "l2_mb=6")
SMALL = tuple(word for text in LIMITS for word in ("-l", text))


def explore(*arguments: str) -> Any:
    """Run the command in this process."""
    application = typer.Typer()
    register(application)
    return CliRunner().invoke(application, ["soc", "explore", *arguments])


def test_wrong_input_is_one_clear_error(farm: Farm) -> None:
    refused(farm("soc", "explore", "-k", "power<=3"), "there is no metric or parameter 'power'")
    refused(farm("soc", "explore", "-l", "sms=3"), "no axis 'sms'; its axes are n_hbm_stacks")


@pytest.mark.ray
@pytest.mark.slow
def test_designs_run_on_the_farm_are_killed_resumed_and_explored(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (
        "run", "soc-design", *SMALL, "--device", "model:2", "-o", "workload=gemm:64x4096x4096",
        "--chunk", "64", "--out", "designs",
    )  # fmt: skip
    run = start(*command, cwd=tmp_path)
    try:
        limit_s = time.monotonic() + 120
        while len(list(tmp_path.glob("designs/results/*/*"))) < 3:
            assert run.poll() is None
            assert time.monotonic() < limit_s
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    finally:
        run.kill()
        run.communicate(timeout=60)
    result = farm(*command)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "every vector is accounted for" in result.stdout
    assert farm("check", "designs").returncode == 0
    stored = StoredSpace(tmp_path / "designs")
    chunks = list(stored.chunks())
    declared = list(DeclaredSpace(limited(SWEEP, list(LIMITS))).chunks())
    columns = {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}
    expected = {name: np.concatenate([c[name] for c in declared]) for name in declared[0]}
    for name, column in expected.items():
        assert np.array_equal(columns[name], column)
    time_ns = columns.pop("time_ns")
    assert stored.workload == parse_workload("gemm:64x4096x4096")
    assert not np.array_equal(time_ns, DesignColumns(columns, Setting())["time_ns"])
    options = ("--pareto", "time_ns,total_power_w", "--json")
    monkeypatch.chdir(tmp_path)
    explored = json.loads(explore("designs", *options).stdout)
    workload = ("--workload", "gemm:64x4096x4096")
    in_process = json.loads(explore(*SMALL, *workload, *options).stdout)
    for key in ("n_designs", "n_feasible", "best", "front", "constraints", "recommendation"):
        assert explored[key] == in_process[key]
    for more, reason in (
        (("-l", "n_sms=16"), "holds evaluated designs"),
        (("--search",), "the designs of a directory are known"),
    ):
        result = explore("designs", *more)
        assert isinstance(result.exception, UsageError)
        assert reason in str(result.exception)


def test_results_of_another_device_are_no_designs(farm: Farm) -> None:
    farm("generate", "soc-design", *SMALL, "--out", "empty")
    refused(farm("soc", "explore", "empty"), "has no results yet", "--device model")
