"""No flipped byte of a sweep directory goes unseen, wherever it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from farm.errors import DamagedStoreError
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.store.manifest import Manifest
from farm.store.results import read_meta, read_result
from tests.tiny_sweep import commit_all, generated

FRACTION = st.floats(0, 1, exclude_max=True)
MASK = st.integers(1, 255)
MANY = settings(max_examples=300)


@pytest.fixture(scope="module")
def directory() -> Iterator[SweepDirectory]:
    with tempfile.TemporaryDirectory() as folder:
        directory = generated(Path(folder))
        commit_all(directory)
        yield directory


class Flipped:
    """A file with one byte changed, for a while."""

    def __init__(self, path: Path, fraction: float, mask: int) -> None:
        self.path, self.whole = path, path.read_bytes()
        data = bytearray(self.whole)
        data[int(fraction * len(data))] ^= mask
        path.write_bytes(data)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        self.path.write_bytes(self.whole)


@MANY
@given(fraction=FRACTION, mask=MASK, number=st.integers(0, 5))
def test_a_flipped_byte_of_a_result_is_seen_or_without_effect(
    directory: SweepDirectory, fraction: float, mask: int, number: int
) -> None:
    path = directory.result_path(directory.chunks()[number].chunk_id)
    table, meta = read_result(path)
    with Flipped(path, fraction, mask):
        try:
            found, found_meta = read_result(path)
            assert (found, found_meta) == (table, meta)
            assert found.schema == table.schema
        except DamagedStoreError as error:
            assert str(path) in str(error)
        try:
            assert read_meta(path) == meta
        except DamagedStoreError as error:
            assert str(path) in str(error)


@given(fraction=FRACTION, mask=MASK, number=st.integers(0, 2))
def test_a_flipped_byte_of_a_shard_is_found_by_the_check(
    directory: SweepDirectory, fraction: float, mask: int, number: int
) -> None:
    file = directory.manifest.shards[number].file
    with Flipped(directory.path / file, fraction, mask):
        assert file in {finding.path for finding in verify(directory.path).findings}


@MANY
@given(fraction=FRACTION, mask=MASK, number=st.integers(0, 5))
def test_vectors_of_a_damaged_shard_are_refused_or_whole(
    directory: SweepDirectory, fraction: float, mask: int, number: int
) -> None:
    chunk = directory.chunks()[number]
    expected = directory.vectors(chunk.chunk_id)
    path = directory.shard_path(chunk)
    with Flipped(path, fraction, mask):
        try:
            found = directory.vectors(chunk.chunk_id)
        except DamagedStoreError as error:
            assert str(path) in str(error)
        else:
            assert found.select(["vector_id"]) == expected.select(["vector_id"])


@MANY
@given(fraction=FRACTION, mask=MASK)
def test_a_flipped_byte_of_the_manifest_is_seen_or_without_effect(
    directory: SweepDirectory, fraction: float, mask: int
) -> None:
    path = directory.path / "sweep.json"
    with Flipped(path, fraction, mask):
        try:
            assert Manifest.decode(path.read_bytes(), str(path)) == directory.manifest
        except DamagedStoreError as error:
            assert str(path) in str(error)
