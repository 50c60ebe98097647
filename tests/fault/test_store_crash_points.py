"""Die, or get an error, at every step that the store takes; go on; nothing is lost or changed."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from farm.errors import StoreAccessError
from farm.store.check import verify
from farm.store.journal import JournalWriter, read_journals
from farm.store.local_files import LocalFiles
from farm.store.manifest import Manifest
from farm.testing.crash_files import Crashed, CrashFiles, CrashPoint, When, crash_points
from tests.tiny_sweep import commit_all, content_of, generated

N_RECORDS = 3
MODEL = b"group,coefficient\n"
ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EACCES: "no permission",
    errno.EROFS: "read-only",
    errno.EIO: "I/O error",
}


def sweep_all(path: Path, files: LocalFiles) -> None:
    """Do, or go on with, everything that a run writes."""
    directory = generated(path, files=files)
    directory.files.sweep_temporaries()
    commit_all(directory)
    known = {record["index"] for record in read_journals(LocalFiles(path))}
    writer = JournalWriter(files, "run-1")
    try:
        for index in range(N_RECORDS):
            if index not in known:
                writer.append("hang", index=index)
    finally:
        writer.close()
    directory.replace("models/linear.csv", MODEL + str(len(directory.committed())).encode())


def end_state(path: Path) -> dict[str, object]:
    """Everything in the directory but the times."""
    content: dict[str, object] = dict(content_of(path))
    manifest = Manifest.decode((path / "sweep.json").read_bytes(), "sweep.json")
    content["sweep.json"] = replace(manifest, created="")
    del content["journal/run-1.jsonl"]
    content["journal"] = [(r["kind"], r["index"]) for r in read_journals(LocalFiles(path))]
    return content


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[str]]:
    path = tmp_path_factory.mktemp("undisturbed") / "sweep"
    files = CrashFiles(path)
    sweep_all(path, files)
    return end_state(path), files.steps


def finish_and_compare(path: Path, expected: dict[str, object], where: object) -> None:
    sweep_all(path, LocalFiles(path))
    assert end_state(path) == expected, where
    result = verify(path)
    assert result.is_sound, where
    assert result.findings == (), where
    assert result.n_committed == result.n_chunks == 6, where


def test_the_writer_takes_every_kind_of_step(
    undisturbed: tuple[dict[str, object], list[str]],
) -> None:
    expected, steps = undisturbed
    kinds = {"make_folder", "sync_folder", "write", "link", "unlink", "append", "rename"}
    assert set(steps) == kinds
    assert not [name for name in expected if name.startswith("tmp")]


def test_death_at_every_step(
    tmp_path: Path, undisturbed: tuple[dict[str, object], list[str]]
) -> None:
    expected, steps = undisturbed
    for number, point in enumerate(crash_points(steps)):
        path = tmp_path / str(number)
        with pytest.raises(Crashed):
            sweep_all(path, CrashFiles(path, point))
        finish_and_compare(path, expected, (point, steps[point.step]))


def test_death_at_every_step_of_going_on_after_a_death(
    tmp_path: Path, undisturbed: tuple[dict[str, object], list[str]]
) -> None:
    # The first death leaves a temporary file and a torn frame; what cleans them up may die, too.
    expected, steps = undisturbed
    first = CrashPoint(_last(steps, "append"), When.HALFWAY)
    orphan = b"half of a resul"

    def died_once(path: Path) -> None:
        with pytest.raises(Crashed):
            sweep_all(path, CrashFiles(path, first))
        (path / "tmp" / "1-orphan.tmp").write_bytes(orphan)

    died_once(tmp_path / "steps")
    rehearsal = CrashFiles(tmp_path / "steps")
    sweep_all(tmp_path / "steps", rehearsal)
    assert {"truncate", "unlink", "append", "rename"} <= set(rehearsal.steps)
    for number, point in enumerate(crash_points(rehearsal.steps)):
        path = tmp_path / str(number)
        died_once(path)
        with pytest.raises(Crashed):
            sweep_all(path, CrashFiles(path, point))
        finish_and_compare(path, expected, (point, rehearsal.steps[point.step]))


def test_an_error_at_every_step(
    tmp_path: Path, undisturbed: tuple[dict[str, object], list[str]]
) -> None:
    expected, steps = undisturbed
    seen: Counter[tuple[str, When]] = Counter()
    for number, point in enumerate(crash_points(steps)):
        if point.when is When.AFTER:
            continue
        # Each kind of step gets each error in turn.
        kind = (steps[point.step], point.when)
        error = list(ERRORS)[seen[kind] % len(ERRORS)]
        seen[kind] += 1
        path = tmp_path / str(number)
        with pytest.raises(StoreAccessError, match=ERRORS[error]) as caught:
            sweep_all(path, CrashFiles(path, replace(point, error=error)))
        assert str(path) in str(caught.value), (point, kind)
        before = content_of(path) if path.exists() else {}
        assert not [name for name in before if name.startswith("tmp/")], (point, kind)
        finish_and_compare(path, expected, (point, kind))
        after = content_of(path)
        kept = [name for name in before if not name.startswith(("models", "journal"))]
        assert all(after[name] == before[name] for name in kept), (point, kind)


def test_an_append_that_the_disk_cuts_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    files = CrashFiles(tmp_path)
    writer = JournalWriter(files, "w")
    writer.append("hang", index=0)
    files.point = CrashPoint(len(files.steps), When.HALFWAY, errno.ENOSPC)
    with pytest.raises(StoreAccessError, match="the disk is full"):
        writer.append("hang", index=1)
    writer.append("hang", index=2)
    writer.close()
    assert [record["index"] for record in read_journals(LocalFiles(tmp_path))] == [0, 2]


def _last(steps: list[str], name: str) -> int:
    return len(steps) - 1 - steps[::-1].index(name)
