"""An import that dies at any write is completed by the same import."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from farm.interchange import result_survey
from farm.interchange.input_files import input_files
from farm.interchange.kept_records import kept_files
from farm.interchange.result_import import import_results
from farm.interchange.vector_import import VectorImport
from farm.interchange.vector_survey import survey
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.store.local_files import LocalFiles
from tests.tt_metal_files import branch_vectors, result, write_json, write_vectors

VECTORS = branch_vectors(30)


class Death(BaseException):
    """The process dies."""


def import_all(tmp_path: Path, out: Path) -> SweepDirectory:
    vectors = survey(input_files([tmp_path / "vectors.json"]), None)
    results = result_survey.survey(input_files([tmp_path / "results.json"]), vectors.ids, None)
    directory = VectorImport(vectors, chunk_rows=4).write(out, None)
    import_results(directory, results, False, None)
    return directory


def facts(directory: SweepDirectory) -> list[object]:
    found: list[object] = [directory.manifest.fingerprint, directory.manifest.shards]
    for chunk in directory.chunks():
        found.append(directory.vectors(chunk.chunk_id).to_pylist())
        columns = ["vector_id", "status", "mean_ns", "reason"]
        found.append(directory.outcomes(chunk.chunk_id).select(columns).to_pylist())
    for kind in ("vectors", "results"):
        found += [(file.facts, list(file.records())) for file in kept_files(directory.files, kind)]
    return found


@pytest.fixture
def small_pieces() -> object:
    with (
        patch("farm.interchange.vector_import.SHARD_ROWS", 8),
        patch("farm.interchange.record_table.PIECE_ROWS", 10),
    ):
        yield


@pytest.mark.usefixtures("small_pieces")
def test_an_import_that_dies_at_any_write_is_completed(tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors.json", VECTORS)
    write_json(tmp_path / "results.json", [result(vector) for vector in VECTORS[::-1]])
    expected = facts(import_all(tmp_path, tmp_path / "whole"))
    publish = LocalFiles.publish
    n_deaths = 0
    while True:
        left = n_deaths

        def dying(files: LocalFiles, relative: str, content: bytes) -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                raise Death
            return publish(files, relative, content)

        out = tmp_path / f"out{n_deaths}"
        with patch.object(LocalFiles, "publish", dying):
            try:
                import_all(tmp_path, out)
                break
            except Death:
                n_deaths += 1
        again = import_all(tmp_path, out)
        assert facts(again) == expected
        assert verify(again.path).findings == ()
    # Four shards, three pieces of records twice, sweep.json, eight chunks.
    assert n_deaths == 19
