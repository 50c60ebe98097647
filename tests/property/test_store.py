"""No flipped byte of a sweep directory goes unseen, wherever it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from farm.errors import DamagedStoreError
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.store.local_files import LocalFiles
from farm.store.manifest import Manifest
from farm.store.results import read_meta, read_result
from farm.store.shards import read_chunk, read_footer
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


@contextmanager
def flipped(path: Path, fraction: float, mask: int) -> Iterator[None]:
    """A file with one byte changed, for a while."""
    whole = path.read_bytes()
    data = bytearray(whole)
    data[int(fraction * len(data))] ^= mask
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(whole)


T = TypeVar("T")


def read_or_refused(path: Path, read: Callable[[], T]) -> T | None:
    """What is read, or None if the file is called damaged, by its name."""
    try:
        return read()
    except DamagedStoreError as error:
        if str(path) not in str(error):
            raise
        return None


@MANY
@given(fraction=FRACTION, mask=MASK, number=st.integers(0, 5))
def test_a_flipped_byte_of_a_result_is_seen_or_without_effect(
    directory: SweepDirectory, fraction: float, mask: int, number: int
) -> None:
    path = directory.result_path(directory.chunks()[number].chunk_id)
    table, meta = read_result(LocalFiles(path.parent), path.name)
    with flipped(path, fraction, mask):
        found = read_or_refused(path, lambda: read_result(LocalFiles(path.parent), path.name))
        assert found in (None, (table, meta))
        assert found is None or found[0].schema == table.schema
        assert read_or_refused(path, lambda: read_meta(LocalFiles(path.parent), path.name)) in (
            None,
            meta,
        )


@given(fraction=FRACTION, mask=MASK, number=st.integers(0, 2))
def test_every_flipped_byte_of_a_shard_is_seen(
    directory: SweepDirectory, fraction: float, mask: int, number: int
) -> None:
    file = directory.manifest.shards[number].file
    path = directory.path / file
    with flipped(path, fraction, mask):
        (finding,) = verify(directory.path).findings
        assert finding.path == file
        fresh = SweepDirectory(LocalFiles(directory.path), directory.manifest)
        chunk_id = fresh.chunks()[2 * number].chunk_id
        assert read_or_refused(path, lambda: fresh.vectors(chunk_id)) is None


@given(fraction=FRACTION, mask=MASK, number=st.integers(0, 2))
def test_the_footer_of_a_damaged_shard_never_ends_in_a_traceback(
    directory: SweepDirectory, fraction: float, mask: int, number: int
) -> None:
    path = directory.path / directory.manifest.shards[number].file
    with flipped(path, fraction, mask):
        read_or_refused(path, lambda: read_footer(path.read_bytes(), str(path)))
        read_or_refused(path, lambda: read_chunk(path, 0))


@MANY
@given(fraction=FRACTION, mask=MASK)
def test_a_flipped_byte_of_the_manifest_is_seen_or_without_effect(
    directory: SweepDirectory, fraction: float, mask: int
) -> None:
    path = directory.path / "sweep.json"
    with flipped(path, fraction, mask):
        found = read_or_refused(path, lambda: Manifest.decode(path.read_bytes(), str(path)))
        assert found in (None, directory.manifest)
