"""What the analysis fits: the join of vectors and outcomes, row by row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from farm.store.measured import measured, measured_columns
from tests.tiny_sweep import generated, outcomes_of


@pytest.mark.parametrize("chunk_id", ["00000-00000", "00001-00000", "00001-00001"])
def test_measured_rows_are_those_with_status_ok(tmp_path: Path, chunk_id: str) -> None:
    directory = generated(tmp_path)
    vectors, outcomes = directory.vectors(chunk_id), outcomes_of(directory, chunk_id)
    found = measured(directory.manifest, vectors, outcomes)
    expected = [
        {
            "group_id": vector["group_id"],
            "size": float(vector["elements"]),
            "duration_ns": outcome["mean_ns"],
        }
        for vector, outcome in zip(vectors.to_pylist(), outcomes.to_pylist(), strict=True)
        if outcome["status"] == "OK"
    ]
    assert found.rows.to_pylist() == expected
    assert found.rows.schema.types == [pa.int64(), pa.float64(), pa.float64()]
    assert all(row["duration_ns"] == 10 * row["size"] + 504 for row in expected)


def test_groups_are_named_in_the_order_of_the_key(tmp_path: Path) -> None:
    directory = generated(tmp_path)
    names: dict[int, tuple[str, ...]] = {}
    for chunk in directory.chunks():
        vectors = directory.vectors(chunk.chunk_id)
        outcomes = outcomes_of(directory, chunk.chunk_id)
        groups = measured(directory.manifest, vectors, outcomes).groups
        assert groups.keys() == set(vectors["group_id"].to_pylist())
        assert all(names.setdefault(key, text) == text for key, text in groups.items())
    expected = {(layout, grid) for layout in ("tiled", "rows") for grid in ("1x1", "2x1")}
    assert set(names.values()) == expected
    assert len(names) == len(expected)


def test_a_group_without_a_measurement_is_named(tmp_path: Path) -> None:
    directory = generated(tmp_path)
    vectors = directory.vectors("00000-00001").slice(0, 1)
    failed = outcomes_of(directory, "00000-00000").slice(0, 1)
    status = pa.chunked_array([pa.array(["HANG"]).cast(failed.schema.field("status").type)])
    found = measured(directory.manifest, vectors, failed.set_column(1, "status", status))
    assert found.rows.num_rows == 0
    assert list(found.groups.values()) == [("tiled", "1x1")]


@pytest.mark.parametrize("statistic", ["mean_ns", "median_ns", "min_ns"])
def test_columns_of_the_measured_vectors_stand_beside_their_durations(
    tmp_path: Path, statistic: str
) -> None:
    directory = generated(tmp_path)
    vectors, outcomes = directory.vectors("00000-00001"), outcomes_of(directory, "00000-00001")
    found = measured_columns(vectors, outcomes, ["elements", "rows"], statistic)
    assert found.to_pylist() == [
        {
            "elements": vector["elements"],
            "rows": vector["rows"],
            "duration_ns": outcome[statistic],
        }
        for vector, outcome in zip(vectors.to_pylist(), outcomes.to_pylist(), strict=True)
        if outcome["status"] == "OK"
    ]
    assert 0 < found.num_rows < vectors.num_rows
