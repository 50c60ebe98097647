"""Vector files of tt-metal become sweep directories, and come back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from farm.catalog import load_sweep
from farm.errors import DifferentSweepError, FarmError, StoreAccessError
from farm.generation import Plan, open_or_generate, plan_of
from farm.interchange.input_files import input_files
from farm.interchange.vector_export import export_vectors
from farm.interchange.vector_import import VectorImport
from farm.interchange.vector_survey import survey
from farm.repair import repair
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from sweeps.reshard import SWEEP as RESHARD
from sweeps.vector import vector_id
from tests.tiny_sweep import content_of
from tests.tt_metal_checkout import SMALL, TREE, write_module
from tests.tt_metal_files import branch_vectors, main_vector, write_json, write_vectors


def imported(out: Path, *paths: Path, **options: Any) -> SweepDirectory:
    return VectorImport(survey(input_files(paths), None), **options).write(out, None)


def rows_of(directory: SweepDirectory) -> list[dict[str, Any]]:
    chunks = directory.chunks()
    return [row for chunk in chunks for row in directory.vectors(chunk.chunk_id).to_pylist()]


def exported(directory: SweepDirectory, folder: Path) -> list[bool | None]:
    return [file.is_same for file in export_vectors(directory, folder)]


def test_vectors_of_the_branch_are_those_of_the_reshard_sweep(tmp_path: Path) -> None:
    given = branch_vectors(7)
    path = write_vectors(tmp_path / "in" / "1x1" / "reshard-1x1-1x2.json", given)
    directory = imported(tmp_path / "out", tmp_path / "in", chunk_rows=3)
    manifest = directory.manifest
    assert (manifest.sweep, manifest.op, manifest.n_vectors) == ("reshard", "reshard", 7)
    assert manifest.group_by == RESHARD.group_by
    assert verify(directory.path).findings == ()
    rows = rows_of(directory)
    assert [row["input_hash"] for row in rows] == [vector["input_hash"] for vector in given]
    assert [row["tiles"] for row in rows] == [2, 2, 4, 4, 6, 6, 8]
    params = {
        "input_strategy": "WIDTH",
        "output_strategy": "BLOCK",
        "input_orientation": "ROW_MAJOR",
        "output_orientation": "ROW_MAJOR",
        "dtype": "BFLOAT16",
        "input_grid": (1, 1),
        "output_grid": (1, 2),
        "shape": (1, 1, 64, 32),
    }
    assert rows[1]["vector_id"] == vector_id("reshard", params)
    assert exported(directory, tmp_path / "again") == [True]
    assert (tmp_path / "again" / "1x1" / path.name).read_bytes() == path.read_bytes()


def test_an_interrupted_import_goes_on(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "vectors.json", branch_vectors(40))
    with patch("farm.interchange.vector_import.SHARD_ROWS", 8):
        whole = content_of(imported(tmp_path / "whole", path, chunk_rows=4).path)
        imported(tmp_path / "out", path, chunk_rows=4)
        for name in ("sweep.json", "vectors/00003.parquet"):
            (tmp_path / "out" / name).unlink()
        imported(tmp_path / "out", path, chunk_rows=4)
    again = content_of(tmp_path / "out")
    assert again.keys() == whole.keys()
    assert all(again[name] == whole[name] for name in whole if name != "sweep.json")
    before = content_of(tmp_path / "out")
    assert imported(tmp_path / "out", path, chunk_rows=4).manifest.n_vectors == 40
    assert content_of(tmp_path / "out") == before


HAZARDS = {
    "number": [1, 2.5, True, "1", None],
    "text": ["1", "None", "[1, 2]", "(1, 2)", "", " x ", "e\u0301", '"quoted"', "a\nb"],
    "special": [float("inf"), float("-inf"), 1e300, -0.0, 0.1 + 0.2],
    "nested": [
        {"type": "ttnn._ttnn.tensor.MemoryConfig", "data": {"buffer_type": "L1", "n": [1, {}]}},
        [1, [2, "3"]],
        {},
        [],
    ],
    "huge": [2**63, -(2**70), 5],
    "size": [32, 64],
    "ratio": [0.5, 2.0],
}


@pytest.mark.parametrize("indent", [2, 4, None])
def test_every_kind_of_value_comes_back(tmp_path: Path, indent: int | None) -> None:
    vectors = [
        main_vector("s", x=i, **{name: v}) for name in HAZARDS for i, v in enumerate(HAZARDS[name])
    ]
    vectors += [main_vector("t", shape=[1, 1, 64, 64 * i]) for i in range(1, 4)]
    path = write_vectors(tmp_path / "op.small.json", vectors, indent)
    directory = imported(tmp_path / "out", path)
    assert verify(directory.path).findings == ()
    assert exported(directory, tmp_path / "again") == [True]
    rows = rows_of(directory)
    assert len({row["vector_id"] for row in rows}) == len(vectors)
    assert [row["tiles"] for row in rows[-3:]] == [4, 8, 12]
    kinds = {axis.name: axis.kind for axis in directory.manifest.axes}
    assert (kinds["size"], kinds["ratio"], kinds["text"]) == ("int", "float", "str")
    texts = [row["number"] for row in rows if row["number"] is not None]
    assert texts == ["1", "2.5", "true", '"1"', "null"]


def test_ids_are_those_of_the_loaded_module(tmp_path: Path) -> None:
    source = f"tt-metal:{TREE}:{SMALL}"
    loaded = open_or_generate(tmp_path / "loaded", plan_of_source(source))
    assert exported(loaded, tmp_path / "files") == [None]
    for root in (TREE, None):
        there = imported(tmp_path / f"out{bool(root)}", tmp_path / "files", root=root)
        columns = ("vector_id", "group_id", "input_hash", "tiles", "suite")
        assert [[row[c] for c in columns] for row in rows_of(there)] == [
            [row[c] for c in columns] for row in rows_of(loaded)
        ]
        assert exported(there, tmp_path / f"again{bool(root)}") == [True]
    assert plan_of(there_manifest(tmp_path / "outTrue")).sweep.op == SMALL
    with pytest.raises(FarmError, match="import them with --tt-metal-root"):
        plan_of(there_manifest(tmp_path / "outFalse"))


def plan_of_source(source: str) -> Plan:
    return Plan(load_sweep(source), source)


def there_manifest(path: Path) -> Any:
    return SweepDirectory.open(path).manifest


def test_invalid_vectors_are_records_only(tmp_path: Path) -> None:
    vectors = [main_vector("s", x=1), main_vector("s", "INVALID", x=2), main_vector("t", x=3)]
    path = write_json(
        tmp_path / "op.small.json",
        {"none": {}, **json.loads(write_vectors(tmp_path / "v.json", vectors).read_text())},
    )
    directory = imported(tmp_path / "out", path)
    assert [row["x"] for row in rows_of(directory)] == [1, 3]
    assert directory.manifest.suites[0]["rejected"] == {"too large": 1}
    assert exported(directory, tmp_path / "again") == [True]


def test_a_lost_shard_is_not_invented(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "vectors.json", branch_vectors(5))
    directory = imported(tmp_path / "out", path)
    (directory.path / "vectors" / "00000.parquet").write_bytes(b"gone")
    assert "import the files again" in repair(directory.path).actions[0]
    with pytest.raises(DifferentSweepError):
        open_or_generate(directory.path, Plan(RESHARD, "reshard"))


def _edited(vector: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**vector, **changes}


ONE, TWO = branch_vectors(2)
MAIN = main_vector("s", x=1)
REFUSED = {
    "a list": ([ONE], "a list: that is a result file; use farm import results"),
    "no suites": ({"s": 3}, "holds no vectors"),
    "no vectors": ({"s": {"a": 1}}, "'a' of 's' is no vector: it has no sweep_name"),
    "nothing": ({}, "no valid vector is in the files"),
    "grid": (_edited(ONE, input_core_grid="(1, 1)"), "not written like ttnn.CoreGrid(x=1, y=2)"),
    "shape": (_edited(ONE, shape="[1, 1, 64]"), "shape: '[1, 1, 64]' is not written like"),
    "enum": (_edited(ONE, dtype="BFLOAT16"), "'BFLOAT16' is no member of DataType"),
    "key": ({ONE["suite_name"]: {"abc": ONE}}, "stands under 'abc', but its input_hash is"),
    "suite": ({"other": {ONE["input_hash"]: ONE}}, "but its suite_name is"),
    "no id": (
        {"s": {"x": {name: v for name, v in MAIN.items() if name != "input_hash"}}},
        "stands under 'x', but its input_hash is missing",
    ),
    "type": (
        main_vector("s", m={"type": "ttnn.Tensor", "data": {}}),
        "unknown type 'ttnn.Tensor'; known are MemoryConfig",
    ),
    "nested type": (main_vector("s", m=[[{"type": "x.Y", "data": 1}]]), "unknown type 'x.Y'"),
    "name": (main_vector("s", **{"a b": 1}), "parameter 'a b' is no identifier"),
    "no parameters": (main_vector("s"), "it has no parameters"),
    "surrogate": (_edited(MAIN, x="\ud800"), "surrogates not allowed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_file_is_refused_before_anything_is_written(tmp_path: Path, what: str) -> None:
    content, message = REFUSED[what]
    if isinstance(content, dict) and "sweep_name" in content:
        content = {content["suite_name"]: {content["input_hash"]: content}}
    path = write_json(tmp_path / "vectors.json", content)
    with pytest.raises(FarmError, match=re.escape(message)) as error:
        imported(tmp_path / "out", path)
    assert str(path) in str(error.value)
    assert error.value.exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (ONE, MAIN, "is of module op.small, the first one of data_movement"),
        (ONE, _edited(TWO, validity="VALID", shape=[1, 1, 64, 32]), "another generation"),
        (ONE, ONE, "1 vectors are doubled"),
    ],
)
def test_files_that_do_not_belong_together(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], message: str
) -> None:
    paths = [write_vectors(tmp_path / f"{i}.json", [v]) for i, v in enumerate((first, second))]
    with pytest.raises(FarmError, match=message):
        imported(tmp_path / "out", *paths)


def test_paths_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("a", "b"):
        write_vectors(tmp_path / name / "x.json", [ONE])
    for paths, message in (
        ([tmp_path / "none"], "there is no such file"),
        ([tmp_path / "empty"], "no .json file"),
        ([tmp_path / "a", tmp_path / "b"], "have the same name"),
    ):
        with pytest.raises(FarmError, match=message):
            input_files(paths)
    (tmp_path / "empty" / "mine.txt").touch()
    with pytest.raises(StoreAccessError, match="not empty and no sweep directory"):
        imported(tmp_path / "empty", tmp_path / "a")


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "vectors.json", [ONE, TWO])
    found = survey(input_files([path]), None)
    write_vectors(path, [ONE, _edited(TWO, tag="me")])
    with pytest.raises(DifferentSweepError, match="changed while it was imported"):
        VectorImport(found).write(tmp_path / "out", None)
    assert not (tmp_path / "out" / "sweep.json").exists()


def test_ids_that_do_not_follow_from_the_entries_are_counted(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "vectors.json", [ONE, _edited(TWO, status="VectorStatus.OLD")])
    found = survey(input_files([path]), None)
    assert found.n_foreign_ids == 1
    directory = VectorImport(found).write(tmp_path / "out", None)
    assert [row["input_hash"] for row in rows_of(directory)] == [
        ONE["input_hash"],
        TWO["input_hash"],
    ]


def test_another_module_than_that_of_the_checkout(tmp_path: Path) -> None:
    write_module(
        tmp_path / "tt",
        "op.small",
        "parameters = {'s': {'x': [1]}}\ndef run(x, *, device): return True, ''\n",
    )
    path = write_vectors(tmp_path / "v.json", [main_vector("s", x="wide")])
    with pytest.raises(FarmError, match="vectors of another sweep module: axis x"):
        imported(tmp_path / "out", path, root=tmp_path / "tt")


def test_the_recorded_vectors_come_back(data_dir: Path, tmp_path: Path) -> None:
    root = data_dir / "ttmetal" / "vectors_export"
    directory = imported(tmp_path / "out", root)
    assert directory.manifest.n_vectors == 1273
    assert exported(directory, tmp_path / "again") == [True, True]
    for path in root.rglob("*.json"):
        assert (tmp_path / "again" / path.relative_to(root)).read_bytes() == path.read_bytes()
