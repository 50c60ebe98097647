"""Wrong sources and options of the commands that take measured ops and workloads."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from analysis.soc.commands import register
from farm.errors import FarmError

WORKLOAD = "ops: [{op: gemm, m: 512, n: 512, k: 512}]"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    application = typer.Typer()
    register(application)
    return application


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [
        {"gemm_dtype": "bfloat16", "m": 64, "n": 512 * n, "k": 512, "latency": 0.1}
        for n in range(1, 21)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "g.parquet")
    (tmp_path / "w.yaml").write_text(WORKLOAD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("calibrate nothing", "nothing is not a directory"),
        ("calibrate w.yaml --chip h100", "w.yaml is not a directory"),
        ("calibrate g.parquet", "name it, such as --chip h100"),
        ("calibrate g.parquet --chip h900", "there is no chip 'h900'"),
        ("calibrate g.parquet --chip h100 --dtype fp9", "the sources have bfloat16"),
        ("calibrate g.parquet g.parquet --chip h100", "given twice"),
        ("calibrate g.parquet --chip h100 --plot x.pdf", "a chart is a .png or .svg file"),
        ("calibrate g.parquet --chip n150", "no BF16 peak of Tenstorrent Wormhole n150"),
        ("roofline --gemm g.parquet", "name it, such as --chip h100"),
        ("roofline --sweep nothing --chip h100", "nothing is not a directory"),
        ("workload nothing.yaml", "nothing.yaml: cannot be read"),
        ("workload g.parquet", "g.parquet: not YAML"),
        ("workload w.yaml --calibration w.yaml", "farm soc calibrate --json"),
        ("workload w.yaml --chip h100 --config w.yaml", "give one of them"),
        ("workload w.yaml --plot none/w.png", "there is no folder none"),
    ],
)
def test_one_clear_error(app: typer.Typer, folder: Path, arguments: str, expected: str) -> None:
    result = CliRunner().invoke(app, ["soc", *arguments.split()])
    assert isinstance(result.exception, FarmError), result.output
    assert result.exception.exit_code == 2
    assert expected in str(result.exception)
