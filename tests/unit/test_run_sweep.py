"""``farm run-sweep``: choice of operations, its folder, raw files to versions, clear refusals."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.op_model.fit.reference_regression import fit_reference
from analysis.op_model.parameters.versions import open_parameters
from analysis.op_model.run_sweep.assessment import assess
from analysis.op_model.run_sweep.operation_list import chosen, read_operations
from analysis.op_model.run_sweep.publish import publish
from analysis.op_model.run_sweep.sweep_folder import SweepFolder, Wanted
from analysis.op_model.sweep_files.reader import read_sweep
from analysis.op_model.sweep_files.writer import csv_text
from farm.cli import app
from farm.errors import UsageError
from farm.generation import open_or_generate
from sweeps.op_model.catalogue import DEFAULT_OPERATIONS
from sweeps.op_model.operation import Operation
from tests.unit.test_op_sweep_csv import row

BY_NAME = {operation.op_name: operation for operation in DEFAULT_OPERATIONS}


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["farm", "run-sweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        assert int(ended.value.code or 0) == code, err
        return out, err

    return run


def wanted(*names: str, **changes: Any) -> Wanted:
    operations = tuple(BY_NAME[name] for name in names)
    return Wanted(operations, **{"arch": "wormhole_b0", "input_count": 128} | changes)


def begin(folder: SweepFolder, what: Wanted) -> None:
    for part in folder.parts_for(what):
        open_or_generate(part.path, part.plan)


# ---- which operations


def test_types_and_names_are_both_to_fit() -> None:
    names = [o.op_name for o in chosen(DEFAULT_OPERATIONS, ["quant", "splice"], [])]
    assert len(names) == 6
    assert "splice" in names
    assert [o.op_name for o in chosen(DEFAULT_OPERATIONS, ["unary"], ["exp", "abs"])] == [
        "abs", "exp",
    ]  # fmt: skip
    assert len(chosen(DEFAULT_OPERATIONS, [], [])) == 41


@pytest.mark.parametrize(
    ("types", "names", "message"),
    [
        (["unery"], [], r"--op-type 'unery' is not there \(did you mean unary"),
        ([], ["exp-aprox"], r"--op-name 'exp-aprox' is not there \(did you mean exp_approx"),
        (["binary"], ["exp"], "--op-name exp with --op-type binary: exp is of type unary"),
    ],
)
def test_what_is_not_there_is_said_with_what_is_near(
    types: list[str], names: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        chosen(DEFAULT_OPERATIONS, types, names)


def listed(tmp_path: Path, *items: object) -> Path:
    path = tmp_path / "ops.json"
    path.write_text(json.dumps(items))
    return path


def test_a_list_may_name_files_and_arguments_of_the_original(tmp_path: Path) -> None:
    (tmp_path / "sizes.json").write_text('{"output_mb_r": [3], "output_mb_c": [5]}')
    item = {"op_type": "unary", "op_name": "exp", "data_file": "mine.csv",
            "op_config_file": "sizes.json", "config_overrides": {"output_mb_r": [4]},
            "additional_arguments": {"default": "--run-prologue --random-seed 7"}}  # fmt: skip
    (operation,), warnings = read_operations(listed(tmp_path, item))
    assert operation.variables["output_mb_r"] == (4,)
    assert operation.variables["output_mb_c"] == (5,)
    assert (operation.random_seed, operation.data_file) == (7, "mine.csv")
    assert len(warnings) == 1
    assert "--run-prologue has no meaning here" in warnings[0]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"op_config_file": "none.json"}, "none.json: cannot be read"),
        ({"op_config_file": 3}, "operation 0: op_config_file is the name of a file"),
        ({"additional_arguments": "--random-seed 7"}, "additional_arguments is"),
        ({"additional_arguments": {"default": "--random-seed x"}}, "needs a whole number"),
        ({"additional_arguments": {"default": '"'}}, "No closing quotation"),
        ({"op_name": "expo"}, "did you mean exp?"),
        ({"config_overrides": {"vector_mod": [1]}}, "did you mean vector_mode?"),
    ],
)
def test_a_wrong_item_is_named(tmp_path: Path, item: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_operations(listed(tmp_path, {"op_type": "unary", "op_name": "exp"} | item))
    assert message in str(refused.value)


def test_two_operations_may_not_share_a_file(tmp_path: Path) -> None:
    items = [{"op_type": "unary", "op_name": name, "data_file": "a.csv"} for name in ("exp", "log")]
    with pytest.raises(UsageError, match=r"operations 0 and 1 both have the data_file 'a\.csv'"):
        read_operations(listed(tmp_path, *items))


# ---- the folder


def test_operations_that_begin_together_share_a_directory(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "ops")
    begin(folder, wanted("add_int8", "nop_int8"))
    begin(folder, wanted("nop_int8", "add_int32"))
    names = [[o.op_name for o in part.operations] for part in folder.parts()]
    assert names == [["nop_int8", "add_int8"], ["add_int32"]]
    (part,) = folder.parts_for(wanted("add_int8"))
    assert part.path.name == "00"
    assert not part.is_complete
    other = folder.parts_for(wanted("add_int8", input_count=8, arch="blackhole"))
    assert [part.path.name for part in other] == ["02"]


def test_what_is_there_is_not_measured_in_another_way(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "ops")
    begin(folder, wanted("add_int8"))
    with pytest.raises(UsageError, match="holds add_int8 with --input-count 128, not 64"):
        folder.parts_for(wanted("add_int8", input_count=64))
    with pytest.raises(UsageError, match="holds add_int8 with --repeats 3, not 5"):
        folder.parts_for(wanted("add_int8", repeats=5))
    changed = Operation("binary", "add_int8", {"input0_df": (11,)})
    with pytest.raises(UsageError, match="holds add_int8 with other configurations"):
        folder.parts_for(Wanted((changed,), "wormhole_b0", 128))


def test_operations_of_a_list_are_kept_beside_their_directory(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "ops")
    mine = Operation("binary", "add", {"input0_df": (12,), "output_mb_r": (3,)})
    begin(folder, Wanted((mine,), "wormhole_b0", 4))
    (part,) = SweepFolder(tmp_path / "ops").parts()
    assert part.operations == (mine,)
    assert (part.input_count, part.arch) == (4, "wormhole_b0")
    (tmp_path / "ops/sweeps/00.json").write_text("[]")
    with pytest.raises(UsageError, match=r"00\.json: write a JSON list"):
        folder.parts()


def test_pieces_of_an_interrupted_generation_go(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "ops")
    begin(folder, wanted("add_int8"))
    (tmp_path / "ops/sweeps/00/sweep.json").unlink()
    begin(folder, wanted("nop_int8"))
    (part,) = folder.parts()
    assert [o.op_name for o in part.operations] == ["nop_int8"]


def test_cleaning_leaves_parameters_and_what_is_not_its_own(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    begin(folder, wanted("add_int8"))
    folder.raw_path("wormhole_b0").mkdir(parents=True)
    (tmp_path / "wormhole_b0_params.yaml").write_text("add: {}\n")
    folder.clean()
    assert [path.name for path in tmp_path.iterdir()] == ["wormhole_b0_params.yaml"]


# ---- from raw files to parameters


def raw_file(raw: Path, op_name: str, *cycles: float | None) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    operation = BY_NAME[op_name]
    rows = [row(mblock_m=i + 1, cycles=value and value * 128) for i, value in enumerate(cycles)]
    (raw / operation.data_file).write_text(csv_text(operation, rows))


def test_failed_tests_are_counted_with_their_reasons_and_left_out_of_the_fit(
    tmp_path: Path,
) -> None:
    raw_file(tmp_path, "add", 1000.0, None, 3000.0, None)
    (tmp_path / "add-op-performance-failed.yaml").write_text(
        "- {Test-ID: 1, status: HANG, reason: it hung}\n" * 2
    )
    swept = assess(BY_NAME["add"], tmp_path, "wormhole_b0")
    assert (swept.n_tests, swept.n_ok, swept.reasons) == (4, 2, {"HANG: it hung": 2})
    assert [fit.errors.n for fit in swept.fits] == [2]


def test_an_operation_of_which_nothing_ran_has_a_problem_and_no_weights(tmp_path: Path) -> None:
    raw_file(tmp_path, "add", None, None)
    (tmp_path / "add-op-performance-failed.yaml").write_text(
        "- {Test-ID: 0, status: UNSUPPORTED, reason: no adder}\n" * 2
    )
    swept = assess(BY_NAME["add"], tmp_path, "wormhole_b0")
    assert (swept.n_ok, swept.fits, swept.problem) == (0, (), "none of 2 tests was measured")
    with pytest.raises(UsageError, match="add: none of 2 tests was measured"):
        publish(tmp_path, "wormhole_b0", [swept])


def test_versions_are_written_once_and_gather_what_was_fitted(tmp_path: Path) -> None:
    raw = tmp_path / "raw/wormhole_b0"
    raw_file(raw, "add", 1000.0, 1900.0, 3000.0)
    add = assess(BY_NAME["add"], raw, "wormhole_b0")
    first, is_new = publish(tmp_path, "wormhole_b0", [add])
    assert (first.version, is_new, Path(first.source).name) == (1, True, "wormhole_b0_params.yaml")
    assert publish(tmp_path, "wormhole_b0", [add])[1] is False
    raw_file(raw, "exp", 900.0, 1800.0)
    before = (tmp_path / "wormhole_b0_params.yaml").read_bytes()
    exp = assess(BY_NAME["exp"], raw, "wormhole_b0")
    second, is_new = publish(tmp_path, "wormhole_b0", [exp])
    assert (second.version, is_new) == (2, True)
    assert list(second.operations) == ["add", "exp"]
    assert second.operations["add"] == first.operations["add"]
    assert second.records[("add", "base")].n_rows == 3
    assert (tmp_path / "wormhole_b0_params.yaml").read_bytes() == before


def test_quantisation_has_a_base_set_that_follows_the_first_one(tmp_path: Path) -> None:
    name = "dequantization_int8"
    operation = BY_NAME[name]
    for factor, version in ((1, 1), (2, 2)):
        rows = [row(mblock_m=i, cycles=factor * i * 128e3, input_format="Int8") for i in (1, 2, 3)]
        (tmp_path / operation.data_file).write_text(csv_text(operation, rows))
        swept = assess(operation, tmp_path, "wormhole_b0")
        parameters, _ = publish(tmp_path, "wormhole_b0", [swept])
        assert parameters.version == version
        sets = parameters.operations["dequantization"]
        assert list(sets) == ["base", "df_int8"]
        assert sets["base"] == sets["df_int8"]


def test_rows_of_another_operation_are_passed_over(tmp_path: Path) -> None:
    sine, cosine = BY_NAME["sine"], BY_NAME["cosine"]
    mixed = csv_text(sine, [row(), row(mblock_m=3)])
    mixed += csv_text(cosine, [row(cycles=9e9)]).splitlines()[1] + "\n"
    (tmp_path / sine.data_file).write_text(mixed)
    swept = assess(sine, tmp_path, "wormhole_b0")
    assert swept.n_ok == 2
    assert any("rows of cosine are passed over" in warning for warning in swept.warnings)
    (tmp_path / cosine.data_file).write_text(csv_text(sine, [row()]))
    with pytest.raises(UsageError, match="it holds sine, and no cosine"):
        assess(cosine, tmp_path, "wormhole_b0")


def test_recorded_files_become_a_parameter_file(farm, data_dir: Path, tmp_path: Path) -> None:
    raw = data_dir / "opmodel/wormhole_b0"
    out, err = farm(
        "--skip-perf-sweep", "--raw-data-output-dir", raw, "--out", tmp_path / "D", "--op-type",
        "unary", "--op-type", "binary", "--no-models",
    )  # fmt: skip
    assert "wrote" in out
    assert "has no measurements of" in err
    parameters = open_parameters(tmp_path / "D")
    (reference,) = fit_reference(read_sweep(raw / "exp-op-performance.csv"))
    assert parameters.operations["exp"]["base"] == reference.weights
    assert list(parameters.operations["exp"]) == ["base", "approx"]
    assert list(parameters.operations["nop"]) == ["df_int8", "df_int32"]
    assert parameters.records[("exp", "base")].mape_percent == pytest.approx(reference.errors.mape)


# ---- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "sim", "--op-type", "unray"], "did you mean unary"),
        (["--device", "sim", "--op-name", "ads"], "did you mean"),
        (["--device", "sim", "--force-clean", "--continue-run"], "choose one"),
        (["--skip-perf-sweep", "--skip-performance-model"], "leave nothing to do"),
        (["--skip-perf-sweep", "--force-clean"], "--force-clean has no meaning"),
        (["--skip-perf-sweep", "--continue-run"], "--continue-run has no meaning"),
        (["--device", "sim", "--continue-run", "--out", "nowhere"], "there is no nowhere"),
        (["--device", "sim", "--out", "used"], "used exists: --continue-run goes on"),
        (["--device", "sim", "--out", "used", "--force-clean"], "was not made by run-sweep"),
        (["--device", "sim", "--out", "used", "--continue-run"], "was not made by run-sweep"),
        (["--op-name", "add"], "--device is missing"),
        (["--device", "sym"], "unknown device 'sym'"),
        (["--device", "sim", "-o", "sped=1"], "no option 'sped'"),
        (["--device", "sim", "--arch", "wormhole"], "--arch 'wormhole' is unknown"),
        (["--device", "sim", "--arch", "grayskull", "--op-name", "add_int8"], "no whole numbers"),
        (["--device", "sim", "--operations-cfg", "none.json"], "none.json: cannot be read"),
        (["--device", "sim", "--operations-cfg", "used/file"], "no JSON"),
        (["--skip-perf-sweep", "--out", "used"], "measure them first"),
        (["--skip-perf-sweep", "--out", "used", "--op-name", "add"], "no measurements of add"),
    ],
)
def test_every_mistake_ends_in_one_clear_error(
    farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").write_text("content")
    monkeypatch.chdir(tmp_path)
    _, err = farm(*arguments, code=2)
    assert message in err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "file"]


def test_nothing_is_deleted_without_a_yes(farm, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    folder = SweepFolder(tmp_path / "D")
    begin(folder, wanted("add_int8"))
    farm("--device", "sim", "--out", tmp_path / "D", "--force-clean", code=130)
    assert folder.parts()
    shutil.rmtree(tmp_path / "D")
