"""``farm op-model estimate``, ``evaluate`` and ``diff``: answers, files, and one clear error."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis.op_model.parameters.fit_record import FitRecord
from analysis.op_model.parameters.parameter_file import write_parameters
from farm.cli import app
from tests.invented_op_parameters import OPERATIONS, write_sparse_tables
from tests.unit.test_op_evaluation import HEADER, ROWS

ADD = ("op=add", "mblock_m=2", "mblock_n=2")
SPARSE = (
    *("op=matmul", "mblock_m=3", "mblock_k=4", "ublock_kt=1", "nz_tiles=50"),
    *("nz_ublocks=9", "nz_strips=6"),
)


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv("SWEEPFARM_OP_PARAMS", raising=False)

    def run(*arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["farm", "op-model", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        assert int(ended.value.code or 0) == code, err
        assert "defect" not in err
        return out, err

    return run


@pytest.fixture
def params(tmp_path: Path) -> Path:
    folder = tmp_path / "params"
    record = FitRecord(75, 1.5, True, "add.csv", {"mblock_m": (2, 8)})
    write_parameters(
        folder / "wormhole_b0" / "params_v1.yaml", OPERATIONS, {("add", "base"): record}
    )
    write_sparse_tables(folder / "wormhole_b0_sparse_v2_formula_params")
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "wormhole_b0"
    folder.mkdir()
    path = folder / "add-op-performance.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return path


def test_an_estimate_says_where_it_comes_from(farm, params: Path) -> None:
    out, err = farm("estimate", *ADD, "--params", params)
    assert "1,000 cycles" in out
    assert "add/base of wormhole_b0 version 1" in out
    assert "the only one that holds" in out
    assert "mean error 1.5 %, of rows not fitted (75 rows)" in out
    assert str(params / "wormhole_b0" / "params_v1.yaml") in out
    assert err == ""


def test_an_estimate_for_machines(farm, params: Path, monkeypatch) -> None:
    monkeypatch.setenv("SWEEPFARM_OP_PARAMS", str(params))
    found = json.loads(farm("estimate", "op=add", "mblock_m=100", "--json")[0])
    assert found["cycles"] == 25000.0
    assert found["expected_error_percent"] is None
    assert (found["params_set"], found["params_version"]) == ("base", 1)
    assert found["sureness"].startswith("unknown: outside of what was fitted")
    assert "mblock_m=100" in found["warnings"][0]


def test_json_from_standard_input(farm, params: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('[{"op": "add"}, {"op": "exp", "t": 2}]'))
    out, _ = farm("estimate", "--from", "-", "--params", params, "--json")
    assert [answer["cycles"] for answer in json.loads(out)] == [250.0, 2020.0]
    monkeypatch.setattr(sys, "stdin", io.StringIO("[]"))
    _, err = farm("estimate", "--from", "-", "--params", params, code=2)
    assert "the list of descriptors is empty" in err


def test_sparse_tables_are_found_or_named(farm, params: Path) -> None:
    file = params / "wormhole_b0" / "params_v1.yaml"
    by_tables = json.loads(farm("estimate", *SPARSE, "--params", file, "--json")[0])
    assert by_tables["formula"] == "sparse v2"
    moved = (params / "wormhole_b0_sparse_v2_formula_params").rename(params / "elsewhere")
    without = json.loads(farm("estimate", *SPARSE, "--params", file, "--json")[0])
    assert without["formula"] == "sparse v1"
    assert "no sparse tables" in without["warnings"][0]
    out, _ = farm("estimate", *SPARSE, "--params", file, "--sparse-tables", moved, "--json")
    assert json.loads(out) == by_tables


def test_a_table_gets_columns_and_keeps_its_own(farm, params: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "ops.csv", tmp_path / "new" / "estimates.csv"
    table.write_text("layer,op,mblock_m,approx,arch\nl1,add,4,False,\nl2,exp,2,True,wormhole_b0\n")
    printed, err = farm("estimate", "--from", table, "--params", params, "--out", out)
    assert "wrote 2 estimates" in printed
    assert "columns that say nothing about an operation: layer" in err
    found = pd.read_csv(out)
    assert found["layer"].tolist() == ["l1", "l2"]
    assert found["estimate_cycles"].tolist() == [1000.0, 1060.0]
    assert found["params_version"].tolist() == [1, 1]
    assert found["params_set"].tolist() == ["add/base", "exp/approx"]
    assert found["expected_error_percent"].iloc[0] == 1.5
    as_json = json.loads(farm("estimate", "--from", table, "--params", params, "--json")[0])
    assert [row["estimate_cycles"] for row in as_json] == [1000.0, 1060.0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "KEY=VALUE"),
        (("op=add", "--from", "x.json"), "KEY=VALUE..., such as op=add mblock_m=4, or --from"),
        (("op=ad",), "unknown operation 'ad' (did you mean add?)"),
        (("op=add", "mblok_m=2"), "unknown key 'mblok_m' (did you mean mblock_m?)"),
        (("op=topk",), "has no parameters of topk; with --fallback"),
        (("op=add", "arch=grayskull"), "has no parameters of 'grayskull', only of wormhole_b0"),
        (("op=add", "--params-version", "7"), "version 7 of wormhole_b0 does not exist"),
        (("op=add", "--mode", "fast"), "--mode 'fast': it is normal or parity"),
        (("op=add", "--out", "x.csv"), "--out is for the estimates of a table"),
        (("--from", "nothing.csv"), "nothing.csv: cannot be read"),
        (("--from", "nothing.json"), "nothing.json: cannot be read"),
        (("op=add", "arch=grayskull", "--arch", "wormhole_b0"), "but the descriptors are of grays"),
    ],
)
def test_wrong_requests(farm, params: Path, arguments, expected: str) -> None:
    out, err = farm("estimate", *arguments, "--params", params, code=2)
    assert out == ""
    assert expected in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no CSV table"),
        ("op,t\n", "the table has no rows"),
        ("t\n1\n", "the table has no column op"),
        ("op,t\nadd,1\nadd,0\n", "line 3: t is 0"),
        ("op,t\nadd,1\nadd,1,5,6\n", "no CSV table"),
        ("op,t\nadd,1\ntopk,1\n", "line 3: "),
    ],
)
def test_bad_tables(farm, params: Path, tmp_path: Path, text: str, expected: str) -> None:
    table = tmp_path / "ops.csv"
    table.write_text(text)
    _, err = farm("estimate", "--from", table, "--params", params, code=2)
    assert expected in err


def test_without_parameters_it_says_where_they_come_from(farm) -> None:
    _, err = farm("estimate", "op=add", code=2)
    assert "Name a file or folder with --params or in $SWEEPFARM_OP_PARAMS" in err


def test_evaluate_writes_and_tells(farm, params: Path, sweep: Path, tmp_path: Path) -> None:
    out, pictures = tmp_path / "out.csv", tmp_path / "pictures"
    printed, _ = farm("evaluate", sweep, out, "--params", params, "--plot", pictures)
    assert "MAPE   33.33 %" in printed
    assert "16 to 63" in printed
    assert out.read_text().splitlines()[1] == f"{ROWS[0]},1000,0.5"
    assert len(list(pictures.glob("*.png"))) == 2
    found = json.loads(farm("evaluate", sweep, out, "--params", params, "--json")[0])
    assert found["errors"]["n"] == 3
    assert found["errors"]["mape"] == pytest.approx(100 / 3)


def test_evaluate_refuses(farm, params: Path, sweep: Path, tmp_path: Path) -> None:
    given = ("--params", params)
    _, err = farm("evaluate", sweep, tmp_path / "o.csv", *given, "--op", "log", code=2)
    assert "has no parameters of log" in err
    _, err = farm("evaluate", sweep, tmp_path / "o.csv", *given, "--arch", "blackhole", code=2)
    assert "has no parameters of 'blackhole'" in err
    _, err = farm("evaluate", tmp_path / "no.csv", tmp_path / "o.csv", *given, code=2)
    assert "no.csv" in err
    assert not (tmp_path / "o.csv").exists()


def test_diff_tells_weights_and_their_effect(farm, params: Path, sweep: Path) -> None:
    before = params / "wormhole_b0" / "params_v1.yaml"
    after = params / "wormhole_b0" / "params_v2.yaml"
    write_parameters(
        after, {**OPERATIONS, "add": {"base": {"ublock_weight": 200.0, "tile_weight": 75.0}}}
    )
    out, err = farm("diff", before, after, "--data", sweep)
    assert "+50.00 %" in out
    assert "+20.00 %" in out
    assert err == ""
    found = json.loads(farm("diff", before, after, "--data", sweep.parent, "--json")[0])
    assert [(c["op"], c["before"], c["after"]) for c in found["weights"]] == [("add", 50.0, 75.0)]
    assert found["estimates"][0]["largest_percent"] == pytest.approx(25.0)
    assert "the parameters are the same" in farm("diff", before, before)[0]


def test_diff_passes_over_other_architectures(farm, params: Path, sweep: Path) -> None:
    path = params / "wormhole_b0" / "params_v1.yaml"
    other = sweep.parent.parent / "grayskull"
    sweep.parent.rename(other)
    _, err = farm("diff", path, path, "--data", other)
    assert "1 of the sweeps are of grayskull, not of wormhole_b0: passed over" in err


def test_diff_of_two_architectures_says_so(farm, params: Path) -> None:
    path = params / "wormhole_b0" / "params_v1.yaml"
    other = params / "grayskull" / path.name
    other.parent.mkdir()
    other.write_text(path.read_text())
    _, err = farm("diff", path, other)
    assert "parameters of different architectures: wormhole_b0 and grayskull" in err
