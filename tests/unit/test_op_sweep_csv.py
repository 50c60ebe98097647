"""Raw CSV files of op sweeps: columns as recorded ones have them, read back as what was swept."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.op_model.run_sweep.operation_results import clock_of
from analysis.op_model.sweep_files.reader import read_sweep
from analysis.op_model.sweep_files.writer import csv_text
from farm.errors import UsageError
from sweeps.op_model.operation import SHAPE_PARTS, Operation

SPARSE = "matmul_sparse_nz_counts"
EXP = Operation("unary", "exp_approx", {"approximate_mode": (1,)})
ADD = Operation("binary", "add")
PRODUCT = Operation("matmul", "matmul_int32", {"input0_df": (11,)})


def row(**changes: Any) -> dict[str, Any]:
    shape = dict.fromkeys(SHAPE_PARTS, 0) | {
        "t": 1, "mblock_m": 2, "mblock_n": 4, "ublock_rt": 1, "ublock_ct": 2,
    }  # fmt: skip
    return shape | {
        "input_count": 128, "input_format": "Bfp8_b", "output_format": "Bfp8_b",
        "fidelity": "LoFi", "vector_mode": "rc", "approx": False, "l1_accumulate": False,
        "status": "OK", "reason": None, "cycles": 128_000.0, "clock_hz": 1e9,
    } | changes  # fmt: skip


def read(tmp_path: Path, operation: Operation, *rows: dict[str, Any]) -> Any:
    path = tmp_path / "wormhole_b0" / operation.data_file
    path.parent.mkdir(exist_ok=True)
    path.write_text(csv_text(operation, rows))
    return read_sweep(path, "wormhole_b0")


@pytest.mark.parametrize(
    ("operation", "file"),
    [
        (ADD, "add-op"),
        (Operation("binary", "add_int8", {"input0_df": (11,)}), "add-int8-op"),
        (Operation("quant", "quantization_int8", {"input0_df": (12,)}), "quantization-int8-op"),
        (PRODUCT, "matmul-int32-op"),
        (Operation("unary", "nop_int8", {"input0_df": (11,)}), "nop-int8-op"),
        (Operation(SPARSE, SPARSE), "matmul-sparse-op"),
    ],
)
def test_columns_are_those_of_recorded_files(
    data_dir: Path, operation: Operation, file: str
) -> None:
    recorded = data_dir / f"opmodel/wormhole_b0/{file}-performance.csv"
    header = recorded.read_text().splitlines()[0]
    # A column changed its name over the years.
    old, new = ",average-math-utilization,", ",average-math-utilization-all-inputs,"
    rows = [row(mblock_k=2, ublock_kt=2)]
    assert csv_text(operation, rows).splitlines()[0] == header.replace(old, new)


def test_numbers_of_columns() -> None:
    def n_columns(op_type: str, op_name: str) -> int:
        return len(csv_text(Operation(op_type, op_name), [row()]).splitlines()[0].split(","))

    assert n_columns("unary", "exp") == 34
    assert n_columns("binary", "add") == 43
    assert n_columns("quant", "dequantization") == 44
    assert n_columns("matmul", "matmul") == 45
    assert n_columns(SPARSE, SPARSE) == 16


@pytest.mark.parametrize("file", ["add-int8-op", "quantization-int8-op", "matmul-int32-op"])
def test_bandwidths_are_those_of_recorded_rows(data_dir: Path, file: str) -> None:
    """From the shapes and runtimes of recorded rows follow their recorded bandwidths."""
    recorded = pd.read_csv(data_dir / f"opmodel/wormhole_b0/{file}-performance.csv")
    operation = {
        "add-int8-op": Operation("binary", "add_int8"),
        "quantization-int8-op": Operation("quant", "quantization_int8"),
        "matmul-int32-op": PRODUCT,
    }[file]
    parts = {"mb_r": "mblock_m", "mb_c": "mblock_n", "ub_r": "ublock_rt", "ub_c": "ublock_ct"}
    rows = [
        row(
            **{part: cells[f"output_{name}"] for name, part in parts.items()},
            mblock_k=cells.get("mblock_k", 0), ublock_kt=cells.get("ublock_kt", 0),
            input_format=cells["input0_df"], output_format=cells["output_df"],
            fidelity=cells["math_fidelity"], cycles=float(cells["total-runtime"]),
        )
        for cells in recorded.to_dict("records")
    ]  # fmt: skip
    written = pd.read_csv(StringIO(csv_text(operation, rows)))
    for name in ("input0", "input1", "output"):
        column = f"{name}-bw-across-cores-total-runtime"
        assert written[column].to_numpy() == pytest.approx(recorded[column].to_numpy(), rel=1e-6)
    shared = [c for c in written if c.startswith(("input", "output")) and "bw" not in c]
    assert written[shared].equals(recorded[shared])


def test_what_was_swept_is_read_back(tmp_path: Path) -> None:
    table = read(tmp_path, EXP, row(approx=True, vector_mode="r"), row(approx=True, cycles=1280.4))
    frame = table.frame
    assert frame["op"].tolist() == ["exp", "exp"]
    assert frame["vector_mode"].tolist() == ["r", "rc"]
    assert frame["approx"].all()
    assert frame["runtime_cycles"].tolist() == [1000.0, 10.0]
    assert frame[["mblock_m", "mblock_n", "ublock_rt", "ublock_ct"]].iloc[0].tolist() == [
        2,
        4,
        1,
        2,
    ]
    steps = {"mblock_k": 8, "ublock_kt": 3, "fidelity": "HiFi4"}
    whole = {"input_format": "Int8", "output_format": "Int32"}
    (product,) = read(tmp_path, PRODUCT, row(**steps, **whole)).frame.to_dict("records")
    assert (product["op"], product["runtime_cycles"]) == ("matmul", 1000.0)
    assert product.items() >= (steps | whole).items()
    counts = {"nz_strips": 2, "nz_ublocks": 5, "nz_tiles": 9}
    operation = Operation(SPARSE, SPARSE)
    (sparse,) = read(tmp_path, operation, row(**steps, **counts)).frame.to_dict("records")
    assert (sparse["op"], sparse["runtime_cycles"]) == ("matmul_sparse", 1000.0)
    assert sparse.items() >= (steps | counts).items()


def test_both_modes_in_one_file_have_a_column(tmp_path: Path) -> None:
    both = Operation("unary", "exp", {"approximate_mode": (0, 1)})
    assert read(tmp_path, both, row(), row(approx=True)).frame["approx"].tolist() == [False, True]


def test_a_failed_test_keeps_its_row_without_metrics(tmp_path: Path) -> None:
    table = read(tmp_path, ADD, row(), row(cycles=None, status="HANG"), row())
    assert [dropped.test_id for dropped in table.dropped] == ["1"]
    assert table.cells["Test-ID"].tolist() == ["0", "2"]
    cells = csv_text(ADD, [row(cycles=None)]).splitlines()[1].split(",")
    assert cells[-10:] == ["N/A"] * 10
    assert "N/A" not in cells[:-10]


def test_cycles_are_counted_by_the_clock_of_the_card() -> None:
    assert clock_of({"clocks_hz": {"aiclk": 1e9, "max": 2e9}}) == 1e9
    assert clock_of({"clocks_hz": {"current": 3e9, "max": 2e9}}) == 2e9
    with pytest.raises(UsageError, match="x:0 does not say how fast its clock is"):
        clock_of({"card": "x:0", "clocks_hz": {}})
