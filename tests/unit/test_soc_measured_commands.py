"""``farm soc workload``, ``calibrate`` and ``roofline`` with measured ops: what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from analysis.soc.commands import register
from tests.timed_sweeps import OVERHEAD_S, copies, products

WORKLOAD = """
name: layer
ops:
  - {op: gemm, name: up, m: 512, n: 4096, k: 4096, count: 8}
  - {op: attention, n_heads: 32, seq_q: 512, head_dim: 128, is_causal: true, count: 8}
  - {op: elementwise, name: add, n_elements: 2097152, n_inputs: 2, count: 8}
"""
Farm = Callable[..., Any]
PNG, SVG = b"\x89PNG", b"<?xml"


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Run a command in this process, in the test's folder."""
    application = typer.Typer()
    register(application)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(application, list(arguments))


def ok(result: Any) -> str:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return str(result.stdout)


@pytest.fixture
def sweeps(tmp_path: Path) -> Path:
    products(tmp_path / "my-matmul")
    copies(tmp_path / "my-memcpy")
    return tmp_path


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Products of a made-up H100 that reaches half of its peak."""
    rows = [
        {
            "gemm_dtype": "bfloat16",
            "m": m,
            "n": n,
            "k": 8192,
            "latency": 2.0 * m * n * 8192 / (0.5 * 989.4e12) * 1e3 + 0.004,
        }
        for m in (2048, 4096)
        for n in range(1024, 16385, 1024)
    ]
    path = tmp_path / "gemm.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_calibrate_sweeps_of_this_machine(farm: Farm, sweeps: Path) -> None:
    text = ok(farm("soc", "calibrate", "my-matmul", "my-memcpy", "--plot", "c.png"))
    for expected in ("peak of FP32", "bandwidth of memory", "20 GB/s", "Above 100 %", "Test CPU"):
        assert expected in text
    assert (sweeps / "c.png").read_bytes().startswith(PNG)
    found = json.loads(ok(farm("soc", "calibrate", "my-matmul", "my-memcpy", "--json")))
    assert found["peak_tflops"]["FP64"] == pytest.approx(0.05, rel=0.01)
    overheads = [
        one["calibration"]["factors"]["overhead"]["value"]
        for one in found["assessments"]
        if one["precision"] is not None
    ]
    assert overheads == pytest.approx([OVERHEAD_S] * 2, rel=0.02)


def test_calibrated_factors_go_into_a_workload(farm: Farm, records: Path) -> None:
    folder = records.parent
    (folder / "w.yaml").write_text(WORKLOAD)
    printed = ok(farm("soc", "calibrate", "gemm.parquet", "--chip", "h100", "--json"))
    (folder / "c.json").write_text(printed)
    factors = json.loads(printed)["assessments"][0]["calibration"]["factors"]
    assert factors["compute"]["value"] == pytest.approx(0.5, rel=1e-3)
    assert factors["overhead"]["value"] == pytest.approx(4e-6, rel=1e-2)
    paper, real = (
        json.loads(ok(farm("soc", "workload", "w.yaml", "--chip", "h100", "--json", *options)))
        for options in ((), ("--calibration", "c.json"))
    )
    assert paper["bound_shares"]["overhead"] == 0
    assert real["ops"][0]["compute_s"] == pytest.approx(2 * paper["ops"][0]["compute_s"], rel=1e-3)
    assert real["ops"][0]["overhead_s"] == pytest.approx(4e-6, rel=1e-2)
    assert real["energy_j"] > 0


def test_workload_table_words_and_chart(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WORKLOAD)
    text = ok(farm("soc", "workload", "w.yaml", "--chip", "h100", "--plot", "w.svg"))
    for expected in ("up", "attention 1x32x512x512x128", "What binds:", "Change first:", "w.svg"):
        assert expected in text
    assert (tmp_path / "w.svg").read_bytes().startswith(SVG)
    text = ok(farm("soc", "workload", "w.yaml", "--chip", "l40s"))
    assert "No energy: the structure of l40s is not public" in text


def test_roofline_of_sweeps_and_of_records(farm: Farm, sweeps: Path, records: Path) -> None:
    text = ok(
        farm("soc", "roofline", "--sweep", "my-matmul", "--sweep", "my-memcpy", "--plot", "r.png")
    )
    assert "Test CPU" in text
    assert "my-matmul float64" in text
    assert (sweeps / "r.png").read_bytes().startswith(PNG)
    arguments = ("soc", "roofline", "--gemm", records.name, "--chip", "h100-sxm", "--json")
    found = json.loads(ok(farm(*arguments)))
    assert len(found["markers"]) == 32
    assert all(0.4 < marker["efficiency"] < 0.51 for marker in found["markers"])
