"""The ids of tt-metal's sweep framework, beside our own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from farm.catalog import load_sweep
from farm.tt_metal.bookkeeping import entries
from farm.tt_metal.input_hash import branch_input_hash, input_hash
from farm.tt_metal.parameters import parameter_name
from farm.tt_metal.serialisation import value_of
from sweeps.generate import select, vectors
from sweeps.vector import vector_id
from tests.tt_metal_checkout import write_module

GOLDEN = "d825032f292a919bcc09d7bb726a21b477dc0b9e96fc19986ae45d5c"


def test_golden() -> None:
    vector = {**entries("s", "demo.inv"), "traced_source": "m", "x": 2}
    assert input_hash(vector) == GOLDEN


def test_a_known_configuration_is_its_own_id() -> None:
    vector = {**entries("s", "demo.inv"), "x": 2}
    assert input_hash({**vector, "config_hash": "abc"}) == "abc"
    assert len(input_hash({**vector, "config_hash": None})) == 56


def columns_of(tmp_path: Path, name: str, text: str) -> list[dict[str, Any]]:
    sweep = load_sweep(write_module(tmp_path, name, text), runs_here=True)
    rows: list[dict[str, Any]] = []
    for suite in sweep.suites():
        selection = select(sweep, suite)
        rows += vectors(sweep, selection, 0, len(selection.kept)).to_pylist()
    return rows


def test_the_column_of_a_module_is_golden_too(tmp_path: Path) -> None:
    text = """
    parameters = {"s": {"traced_source": ["m"], "x": [1, 2]}}
    def run(x, *, device): return True, ""
    """
    assert [row["input_hash"] for row in columns_of(tmp_path, "demo.inv", text)][1] == GOLDEN


def test_the_column_hashes_each_vector_as_serialised(tmp_path: Path) -> None:
    text = """
    import enum
    class Layout(enum.Enum):
        TILE = 0
    parameters = {
        "ü": {"shape": [[1, 32], [2, 64]], "x": ["1", 1, None, 0.5, float("inf")], "é": ["ß"]},
        "two": {"layout,index": [(Layout.TILE, 0), ({"b": (1, 2), "a": True}, 1)]},
        "given": {"config_hash": ["", "known", None]},
    }
    def run(**kwargs): return True, ""
    """
    rows = columns_of(tmp_path, "op.mixed", text)
    assert len(rows) == 10 + 2 + 3
    for row in rows:
        params = {
            parameter_name(name): value_of(value) if isinstance(value, str) else value
            for name, value in row.items()
            if name in {"shape", "x", "é", "layout", "index_", "config_hash"} and value is not None
        }
        vector = {**params, **entries(row["suite"], "op.mixed")}
        assert row["input_hash"] == input_hash(vector)
        if not params.get("config_hash"):
            written = json.dumps(vector, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert row["input_hash"] == hashlib.sha224(written.encode()).hexdigest()
    assert rows[13]["input_hash"] == "known"
    assert len({row["input_hash"] for row in rows}) == len(rows)


def test_vector_ids_are_of_module_and_parameters_alone(tmp_path: Path) -> None:
    text = """
    parameters = {"one": {"x": [1, 2], "y": ["a"]}, "two": {"x": [2], "y": ["a"]}, "z": {"x": [2]}}
    def run(**kwargs): return True, ""
    """
    rows = columns_of(tmp_path, "op.ids", text)
    expected = [{"x": 1, "y": "a"}, {"x": 2, "y": "a"}, {"x": 2, "y": "a"}, {"x": 2}]
    assert [row["vector_id"] for row in rows] == [vector_id("op.ids", p) for p in expected]
    assert rows[1]["input_hash"] != rows[2]["input_hash"], "theirs name the suite"


def test_ids_of_the_reshard_branch(data_dir: Path) -> None:
    path = data_dir / "ttmetal" / "vectors_export" / "1x1" / "reshard-1x1-1x2.json"
    suites = json.loads(path.read_text())
    added = {"timestamp", "input_hash", "tag"}
    checked = 0
    for vectors_of_suite in suites.values():
        for known, vector in vectors_of_suite.items():
            before = {name: value for name, value in vector.items() if name not in added}
            assert branch_input_hash(before) == known
            checked += 1
    assert checked > 1000
