"""Estimates from fitted models: the model of each row, intervals, and what no model knows."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.evaluate.sweep_evaluation import evaluate_sweep_by_model
from analysis.op_model.fit.fitted_model import write_model
from analysis.op_model.fit.fitting import fit_model
from analysis.op_model.fit.model_estimates import NamedModel, estimate_rows, open_models
from analysis.op_model.sweep_files.reader import CANONICAL_COLUMNS, SweepTable
from farm.errors import UsageError
from tests.unit.test_op_model_commands import farm as farm_fixture

farm = farm_fixture

BLOCK_CYCLES, TILE_CYCLES = 200.0, 50.0


def measured(op: str, factor: float = 1.0, **traits) -> pd.DataFrame:
    """Rows that cost a fixed number of cycles per block and per tile."""
    rows = []
    for m, n, c in itertools.product((2, 4, 8), (2, 4, 8), (1, 2, 4)):
        row = Descriptor(op, mblock_m=m, mblock_n=n, ublock_ct=c, **traits).as_json()
        blocks = m * n
        cycles = factor * blocks * (BLOCK_CYCLES + c * TILE_CYCLES)
        rows.append({**row, "arch": "wormhole_b0", "runtime_cycles": cycles})
    return pd.DataFrame(rows)[list(CANONICAL_COLUMNS)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, rows in {
        "add": measured("add"),
        "exp": measured("exp", 2.0),
        "exp-approx": measured("exp", 3.0, approx=True),
    }.items():
        write_model(folder / f"{name}.json", fit_model(rows, f"{name}.csv", recipe="formula"))
    return folder


def rows_of(*descriptors: Descriptor) -> pd.DataFrame:
    return Descriptors.of(descriptors).as_frame()


def test_each_row_gets_the_model_of_its_operation_and_modes(models: Path) -> None:
    rows = rows_of(
        Descriptor("exp", mblock_m=4, mblock_n=4, approx=True),
        Descriptor("add", mblock_m=4, mblock_n=4),
        Descriptor("exp", mblock_m=4, mblock_n=4),
        Descriptor("exp", mblock_m=2, mblock_n=2, ublock_ct=4, approx=True),
    )
    found = estimate_rows(open_models(models), rows)
    names = [found.models[i].path.name for i in found.model_of_row]
    assert names == ["exp-approx.json", "add.json", "exp.json", "exp-approx.json"]
    assert found.cycles == pytest.approx([12000.0, 4000.0, 8000.0, 4800.0], rel=1e-3)
    assert not found.is_extrapolated.any()
    assert (found.low_cycles <= found.cycles).all()
    assert (found.high_cycles >= found.cycles).all()
    assert (found.expected_error_percent < 0.1).all()


def test_of_several_that_fit_the_best_is_taken(models: Path) -> None:
    good = open_models(models / "add.json")[0]
    noisy = measured("add")
    noisy["runtime_cycles"] *= np.random.default_rng(0).uniform(0.8, 1.25, len(noisy))
    worse = NamedModel(Path("worse.json"), fit_model(noisy, "noisy", recipe="formula"))
    row = rows_of(Descriptor("add", mblock_m=4, mblock_n=4))
    for order in ((good, worse), (worse, good)):
        found = estimate_rows(order, row)
        assert found.models[found.model_of_row[0]] is good


def test_beyond_the_fit_there_is_no_error_but_a_warning(models: Path) -> None:
    found = estimate_rows(open_models(models), rows_of(Descriptor("add", mblock_m=64)))
    assert found.is_extrapolated.tolist() == [True]
    assert np.isnan(found.expected_error_percent).all()
    assert found.warnings == ("1 of 1 rows: an extrapolation beyond the fitted sizes",)
    assert found.as_json()[0]["expected_error_percent"] is None


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [
        (Descriptor("log"), "no model of log; there are"),
        (Descriptor("add", arch="grayskull"), "no model of add on grayskull"),
        (Descriptor("add", output_format="Int8"), "knows nothing of Int8"),
    ],
)
def test_what_no_model_knows_is_refused(models: Path, descriptor, expected: str) -> None:
    good = Descriptor("add", mblock_m=2, mblock_n=2)
    with pytest.raises(RowError) as caught:
        estimate_rows(open_models(models), rows_of(good, descriptor))
    assert caught.value.row == 1
    assert expected in caught.value.reason


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="farm op-model fit writes them"):
        open_models(tmp_path)


@pytest.mark.parametrize("place", ["", "wormhole_b0", "models/wormhole_b0"])
def test_folders_of_architectures_and_of_run_sweep_have_models(
    models: Path, tmp_path: Path, place: str
) -> None:
    shutil.copytree(models, tmp_path / place, dirs_exist_ok=True)
    (tmp_path / "wormhole_b0_params.fits.json").write_text('{"format": "sweepfarm op-model fits"}')
    assert [named.model.op for named in open_models(tmp_path)] == ["add", "exp", "exp"]


def test_a_sweep_against_the_model_of_itself_says_so(models: Path) -> None:
    frame = measured("add")
    table = SweepTable(Path("add.csv"), tuple(frame), frame.astype(str), frame)
    found = evaluate_sweep_by_model(table, models)
    assert found.evaluation.errors.mape < 0.1
    assert set(found.sets) == {"add.json"}
    assert "add.json was fitted on these very rows" in found.warnings[0]
    # The name of a file is not what was measured.
    frame = frame.assign(runtime_cycles=frame["runtime_cycles"] * 1.01)
    other = SweepTable(Path("add.csv"), tuple(frame), frame.astype(str), frame)
    assert not evaluate_sweep_by_model(other, models).warnings


def test_the_commands_take_models(farm, models: Path, tmp_path: Path) -> None:
    given = ("--model", models)
    out, err = farm("estimate", "op=add", "mblock_m=4", "mblock_n=4", *given)
    assert "4,000 cycles" in out
    assert "of rows not fitted" in out
    assert err == ""
    answer = json.loads(farm("estimate", "op=add", "mblock_m=4", *given, "--json")[0])
    assert answer["is_extrapolated"]
    table = tmp_path / "ops.csv"
    table.write_text("op,mblock_m,mblock_n,approx\nexp,4,4,True\nadd,4,4,False\n")
    rows = json.loads(farm("estimate", "--from", table, *given, "--json")[0])
    assert [row["model"] for row in rows] == ["exp-approx.json", "add.json"]
    _, err = farm("estimate", "op=log", *given, code=2)
    assert err.startswith("error: no model of log")
    table.write_text("op\nadd\nlog\n")
    _, err = farm("estimate", "--from", table, *given, code=2)
    assert "ops.csv, line 3: no model of log" in err
