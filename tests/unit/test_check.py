"""`farm check` finds what is damaged, names it, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from farm.errors import DamagedStoreError, StoreAccessError
from farm.generation import Plan
from farm.store.check import ERROR, NOTE, verify
from farm.store.directory import SweepDirectory
from farm.store.journal import JournalWriter
from farm.store.results import encode_result
from tests.tiny_sweep import (
    TINY,
    commit,
    commit_all,
    content_of,
    generated,
    meta_of,
    outcomes_of,
)

CHUNK = "00001-00000"
SHARD = "vectors/00001.parquet"


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    directory = generated(tmp_path / "sweep")
    commit_all(directory)
    writer = JournalWriter(directory.files, "run-1")
    for index in range(3):
        writer.append("hang", index=index)
    writer.close()
    return directory


def found(directory: SweepDirectory) -> set[tuple[str, str]]:
    """Severity and path of each finding of a check that changes nothing."""
    before = content_of(directory.path)
    result = verify(directory.path)
    assert content_of(directory.path) == before
    severities = [finding.severity for finding in result.findings]
    assert result.is_sound == (ERROR not in severities)
    assert result.summary.startswith("sound: 24" if result.is_sound else "DAMAGED in ")
    assert json.loads(json.dumps(result.as_json()))["is_sound"] == result.is_sound
    return {(finding.severity, finding.path) for finding in result.findings}


def flip(path: Path, position: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(position * len(data))] ^= 0xFF
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped early": lambda path: flip(path, 0.1),
    "flipped": lambda path: flip(path, 0.5),
    "flipped late": lambda path: flip(path, 0.95),
    "truncated": truncate,
    "emptied": lambda path: path.write_bytes(b""),
}


def test_a_whole_directory_is_sound(directory: SweepDirectory) -> None:
    assert found(directory) == set()
    result = verify(directory.path)
    assert (result.n_vectors, result.n_chunks, result.n_committed) == (24, 6, 6)


def test_a_sweep_that_is_not_done_is_sound(tmp_path: Path) -> None:
    directory = generated(tmp_path, Plan(TINY, "tiny", stores_ids=False))
    commit(directory, CHUNK)
    assert found(directory) == set()
    assert verify(tmp_path).n_committed == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard(directory: SweepDirectory, damage: str) -> None:
    DAMAGES[damage](directory.path / SHARD)
    # Said once, and not held against the results of its chunks.
    assert found(directory) == {(ERROR, SHARD)}
    assert len(verify(directory.path).findings) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result(directory: SweepDirectory, damage: str) -> None:
    DAMAGES[damage](directory.result_path(CHUNK))
    assert found(directory) == {(ERROR, directory.chunk(CHUNK).result_file)}
    with pytest.raises(DamagedStoreError, match=directory.chunk(CHUNK).result_file):
        directory.outcomes(CHUNK)


def test_a_deleted_result_is_a_chunk_to_be_measured(directory: SweepDirectory) -> None:
    directory.result_path(CHUNK).unlink()
    assert found(directory) == set()
    assert verify(directory.path).n_committed == 5


def test_a_deleted_shard(directory: SweepDirectory) -> None:
    (directory.path / SHARD).unlink()
    assert found(directory) == {(ERROR, SHARD)}
    with pytest.raises(StoreAccessError, match=SHARD):
        directory.vectors(CHUNK)


def test_swapped_shards(directory: SweepDirectory) -> None:
    first, second = (directory.path / f"vectors/0000{i}.parquet" for i in (0, 1))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert found(directory) == {(ERROR, "vectors/00000.parquet"), (ERROR, SHARD)}
    with pytest.raises(DamagedStoreError, match="its SHA-256 is not that"):
        SweepDirectory.open(directory.path).vectors(CHUNK)


def test_a_result_with_the_ids_of_another_chunk(directory: SweepDirectory) -> None:
    foreign = outcomes_of(directory, "00000-00000")
    content = encode_result(foreign, meta_of(directory, CHUNK))
    directory.result_path(CHUNK).write_bytes(content)
    assert found(directory) == {(ERROR, directory.chunk(CHUNK).result_file)}
    (finding,) = verify(directory.path).findings
    assert finding.message == "its vector ids are not those of its chunk"


def test_a_result_of_another_chunk(directory: SweepDirectory) -> None:
    other = directory.result_path("00000-00000").read_bytes()
    directory.result_path(CHUNK).write_bytes(other)
    assert found(directory) == {(ERROR, directory.chunk(CHUNK).result_file)}


def test_an_outcome_without_measurement_and_reason(directory: SweepDirectory) -> None:
    outcomes = outcomes_of(directory, CHUNK)
    number = outcomes.schema.get_field_index("reason")
    nothing = pa.nulls(outcomes.num_rows, pa.string())
    without = outcomes.set_column(number, "reason", nothing)
    content = encode_result(without, meta_of(directory, CHUNK))
    directory.result_path(CHUNK).write_bytes(content)
    assert found(directory) == {(ERROR, directory.chunk(CHUNK).result_file)}


def test_a_bad_frame_is_damage_and_a_torn_tail_a_note(directory: SweepDirectory) -> None:
    path = directory.path / "journal" / "run-1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert found(directory) == {(NOTE, "journal/run-1.jsonl")}
    path.write_bytes(whole.replace(b'"index":1', b'"index":7'))
    assert found(directory) == {(ERROR, "journal/run-1.jsonl")}
    path.unlink()
    assert found(directory) == set()


def test_strangers_and_leftovers_are_notes(directory: SweepDirectory) -> None:
    (directory.path / "results" / "zz").mkdir()
    (directory.path / "results" / "zz" / "00000-00000.parquet").write_text("?")
    (directory.path / "tmp" / "1-a").write_text("half")
    assert found(directory) == {(NOTE, "results/zz/00000-00000.parquet"), (NOTE, "tmp")}


def test_a_broken_manifest_ends_the_check(directory: SweepDirectory) -> None:
    path = directory.path / "sweep.json"
    path.write_text(path.read_text().replace('"n_vectors": 24', '"n_vectors": 25'))
    before = content_of(directory.path)
    with pytest.raises(DamagedStoreError, match=str(path)) as caught:
        verify(directory.path)
    assert caught.value.exit_code == 3
    assert content_of(directory.path) == before


def test_no_sweep_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreAccessError, match=str(tmp_path)):
        verify(tmp_path)
