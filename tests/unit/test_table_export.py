"""A sweep directory as CSV, JSON and Parquet: a row per vector, measured or not."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from farm.generation import Plan, open_or_generate
from farm.interchange.table_export import export_table
from sweeps.axis import Axis
from sweeps.space import Sweep
from tests.tiny_sweep import commit
from tests.tt_metal_files import result, write_json, write_vectors
from tests.unit.test_import_results import VECTORS, imported, outcomes, with_vectors


def test_tables_hold_every_vector(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "vectors.json", VECTORS)
    directory = with_vectors(tmp_path / "out", path, chunk_rows=4)
    imported(directory, write_json(tmp_path / "r.json", [result(v) for v in VECTORS[:6]]))
    for kind in ("csv", "json", "parquet"):
        assert export_table(directory, kind, tmp_path / f"t.{kind}") == 12
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert Counter(row["status"] for row in rows) == {"OK": 6, "NO_RESULT": 2, "": 4}
    first = rows[0]
    assert (first["shape"], first["output_grid"], first["n_launches"]) == ("1x1x64x32", "1x2", "10")
    assert float(first["mean_ns"]) == outcomes(directory)[0]["mean_ns"]
    records = json.loads((tmp_path / "t.json").read_text())
    table = pq.read_table(tmp_path / "t.parquet")
    assert (
        [record["id"] for record in records] == table["id"].to_pylist() == [r["id"] for r in rows]
    )
    assert records[0]["shape"] == table["shape"].to_pylist()[0] == [1, 1, 64, 32]
    assert records[11]["status"] is None
    assert not list(tmp_path.glob(".*"))


def test_columns_of_the_tables_never_collide(tmp_path: Path) -> None:
    sweep = Sweep(
        "x", "x", (Axis.ints("id", [1, 2]), Axis.ints("elements", [3])), "id", ("id",), version="1"
    )
    directory = open_or_generate(tmp_path / "out", Plan(sweep, "x"))
    commit(directory, directory.chunks()[0].chunk_id)
    export_table(directory, "csv", tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [row["id_"] for row in rows] == ["1", "2"]
    assert [row["n_launches"] for row in rows] == ["3", "3"]
