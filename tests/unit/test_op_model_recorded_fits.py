"""Fits of the recorded sweeps: the original's coefficients, and errors within their bars.

The whole table is ``bench/op_model_fit.py``; here is one file of each kind that is quick to fit.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.op_model.fit.fitting import fit_model
from analysis.op_model.fit.reference_regression import fit_reference
from analysis.op_model.sweep_files.reader import find_sweeps, read_sweep

QUICK = (
    "wormhole_b0/add-op-performance.csv",
    "wormhole_b0/subtract-int8-op-performance.csv",
    "wormhole_b0/depthwise-op-performance.csv",
    "grayskull/matmul-op-performance.csv",
)


@pytest.fixture(scope="module")
def recorded(data_dir: Path) -> Path:
    folder = data_dir / "opmodel"
    if not (folder / "reference_errors.csv").exists():
        pytest.skip("the recorded op sweeps are not here")
    return folder


def test_every_coefficient_of_the_original(recorded: Path) -> None:
    coefficients = pd.read_csv(recorded / "reference_coefs.csv")
    errors = pd.read_csv(recorded / "reference_errors.csv")
    errors = errors[errors["model"] == "their_regression"]
    n_checked = 0
    for file, op, arch, mape, rrmse, rmsre in errors[
        ["file", "op", "arch", "mape", "rrmse", "rmsre"]
    ].itertuples(index=False):
        path = recorded / file
        if not path.exists():
            continue
        found = fit_reference(read_sweep(path))[0]
        own = coefficients[(coefficients["arch"] == arch) & (coefficients["op"] == op)]
        expected = dict(zip(own["coefficient"], own["value"], strict=True))
        assert found.weights == pytest.approx(expected, rel=1e-6), file
        measured = (found.errors.mape, found.errors.rrmse, found.errors.rmsre)
        assert measured == pytest.approx((mape, rrmse, rmsre), abs=1e-4), file
        n_checked += len(expected)
    assert n_checked >= 80


def test_every_recorded_row_is_read(recorded: Path) -> None:
    rows = pd.read_csv(recorded / "reference_errors.csv").drop_duplicates("file")
    of_file = dict(zip(rows["file"], rows["n"], strict=True))
    for path in find_sweeps([recorded]):
        table = read_sweep(path)
        name = str(path.relative_to(recorded))
        assert len(table) == of_file.get(name, len(table.cells)), name
        assert table.dropped == ()
        assert table.warnings == ()


@pytest.mark.parametrize("file", QUICK)
def test_errors_of_rows_held_back_are_within_their_bars(recorded: Path, file: str) -> None:
    errors = pd.read_csv(recorded / "reference_errors.csv").set_index(["file", "model"])["mape"]
    ours, theirs = errors[file, "ours_cv"], errors[file, "their_regression"]
    model = fit_model(read_sweep(recorded / file).frame)
    assert model.validation.rows.mape <= max(1.25 * ours, ours + 0.10)
    assert model.validation.rows.mape < theirs


def test_sparse_products(recorded: Path) -> None:
    table = read_sweep(recorded / "wormhole_b0" / "matmul-sparse-op-performance.csv")
    model = fit_model(table.frame[::2])
    assert model.validation.rows.mape <= 1.5
    assert model.validation.by_recipe["full"] <= 5.0
