"""``farm run-sweep`` as a user runs it: from cards to an estimate, killed in between."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.simulated import input_cycles
from farm.store.directory import SweepDirectory
from tests.e2e.conftest import Farm, start

pytestmark = [pytest.mark.ray, pytest.mark.slow]

BINARY = ("run-sweep", "--op-type", "binary", "--device", "sim:2", "--out", "D")
COUNTS = ("10", "models", "10", "sets")
N_BINARY = 75 + 75 + 75 + 86 + 6 * 24


def wait_for_results(tmp_path: Path, n: int) -> None:
    end = time.monotonic() + 60
    while len(list((tmp_path / "D/sweeps/00").glob("results/*/*.parquet"))) < n:
        assert time.monotonic() < end, "no results came"
        time.sleep(0.02)


def assert_failed(tmp_path: Path, name: str, test_id: int) -> None:
    """A failed test is a row of N/A in the CSV file, and has its reason beside it."""
    raw = tmp_path / f"D/raw/wormhole_b0/{name}-op-performance.csv"
    cells = pd.read_csv(raw, keep_default_na=False)
    assert cells["Test-ID"][cells["total-runtime"] == "N/A"].tolist() == [test_id]
    assert "injected failure" in raw.with_name(f"{raw.stem}-failed.yaml").read_text()


def _cycles(text: str) -> float:
    answer = json.loads(text)
    return float((answer[0] if isinstance(answer, list) else answer)["cycles"])


def test_from_cards_to_an_estimate_through_a_kill(farm: Farm, tmp_path: Path) -> None:
    slow = (*BINARY, "-o", "device_time=0.04")
    with start(*slow, cwd=tmp_path) as run:
        wait_for_results(tmp_path, 2)
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=60)
    directory = SweepDirectory.open(tmp_path / "D/sweeps/00")
    n_before = len(directory.committed())
    assert not (tmp_path / "D/raw").exists()

    result = farm(*BINARY, "--continue-run", "-o", "faults=raise:450")
    assert result.returncode == 0, result.stdout + result.stderr
    # What dies may still commit what it has just measured.
    (n_kept,) = map(int, re.findall(r"\((\d+) committed\)", result.stdout))
    assert 2 <= n_before <= n_kept < len(directory.chunks())
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["in", "all", f"{N_BINARY}", f"{N_BINARY - 1}", "1", *COUNTS] in rows
    assert "wrote D/wormhole_b0_params.yaml, version 1" in result.stdout
    assert_failed(tmp_path, "maximum-int32", 450 - (N_BINARY - 24))
    directory = SweepDirectory.open(tmp_path / "D/sweeps/00")
    assert directory.committed() == {chunk.chunk_id for chunk in directory.chunks()}
    assert directory.manifest.n_vectors == N_BINARY

    add = pd.read_csv(tmp_path / "D/raw/wormhole_b0/add-op-performance.csv")
    assert add["Test-ID"].tolist() == list(range(75))
    estimate = farm(
        "op-model", "estimate", "--params", "D", "op=add", "output_format=Float16_b",
        "fidelity=HiFi4", "mblock_m=4", "mblock_n=4", "ublock_rt=2", "ublock_ct=2", "--json",
    )  # fmt: skip
    assert estimate.returncode == 0, estimate.stderr
    sizes = {"mblock_m": 4, "mblock_n": 4, "ublock_rt": 2, "ublock_ct": 2}
    traits = {"output_format": "Float16_b", "fidelity": "HiFi4", "arch": "wormhole_b0"}
    truth = input_cycles(Descriptor("add", **sizes, **traits))
    assert _cycles(estimate.stdout) == pytest.approx(truth, rel=0.2)

    modelled = farm(
        "op-model", "estimate", "--model", "D/models/wormhole_b0", "op=add", "fidelity=HiFi4",
        "output_format=Float16_b", *(f"{name}={size}" for name, size in sizes.items()), "--json",
    )  # fmt: skip
    assert modelled.returncode == 0, modelled.stderr
    assert _cycles(modelled.stdout) == pytest.approx(truth, rel=0.02)

    mixed = farm("run-sweep", "--op-name", "nop", "--device", "cpu", "--out", "D", "--continue-run")
    assert mixed.returncode == 2
    assert "holds results of device kind 'sim', not 'cpu'" in mixed.stderr

    # Operations that are added go to a directory of their own, and to the next version.
    more = farm("run-sweep", "--op-name", "nop_int8", "--op-name", "add_int8", "--device", "sim",
                "--out", "D", "--continue-run", "--json", "-o", "faults=raise:3")  # fmt: skip
    assert more.returncode == 0, more.stderr
    last = json.loads(more.stdout.splitlines()[-1])
    assert (last["event"], last["version"], last["is_new"]) == ("swept", 2, True)
    assert [operation["op_name"] for operation in last["operations"]] == ["nop_int8", "add_int8"]
    assert_failed(tmp_path, "nop-int8", 3)
    told = farm("run-sweep", "--op-name", "nop_int8", "--skip-perf-sweep", "--out", "D").stdout
    question = told.splitlines()[-1].removeprefix("next: farm ").split()
    assert farm(*question).returncode == 0, question
    assert SweepDirectory.open(tmp_path / "D/sweeps/01").manifest.n_vectors == 24


def test_this_hosts_cores_run_what_they_have(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "ops.json").write_text(
        json.dumps(
            [
                {"op_type": op_type, "op_name": name, "config_overrides": {
                    "df": ["Float32"], "math_fidelity": ["HiFi4"], "mb_r": [1, 2, 4], **more}}
                for op_type, name, more in (
                    ("unary", "exp", {"vector_mode": [1, 2]}),
                    ("binary", "maximum", {}),
                    ("matmul", "matmul", {"ublock_kt": [1, 2]}),
                    ("quant", "quantization", {"ub_c": [2]}),
                    ("quant", "dequantization", {"df": ["Int8"]}),
                )
            ]
        )
    )  # fmt: skip
    result = farm(
        "run-sweep", "--operations-cfg", "ops.json", "--device", "cpu", "--out", "D",
        "--input-count", "2", "--skip-performance-model",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert not list(tmp_path.glob("D/*.yaml"))
    assert "dequantization has no configuration to measure: a block has more" in result.stderr
    assert "3 failed: UNSUPPORTED: the cpu device has no vector modes" in result.stdout
    fitted = farm("run-sweep", "--operations-cfg", "ops.json", "--skip-perf-sweep", "--out", "D")
    assert fitted.returncode == 0, fitted.stderr
    assert "none of 3 tests was measured" in fitted.stdout
    assert (tmp_path / "D/wormhole_b0_params.yaml").exists()
    exp = pd.read_csv(tmp_path / "D/raw/wormhole_b0/exp-op-performance.csv")
    assert np.isfinite(exp["total-runtime"][exp["Vector-Mode"] == "rc"]).all()
