"""A sweep directory of format 1, as the first version wrote it: every later version must read it.

If a test fails here, the code is wrong, not the files in ``v1/``.  They were written once, by
``python -m tests.golden.test_v1``; that command refuses to write them again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from farm.generation import open_or_generate
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.store.journal import JournalWriter
from farm.store.overview import overview
from farm.store.shards import read_footer
from tests.tiny_sweep import PLAN, TINY, commit, content_of

V1 = Path(__file__).parent / "v1"
CHUNK = "00000-00001"
CREATED = "2026-11-21T11:11:25+00:00"
FIRST_VECTOR_ID = "e9075a496f44839f0c6562145d7b81cd"
FIRST_GROUP_ID = 5515905124148609135


def write(path: Path) -> None:
    """Write the directory; only ever used for a format that has none yet."""
    directory = open_or_generate(path, PLAN)
    assert commit(directory, CHUNK)
    writer = JournalWriter(directory.files, "run-1-0a1b2c3d")
    facts = {"card": "sim:0", "chunk": CHUNK, "attempt": 1, "index": 5, "vector_id": "ab" * 16}
    writer.append("hang", **facts, message="running for 2 s", strike_id="sim:0/1/1")
    writer.append("recovered", card="sim:0", message="card reopened and probed", lost_s=2.5)
    writer.close()
    (path / "tmp").rmdir()


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    """A copy: not even a failing test may change the original."""
    shutil.copytree(V1, tmp_path / "v1")
    return SweepDirectory.open(tmp_path / "v1")


def test_it_is_sound(directory: SweepDirectory) -> None:
    before = content_of(directory.path)
    result = verify(directory.path)
    assert result.findings == ()
    assert (result.n_vectors, result.n_chunks, result.n_committed) == (24, 6, 1)
    assert content_of(directory.path) == before


def test_the_files_are_where_the_format_says(directory: SweepDirectory) -> None:
    assert set(content_of(directory.path)) == {
        "sweep.json",
        "vectors/00000.parquet",
        "results/7f/00000-00001.parquet",
        "journal/run-1-0a1b2c3d.jsonl",
    }


def test_the_manifest(directory: SweepDirectory) -> None:
    manifest = directory.manifest
    assert (manifest.sweep, manifest.op, manifest.repeats) == ("tiny", "copy", 3)
    assert (manifest.size, manifest.group_by) == ("elements", ("layout", "grid"))
    assert manifest.axis("grid").components == ("x", "y")
    assert manifest.suites[1] == {
        "name": "rows",
        "n_candidates": 16,
        "n_valid": 12,
        "n_vectors": 12,
        "rejected": {"rows are not spread evenly": 4},
    }
    assert manifest.created == CREATED


def test_the_vectors(directory: SweepDirectory) -> None:
    rows = directory.vectors(CHUNK).to_pylist()
    assert rows[0] == {
        "vector_id": bytes.fromhex(FIRST_VECTOR_ID),
        "group_id": FIRST_GROUP_ID,
        "suite": "tiled",
        "layout": "tiled",
        "grid": [1, 1],
        "rows": 5,
        "elements": 160,
    }
    assert [row["rows"] for row in rows] == [5, 6, 7, 8]
    footer = read_footer(directory.files.read("vectors/00000.parquet"), "shard")
    assert (footer.number, footer.rows, footer.next_suite, footer.next_row) == (0, 24, 2, 0)


def test_the_outcomes(directory: SweepDirectory) -> None:
    assert directory.committed() == {CHUNK}
    outcomes = directory.outcomes(CHUNK)
    assert outcomes["vector_id"].to_pylist() == directory.vectors(CHUNK)["vector_id"].to_pylist()
    assert outcomes["status"].to_pylist() == ["OUT_OF_MEMORY", "OK", "OK", "OK"]
    assert outcomes["mean_ns"].to_pylist() == [None, 2424.0, 2744.0, 3064.0]
    assert outcomes["reason"].to_pylist() == ["no room in L1", None, None, None]
    assert outcomes["durations_ns"].to_pylist()[:2] == [None, [2420.0, 2423.0, 2429.0]]
    assert outcomes["started_at"][0].as_py().isoformat() == "2027-01-15T08:00:00+00:00"
    meta = directory.result_meta(CHUNK)
    assert (meta.run_id, meta.card, meta.attempt, meta.epoch) == ("run-1", "sim:0", 1, 1)
    assert (meta.counts, meta.measured_s) == ({"OK": 3, "OUT_OF_MEMORY": 1}, 2.5)
    assert meta.device == {"card": "sim:0", "kind": "sim"}


def test_the_incidents(directory: SweepDirectory) -> None:
    hang, recovered = directory.incidents()
    assert (hang["kind"], hang["index"], hang["strike_id"]) == ("hang", 5, "sim:0/1/1")
    assert (recovered["kind"], recovered["lost_s"]) == ("recovered", 2.5)
    assert hang["writer"] == "run-1-0a1b2c3d"


def test_the_same_sweep_goes_on_in_it(directory: SweepDirectory) -> None:
    again = open_or_generate(directory.path, PLAN)
    assert again.manifest.fingerprint == TINY.fingerprint
    for chunk in again.chunks():
        assert commit(again, chunk.chunk_id) == (chunk.chunk_id != CHUNK)
    assert verify(directory.path).is_sound
    state = overview(again)
    assert state.n_committed_vectors == state.n_vectors == 24
    assert state.counts == {"OK": 20, "OUT_OF_MEMORY": 4}


if __name__ == "__main__":
    if V1.exists():
        sys.exit(f"{V1} exists; it is never written again")
    write(V1)
