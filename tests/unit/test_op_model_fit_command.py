"""``farm op-model fit``: tables, JSON, files, and one clear error."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from analysis.op_model.fit.fitted_model import read_model
from analysis.op_model.parameters.parameter_file import read_parameters
from farm.cli import app
from tests.invented_sweeps import eltwise, write_short


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["farm", "op-model", "fit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        assert int(ended.value.code or 0) == code, err
        assert "defect" not in err
        return out, err

    return run


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "wormhole_b0"
    write_short(folder / "exp-op-performance.csv", eltwise(noise=0.01))
    write_short(folder / "log-op-performance.csv", eltwise(noise=0.01, seed=1))
    write_short(folder / "sqrt-op-performance.csv", eltwise(noise=0.01, seed=2))
    return folder


def test_one_file_prints_coefficients_recipes_and_errors(farm, raw) -> None:
    out, err = farm(raw / "exp-op-performance.csv")
    for text in (
        "standard error",
        "90 % from",
        "if always taken",
        "compact + process",
        "exp wormhole_b0",
    ):
        assert text in out
    assert err == ""


def test_many_files_print_one_row_each_and_write_models(farm, raw, tmp_path) -> None:
    out, _ = farm(raw, "--out", tmp_path / "models")
    assert "standard error" not in out
    assert "3 fits, 180 rows; median MAPE" in out
    model = read_model(tmp_path / "models" / "wormhole_b0" / "exp-op-performance.json")
    assert model.op == "exp"
    assert len(model.predict(eltwise()).cycles) == 60


def test_json_has_what_the_tables_have(farm, raw) -> None:
    found = json.loads(farm(raw, "--json", "--folds", 4)[0])
    assert [fit["op"] for fit in found["fits"]] == ["exp", "log", "sqrt"]
    fit = found["fits"][0]
    assert fit["held_back"]["n"] == fit["training"]["n"] == 60
    assert {"term", "cycles", "standard_error", "low", "high"} == set(fit["coefficients"][0])
    assert found["summary"]["n_fits"] == 3
    assert 0 < found["summary"]["median_mape"] < 2


def test_reference_writes_a_parameter_file_that_loads(farm, raw, tmp_path) -> None:
    out, _ = farm(raw, "--method", "reference", "--out", tmp_path / "p", "--coefficients")
    assert "ublock_weight" in out
    path = tmp_path / "p" / "wormhole_b0_params.yaml"
    assert f"wrote {path}" in out
    parameters = read_parameters(path, "wormhole_b0", 1)
    assert set(parameters.operations) == {"exp", "log", "sqrt"}
    assert set(parameters.operations["exp"]) == {"base"}
    assert parameters.records["exp", "base"].n_rows == 60
    err = farm(raw, "--method", "reference", "--out", tmp_path / "p", code=2)[1]
    assert "never changed" in err


def test_a_mixed_file_is_fitted_by_operation(farm, tmp_path) -> None:
    import pandas as pd

    rows = pd.concat(
        [eltwise(noise=0.01), eltwise(lambda r: 2000.0 * r["mblock_m"], op="cosine")],
        ignore_index=True,
    )
    path = write_short(tmp_path / "wormhole_b0" / "exp.csv", rows)
    lines = path.read_text().splitlines()
    marked = [f"op,{lines[0]}"]
    marked += [f"{op},{line}" for op, line in zip(rows["op"], lines[1:], strict=True)]
    path.write_text("\n".join(marked) + "\n")
    found = json.loads(farm(path, "--json", "--out", tmp_path / "models")[0])
    assert [fit["op"] for fit in found["fits"]] == ["exp", "cosine"]
    assert (tmp_path / "models" / "wormhole_b0" / "exp-cosine.json").exists()
    (own,) = json.loads(farm(path, "--json", "--op", "cosine", "--recipe", "formula")[0])["fits"]
    assert (own["op"], own["training"]["n"]) == ("cosine", 60)
    assert "has rows of exp, cosine, and none of it" in farm(path, "--op", "log", code=2)[1]
    found = json.loads(farm(path, "--json", "--method", "reference")[0])
    assert [fit["op"] for fit in found["fits"]] == ["exp+cosine", "exp", "cosine"]
    assert found["fits"][0]["training"]["mape"] > found["fits"][1]["training"]["mape"]


def test_failed_tests_are_named(farm, raw) -> None:
    path = raw / "exp-op-performance.csv"
    path.write_text(path.read_text() + "Bfp8_b,LoFi,1,2,2,1,1,N/A\n")
    err = farm(path)[1]
    assert "1 row was not measured: line 62" in err


def test_broken_files_among_many_do_not_stop_the_others(farm, raw) -> None:
    (raw / "power-op-performance.csv").write_text(
        (raw / "exp-op-performance.csv").read_text().replace("Bfp8_b,LoFi,1,2,", "Bfp8_b,LoFi,1,x,")
    )
    out, err = farm(raw)
    assert "3 fits" in out
    assert "not fitted" in err
    assert "line 2, column mblock_m: 'x'" in err
    (problem,) = json.loads(farm(raw, "--json", "--recipe", "formula")[0])["problems"]
    assert "line 2, column mblock_m: 'x'" in problem
    broken = [raw / f"{name}-op-performance.csv" for name in ("power", "again")]
    shutil.copy(*broken)
    assert "no file could be fitted" in farm(*broken, "--json", code=2)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "best"), "--method 'best': it is one of default, reference"),
        (("--recipe", "best"), "no recipe 'best' for these rows; there are formula, compact"),
        (("--recipe", "full", "--method", "reference"), "--recipe is for --method default"),
        (("--arch", "mars"), "unknown architecture 'mars'"),
        (("--folds", "99"), "a fit that can be checked needs at least 99"),
    ],
)
def test_wrong_options(farm, raw, arguments, message) -> None:
    err = farm(raw / "exp-op-performance.csv", *arguments, code=2)[1]
    assert message in err


def test_no_data(farm, tmp_path) -> None:
    assert "no such file" in farm(tmp_path / "none", code=2)[1]
    (tmp_path / "empty").mkdir()
    assert "no op sweep" in farm(tmp_path / "empty", code=2)[1]


def test_models_of_one_name_do_not_replace_each_other(farm, raw, tmp_path) -> None:
    again = write_short(tmp_path / "new" / "wormhole_b0" / "exp-op-performance.csv", eltwise())
    first = raw / "exp-op-performance.csv"
    err = farm(first, again, "--out", tmp_path / "models")[1]
    assert "is the model of another sweep of this name" in err
    model = read_model(tmp_path / "models" / "wormhole_b0" / "exp-op-performance.json")
    assert model.source == str(first)


def test_what_the_original_has_no_regression_for_is_passed_over(farm, raw) -> None:
    header = "test_id,math_fidelity,t,mblock_m,mblock_n,ublock_rt,ublock_ct,mblock_k,ublock_kt"
    sparse = raw / "matmul-sparse-op-performance.csv"
    sparse.write_text(f"{header},nz_tiles,runtime\n0,LoFi,1,2,2,1,1,4,2,9,500\n")
    out, err = farm(raw, "--method", "reference")
    assert "3 fits" in out
    assert "no regression for matmul_sparse" in err
    assert "no regression" in farm(sparse, "--method", "reference", code=2)[1]
