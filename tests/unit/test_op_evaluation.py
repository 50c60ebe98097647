"""Estimates against silicon: errors, shares, the CSV file, pictures; what changed between files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from analysis.op_model.descriptors.descriptor import Sizes
from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.evaluate.evaluation import evaluate, work_tiles
from analysis.op_model.evaluate.evaluation_charts import draw_evaluation
from analysis.op_model.evaluate.evaluation_csv import evaluation_text, write_evaluation
from analysis.op_model.evaluate.parameter_diff import changed_estimates, changed_weights, reordered
from analysis.op_model.evaluate.sweep_evaluation import evaluate_sweep
from analysis.op_model.parameters.parameter_file import Parameters
from analysis.op_model.sweep_files.chosen import read_chosen
from analysis.op_model.sweep_files.reader import read_sweep
from farm.errors import UsageError
from tests.invented_op_parameters import OPERATIONS

HEADER = "input0_df,math_fidelity,t,mblock_m,mblock_n,ublock_rt,ublock_ct,runtime"
# Blocks 4, 4, 8; tiles 4, 16, 32: `add` estimates 1000, 1600, 3200 cycles.
ROWS = ("Bfp8_b,LoFi,1,2,2,1,1,2000", "Bfp8_b,LoFi,1,2,2,2,2,1600", "Int8,HiFi4,2,2,2,1,4,6400")


def estimator(operations=OPERATIONS) -> Estimator:
    return Estimator(Parameters("wormhole_b0", 1, operations, "invented.yaml"))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "wormhole_b0"
    folder.mkdir()
    path = folder / "add-op-performance.csv"
    path.write_text("\ufeff" + "\r\n".join((HEADER, *ROWS)) + "\r\n", encoding="utf-8")
    return path


def test_all_columns_and_the_estimates(sweep: Path, tmp_path: Path) -> None:
    table = read_sweep(sweep)
    found = evaluate_sweep(table, estimator())
    # The last one: 2 slices of 4 blocks and 16 tiles.
    assert found.cycles.tolist() == [1000.0, 1600.0, 3200.0]
    out = tmp_path / "new" / "out.csv"
    write_evaluation(out, table, found.cycles)
    lines = out.read_text().splitlines()
    assert lines[0] == HEADER + ",estimate,ratio"
    assert lines[1:] == [
        f"{ROWS[0]},1000,0.5",
        f"{ROWS[1]},1600,1",
        f"{ROWS[2]},3200,0.5",
    ]


def test_a_runtime_that_was_no_column_is_added_and_cells_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "add-op-performance.csv"
    names = HEADER.removesuffix("runtime") + "first-input-idx-recorded,last-input-idx-recorded"
    path.write_text(
        f'{names},total-runtime,note\nBfp8_b,LoFi,1,2,2,1,1,0,2,6001,"a, b"\n'
        "Bfp8_b,LoFi,1,2,2,1,1,0,2,N/A,failed\n"
    )
    table = read_sweep(path, "wormhole_b0")
    found = evaluate_sweep(table, estimator())
    rows = list(csv.DictReader(evaluation_text(table, found.cycles).splitlines()))
    assert len(rows) == 1
    assert rows[0]["note"] == "a, b"
    assert (rows[0]["estimate"], rows[0]["ratio"]) == ("1000", "0.499917")
    assert float(rows[0]["runtime"]) == pytest.approx(6001 / 3)
    assert "1 rows without a runtime are left out" in " ".join(found.warnings)


def test_errors_by_size_and_attribute(sweep: Path) -> None:
    found = evaluate_sweep(read_sweep(sweep), estimator()).evaluation
    assert found.errors.mape == pytest.approx(100 / 3)
    assert found.errors.rmsre == pytest.approx(100 * np.sqrt((0.25 + 0 + 0.25) / 3))
    mean = (2000 + 1600 + 6400) / 3
    assert found.errors.rrmse == pytest.approx(100 * np.sqrt((1000**2 + 3200**2) / 3) / mean)
    assert found.ratio_percentiles[0] == 0.5
    assert found.ratio_percentiles[50] == 0.5
    assert found.ratio_percentiles[100] == 1.0
    by_size = [(s.value, s.errors.n, s.mean_ratio) for s in found.by_size]
    assert by_size == [("4 to 15", 1, 0.5), ("16 to 63", 2, 0.75)]
    by_attribute = {(s.name, s.value): s.errors.mape for s in found.by_attribute}
    assert by_attribute == pytest.approx(
        {
            ("input_format", "Bfp8_b"): 25.0,
            ("input_format", "Int8"): 50.0,
            ("output_format", "Bfp8_b"): 25.0,
            ("output_format", "Int8"): 50.0,
            ("fidelity", "HiFi4"): 50.0,
            ("fidelity", "LoFi"): 25.0,
        }
    )


def test_work_is_counted_in_tiles_and_pairs_of_tiles() -> None:
    columns = np.ones((len(Sizes._fields), 4), np.int64) * 2
    sizes = Sizes(*columns)._replace(
        mblock_k=np.array([0, 5, 5, 0]),
        ublock_kt=np.array([0, 3, 3, 0]),
        nz_tiles=np.array([0, 0, 7, 0]),
        reduce_z=np.array([0, 0, 0, 9]),
    )
    assert work_tiles(sizes).tolist() == [32, 32 * 15, 7 * 2 * 2, 32 * 9]


def test_bins_of_sizes_begin_at_powers_of_four() -> None:
    tiles = np.array([1, 3, 4, 15, 16, 63, 64, 4**10 - 1, 4**10])
    n = len(tiles)
    sizes = Sizes(*(np.ones(n, np.int64) for _ in Sizes._fields))._replace(
        mblock_m=tiles, nz_tiles=np.zeros(n, np.int64)
    )
    frame = pd.DataFrame(
        {
            "runtime_cycles": np.ones(n),
            **{name: ["x"] * n for name in ("op", "input_format", "output_format", "fidelity")},
            **{name: ["x"] * n for name in ("vector_mode", "approx", "l1_accumulate", "attribute")},
        }
    )
    found = evaluate(frame, sizes, np.ones(n), np.array(["x"] * n))
    assert [(s.value, s.errors.n) for s in found.by_size] == [
        ("1 to 3", 2),
        ("4 to 15", 2),
        ("16 to 63", 2),
        ("64 to 255", 1),
        ("262,144 to 1,048,575", 1),
        ("1,048,576 to 4,194,303", 1),
    ]
    assert found.by_attribute == ()


@pytest.mark.parametrize("column", ["estimate", "ratio"])
def test_an_evaluation_is_not_evaluated_again(sweep: Path, column: str) -> None:
    text = sweep.read_text(encoding="utf-8-sig").splitlines()
    sweep.write_text("\n".join([f"{text[0]},{column}", *(f"{line},1" for line in text[1:])]))
    table = read_sweep(sweep)
    with pytest.raises(UsageError, match=f"has the column {column} already"):
        evaluation_text(table, np.ones(3))


def test_the_sweep_itself_is_not_overwritten(sweep: Path) -> None:
    before = sweep.read_bytes()
    with pytest.raises(UsageError, match="is the sweep itself"):
        write_evaluation(sweep, read_sweep(sweep), np.ones(3))
    assert sweep.read_bytes() == before


def test_rows_of_one_operation_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "wormhole_b0_sine-op-performance.csv"
    rows = "".join(f"{op},{ROWS[0]}\n" for op in ("sine", "cosine", "sine"))
    path.write_text(f"Unary-Type,{HEADER}\n{rows}")
    chosen = read_chosen(path, None, "sine_approx")
    assert chosen.ops == ("sine",)
    assert len(chosen) == len(chosen.cells) == 2
    assert chosen.frame["approx"].all()
    assert chosen.warnings == read_sweep(path).warnings
    with pytest.raises(UsageError, match=r"has rows of sine, cosine, and none of it"):
        read_chosen(path, None, "log")


def test_the_operation_may_be_told(sweep: Path) -> None:
    told = read_chosen(sweep, None, "matmul_l1_acc")
    assert told.ops == ("matmul",)
    assert told.frame["l1_accumulate"].all()
    assert "it is taken for matmul" in " ".join(told.warnings)
    assert read_chosen(sweep, None, "reduce_c").frame["attribute"].tolist() == ["c"] * 3


@pytest.mark.parametrize(
    ("sparse", "expected"), [("v3", "it is v1 or v2"), ("v1", "has no sparse products")]
)
def test_a_sparse_formula_needs_sparse_products(sweep: Path, sparse: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        evaluate_sweep(read_sweep(sweep), estimator(), sparse)


def test_a_row_without_parameters_is_named(sweep: Path) -> None:
    with pytest.raises(
        UsageError, match=r"measured row 1: invented\.yaml has no parameters of log"
    ):
        evaluate_sweep(read_chosen(sweep, None, "log"), estimator())


def test_pictures_have_something_on_them(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    runtime = random.uniform(1e3, 1e6, 200)
    groups = np.array([f"set {i % 11}" for i in range(200)])
    estimate, tiles = runtime * random.uniform(0.8, 1.2, 200), random.integers(1, 500, 200)
    paths = draw_evaluation(tmp_path / "new", "invented", runtime, estimate, tiles, groups)
    assert [path.name for path in paths] == [
        "invented-estimate-vs-silicon.png",
        "invented-ratio-vs-size.png",
    ]
    for path in paths:
        colours = np.round(imread(path)[..., :3] * 99) @ [1, 100, 10_000]
        assert len(np.unique(colours)) > 30


CHANGED = {
    "add": {"base": {"ublock_weight": 200.0, "tile_weight": 75.0}},
    "exp": {name: OPERATIONS["exp"][name] for name in ("base", "approx", "vector_r")},
    "log": {"base": {"tile_weight": 1}},
}


def test_changed_weights_are_listed() -> None:
    before = {name: OPERATIONS[name] for name in ("add", "exp", "nop")}
    found = {(c.op, c.set_name, c.weight): c for c in changed_weights(before, CHANGED)}
    assert set(found) == {
        ("add", "base", "tile_weight"),
        ("exp", "approx/vector_r", "ublock_weight"),
        ("exp", "approx/vector_r", "tile_weight"),
        ("nop", "base", "ublock_weight"),
        ("nop", "base", "tile_weight"),
        ("nop", "df_int8", "ublock_weight"),
        ("nop", "df_int8", "tile_weight"),
        ("log", "base", "tile_weight"),
    }
    assert found["add", "base", "tile_weight"].percent == 50.0
    assert found["log", "base", "tile_weight"].before is None
    assert found["nop", "base", "tile_weight"].percent is None
    assert changed_weights(before, before) == []


def test_another_order_of_sets_is_a_change() -> None:
    turned = {"exp": dict(reversed(OPERATIONS["exp"].items()))}
    assert changed_weights({"exp": OPERATIONS["exp"]}, turned) == []
    assert reordered({"exp": OPERATIONS["exp"]}, turned) == ["exp"]
    assert reordered(OPERATIONS, OPERATIONS) == []


def test_by_how_much_estimates_change(sweep: Path) -> None:
    frame = read_sweep(sweep).frame
    (found,) = changed_estimates(frame, estimator(), estimator(CHANGED))
    # 4 tiles: 1000 to 1100; 16 tiles: 1600 to 2000, twice.
    assert (found.op, found.n_rows, found.sets) == ("add", 3, "add/base")
    assert found.least_percent == pytest.approx(10.0)
    assert found.largest_percent == pytest.approx(25.0)
    assert found.mean_percent == pytest.approx(20.0)
    assert found.mape_before == pytest.approx(100 / 3)
    assert found.mape_after == pytest.approx(100 * (0.45 + 0.25 + 0.375) / 3)


def test_an_operation_that_only_one_file_has(sweep: Path) -> None:
    frame = read_sweep(sweep).frame.assign(op="log")
    (found,) = changed_estimates(frame, estimator(), estimator(CHANGED))
    assert found.sets == "none -> log/base"
    assert found.mean_percent is None
    assert found.mape_before is None
    assert found.mape_after is not None
    assert found.reason.startswith("invented.yaml has no parameters of log")
