"""Results files: what was committed is read, or it is called damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farm.errors import DamagedStoreError, StoreAccessError
from farm.outcome import OUTCOME_SCHEMA
from farm.store.directory import SweepDirectory
from farm.store.local_files import LocalFiles
from farm.store.results import (
    FOOTER_KEY,
    content_digest,
    count_statuses,
    encode_result,
    read_meta,
    read_result,
)
from tests.tiny_sweep import generated, meta_of, outcomes_of

CHUNK = "00000-00001"


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return generated(tmp_path / "sweep")


@pytest.fixture
def outcomes(directory: SweepDirectory) -> pa.Table:
    return outcomes_of(directory, CHUNK)


@pytest.fixture
def path(tmp_path: Path, directory: SweepDirectory, outcomes: pa.Table) -> Path:
    path = tmp_path / "result.parquet"
    path.write_bytes(encode_result(outcomes, meta_of(directory, CHUNK)))
    return path


def test_what_is_encoded_is_read(path: Path, directory: SweepDirectory, outcomes: pa.Table) -> None:
    table, meta = read_result(LocalFiles(path.parent), path.name)
    assert table == outcomes
    assert table.schema == OUTCOME_SCHEMA
    assert meta.counts == {"OK": 3, "OUT_OF_MEMORY": 1}
    expected = meta_of(directory, CHUNK)
    assert replace(meta, counts={}, content_sha256="") == expected
    assert read_meta(LocalFiles(path.parent), path.name) == meta


def test_the_same_outcomes_are_the_same_bytes(
    path: Path, directory: SweepDirectory, outcomes: pa.Table
) -> None:
    parts = pa.concat_tables([outcomes.slice(0, 1), outcomes.slice(1)])
    assert encode_result(parts, meta_of(directory, CHUNK)) == path.read_bytes()


def test_outcomes_that_all_failed(path: Path, directory: SweepDirectory) -> None:
    failed = outcomes_of(directory, "00000-00001").slice(0, 1)
    path.write_bytes(encode_result(failed, meta_of(directory, CHUNK)))
    table, meta = read_result(LocalFiles(path.parent), path.name)
    assert table["durations_ns"].to_pylist() == [None]
    assert meta.counts == {"OUT_OF_MEMORY": 1} == count_statuses(table)


@pytest.mark.parametrize("name", OUTCOME_SCHEMA.names)
def test_the_digest_sees_every_column(outcomes: pa.Table, name: str) -> None:
    rows = outcomes.to_pylist()
    first, second = (row[name] for row in rows[:2])
    ok = [row[name] for row in rows[1:3]]
    a, b = (first, second) if first != second else ok
    if a == b:  # A constant column.
        a, b = {"card": ("x", "y"), "attempt": (1, 2), "started_at": (1, 2)}[name]
    field = OUTCOME_SCHEMA.field(name)

    def digest(values: list[object]) -> str:
        plain = pa.string() if pa.types.is_dictionary(field.type) else field.type
        column = pa.chunked_array([pa.array(values, plain)]).cast(field.type)
        number = OUTCOME_SCHEMA.get_field_index(name)
        return content_digest(outcomes.slice(0, 2).set_column(number, field, column))

    assert digest([a, b]) != digest([b, a])
    assert digest([a, b]) == digest([a, b])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"sim:0"', '"sim:1"'),
        lambda text: text.replace('"attempt": 1', '"attempt": 2'),
        lambda text: json.dumps({**json.loads(text), "checksum": None}),
        lambda text: json.dumps({**json.loads(text), "new": 1}),
        lambda text: json.dumps([json.loads(text)]),
        lambda text: text[:-1],
        lambda text: None,
    ],
    ids=["card", "attempt", "no checksum", "new key", "list", "torn", "none"],
)
def test_a_changed_footer_is_damage(path: Path, change: object) -> None:
    table = pq.read_table(path)
    text = change(table.schema.metadata[FOOTER_KEY].decode())  # type: ignore[operator]
    metadata = {} if text is None else {FOOTER_KEY: text.encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    for read in (read_result, read_meta):
        with pytest.raises(DamagedStoreError, match=r"result\.parquet is damaged"):
            read(LocalFiles(path.parent), path.name)


def test_a_changed_value_with_the_old_footer_is_damage(path: Path) -> None:
    table = pq.read_table(path)
    number = table.schema.get_field_index("mean_ns")
    doubled = pa.array([None if v is None else 2 * v for v in table["mean_ns"].to_pylist()])
    pq.write_table(table.set_column(number, "mean_ns", doubled), path)
    with pytest.raises(DamagedStoreError, match="differs from the digest"):
        read_result(LocalFiles(path.parent), path.name)


def test_truncated_and_foreign_files_are_damage(path: Path) -> None:
    whole = path.read_bytes()
    for data in (b"", b"PAR1", whole[:-1], whole[: len(whole) // 2], b"x" * 5000):
        path.write_bytes(data)
        for read in (read_result, read_meta):
            with pytest.raises(DamagedStoreError, match="its chunk is then measured anew"):
                read(LocalFiles(path.parent), path.name)


def test_a_missing_result_is_no_damage(tmp_path: Path) -> None:
    for read in (read_result, read_meta):
        with pytest.raises(StoreAccessError, match="does not exist"):
            read(LocalFiles(tmp_path), "gone.parquet")
