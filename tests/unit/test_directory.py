"""The sweep directory as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from farm.errors import DamagedStoreError, DirectoryBusyError, StoreAccessError
from farm.store.directory import OWN_ENTRIES, SweepDirectory, remove_sweep, run_lock
from farm.store.local_files import LocalFiles
from farm.store.results import encode_result
from tests.tiny_sweep import (
    commit,
    commit_all,
    content_of,
    generated,
    meta_of,
    outcomes_of,
)

CHUNK = "00001-00000"

HOLDER = """
import sys
from pathlib import Path
from farm.store.directory import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return generated(tmp_path / "sweep")


def test_the_first_commit_of_a_chunk_wins(directory: SweepDirectory) -> None:
    assert directory.committed() == set()
    assert commit(directory, CHUNK, attempt=2)
    assert directory.committed() == {CHUNK}
    before = directory.result_path(CHUNK).read_bytes()
    assert not commit(directory, CHUNK, attempt=1)
    assert directory.result_path(CHUNK).read_bytes() == before
    assert directory.result_meta(CHUNK).attempt == 2
    assert directory.outcomes(CHUNK) == outcomes_of(directory, CHUNK)


def test_vectors_of_all_chunks_are_the_sweep_once(directory: SweepDirectory) -> None:
    ids = [v for c in directory.chunks() for v in directory.vectors(c.chunk_id)["vector_id"]]
    assert len(set(ids)) == len(ids) == directory.manifest.n_vectors
    assert [c.first_index for c in directory.chunks()] == [0, 4, 8, 12, 16, 20]


def test_what_lies_about_is_no_commit(directory: SweepDirectory) -> None:
    content = encode_result(outcomes_of(directory, CHUNK), meta_of(directory, CHUNK))
    folder = directory.result_path(CHUNK).parent
    folder.mkdir(parents=True)
    (folder / "00099-00000.parquet").write_bytes(content)
    (folder / f"{CHUNK}.parquet.part").write_bytes(content)
    (folder.parent / f"{CHUNK}.parquet").write_bytes(content)
    (folder.parent / "zz").mkdir()
    (folder.parent / "zz" / f"{CHUNK}.parquet").write_bytes(content)
    assert directory.committed() == set()
    assert commit(directory, CHUNK)


@pytest.mark.parametrize("chunk_of_file", [CHUNK, "00001-00001"])
def test_a_result_of_another_sweep_or_chunk_is_refused(
    directory: SweepDirectory, tmp_path: Path, chunk_of_file: str
) -> None:
    meta = meta_of(directory, chunk_of_file)
    if chunk_of_file == CHUNK:
        meta = type(meta)(**{**vars(meta), "fingerprint": "0" * 64})
    content = encode_result(outcomes_of(directory, CHUNK), meta)
    LocalFiles(directory.path).publish(directory.chunk(CHUNK).result_file, content)
    with pytest.raises(DamagedStoreError, match="not to this one") as caught:
        directory.outcomes(CHUNK)
    assert str(directory.result_path(CHUNK)) in str(caught.value)


def test_a_shard_with_other_rows_than_listed_is_damaged(directory: SweepDirectory) -> None:
    directory._chunks["00000-00000"] = type(directory.chunk(CHUNK))(0, 0, 0, 5)
    with pytest.raises(DamagedStoreError, match=r"00000\.parquet is damaged.*sweep\.json says 5"):
        directory.vectors("00000-00000")


def test_opening_what_is_no_sweep_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreAccessError, match="is not a directory"):
        SweepDirectory.open(tmp_path / "gone")
    with pytest.raises(StoreAccessError, match=r"has no sweep\.json"):
        SweepDirectory.open(tmp_path)
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(DamagedStoreError, match=str(tmp_path / "sweep.json")):
        SweepDirectory.open(tmp_path)


def test_opening_again_finds_the_same(directory: SweepDirectory) -> None:
    again = SweepDirectory.open(str(directory.path))
    assert again.manifest == directory.manifest
    assert again.chunks() == directory.chunks()


def test_results_set_aside_are_kept_and_the_chunk_is_free(directory: SweepDirectory) -> None:
    assert not directory.set_aside(CHUNK)
    commit(directory, CHUNK)
    content = directory.result_path(CHUNK).read_bytes()
    assert directory.set_aside(CHUNK)
    assert directory.committed() == set()
    assert content in content_of(directory.path / "set-aside").values()
    assert commit(directory, CHUNK)


def test_another_process_keeps_a_run_out_until_it_dies(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(DirectoryBusyError, match=rf"another run \(pid {holder.pid}\)") as caught,
        run_lock(tmp_path),
    ):
        pass
    assert caught.value.exit_code == 2
    holder.kill()
    holder.communicate()
    with run_lock(tmp_path), pytest.raises(DirectoryBusyError), run_lock(tmp_path):
        pass
    with run_lock(tmp_path):
        pass


def test_removal_spares_what_is_not_the_farms(directory: SweepDirectory) -> None:
    commit_all(directory)
    elsewhere = directory.path.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "model").write_text("mine")
    (directory.path / "models").symlink_to(elsewhere)
    (directory.path / "notes.txt").write_text("mine")
    remove_sweep(directory.path)
    assert content_of(directory.path) == {"notes.txt": b"mine"}
    assert (elsewhere / "model").read_text() == "mine"
    remove_sweep(directory.path)
    assert "notes.txt" not in OWN_ENTRIES
