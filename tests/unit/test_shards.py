"""Shards: immutable Parquet files whose footer says where generation goes on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farm.errors import DamagedStoreError, StoreAccessError
from farm.store.shards import (
    ShardFooter,
    encode_shard,
    read_chunk,
    read_footer,
    sha256_of,
    shard_file,
)
from sweeps.generate import select, vectors
from tests.tiny_sweep import TINY

FOOTER = ShardFooter("f" * 64, 3, 100, 1, 5, ({"name": "tiled"},))


@pytest.fixture
def table() -> pa.Table:
    selection = select(TINY, next(TINY.suites()))
    return vectors(TINY, selection, 0, 10)


@pytest.fixture
def path(tmp_path: Path, table: pa.Table) -> Path:
    path = tmp_path / "shard.parquet"
    path.write_bytes(encode_shard(table, FOOTER, 4))
    return path


def test_the_name_of_a_shard() -> None:
    assert shard_file(7) == "vectors/00007.parquet"


def test_row_groups_are_chunks(path: Path, table: pa.Table) -> None:
    for row_group, start in enumerate(range(0, 10, 4)):
        chunk = read_chunk(path, row_group)
        assert chunk.to_pylist() == table.slice(start, 4).to_pylist()
        assert chunk.schema.types == table.schema.types
        assert chunk.schema.metadata is None


def test_the_footer_comes_back_with_the_rows(path: Path) -> None:
    assert read_footer(path.read_bytes(), str(path)) == ShardFooter(
        FOOTER.fingerprint, 3, 100, 1, 5, ({"name": "tiled"},), rows=10
    )


def test_the_same_vectors_are_the_same_bytes_however_they_were_buffered(table: pa.Table) -> None:
    whole = encode_shard(table, FOOTER, 4)
    parts = pa.concat_tables([table.slice(0, 3), table.slice(3, 1), table.slice(4)])
    assert encode_shard(parts, FOOTER, 4) == whole


def test_pages_have_checksums_and_no_statistics(path: Path) -> None:
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_row_groups == 3
    columns = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert not any(column.is_stats_set for column in columns)


def test_shards_without_ids(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "lean.parquet"
    path.write_bytes(encode_shard(table.drop_columns("vector_id"), FOOTER, 4))
    expected = table.drop_columns("vector_id").slice(0, 4).to_pylist()
    assert read_chunk(path, 0).to_pylist() == expected


def test_a_flipped_byte_in_a_page_is_damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DamagedStoreError, match=r"shard\.parquet is damaged"):
        list(map(read_chunk, [path] * 3, range(3)))


def test_truncated_and_foreign_files_are_damage(path: Path) -> None:
    whole = path.read_bytes()
    for data in (b"", b"PAR1", whole[:-1], whole[: len(whole) // 2], b"x" * 1000):
        path.write_bytes(data)
        for read in (
            lambda: read_chunk(path, 0),
            lambda: read_footer(path.read_bytes(), str(path)),
        ):
            with pytest.raises(DamagedStoreError, match=r"shard\.parquet is damaged"):
                read()


def test_a_parquet_file_of_somebody_else_is_no_shard(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DamagedStoreError):
        read_footer(path.read_bytes(), str(path))


def test_a_chunk_that_is_not_there_is_damage(path: Path) -> None:
    with pytest.raises(DamagedStoreError):
        read_chunk(path, 3)


def test_a_missing_shard_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "gone.parquet"
    for read in (lambda: read_chunk(path, 0), lambda: sha256_of(path)):
        with pytest.raises(StoreAccessError, match=r"gone\.parquet: it does not exist"):
            read()
