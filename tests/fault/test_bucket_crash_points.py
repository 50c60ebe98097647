"""Die at, lose or refuse every request that a sweep in a bucket sends; nothing is lost or doubled.

The store is the library's own, in memory, which keeps the conditions of writes as a service does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from obstore.store import MemoryStore

from farm.errors import StoreAccessError
from farm.store.check import verify
from farm.store.journal import read_journals
from farm.store.lease import Claim
from farm.store.location import Location
from farm.store.manifest import Manifest
from farm.store.object_files import ObjectFiles
from farm.testing.crash_files import Crashed
from farm.testing.crash_objects import CrashObjects, Mishap, MishapPoint, mishap_points
from tests.tiny_sweep import commit_all, generated

PLACE = Location.parse("s3://memory/sweep")
N_RECORDS = 3
MODEL = b"group,coefficient\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPFARM_CACHE", str(tmp_path / "cache"))


def sweep_all(files: ObjectFiles) -> None:
    """Do, or go on with, everything that a run writes."""
    directory = generated(files)
    with files.lock():
        directory.files.sweep_temporaries()
        commit_all(directory)
        known = {record["index"] for record in read_journals(files)}
        writer = directory.journal("run-1")
        for index in range(N_RECORDS):
            if index not in known:
                writer.append("hang", index=index)
        writer.close()
        directory.replace("models/linear.csv", MODEL)
        directory.files.set_aside("models/old.csv")


def end_state(files: ObjectFiles) -> dict[str, object]:
    """Everything in the directory but the times."""
    names = [name for name in files.names_in("") if not name.startswith(("journal/", "run.lock"))]
    content: dict[str, object] = {name: files.read(name) for name in names}
    manifest = Manifest.decode(files.read("sweep.json"), "sweep.json")
    content["sweep.json"] = replace(manifest, created="")
    content["journal"] = [(r["kind"], r["index"]) for r in read_journals(files)]
    return content


@pytest.fixture
def undisturbed() -> tuple[dict[str, object], list[str]]:
    files = CrashObjects(PLACE, MemoryStore())
    sweep_all(files)
    requests = list(files.requests)
    return end_state(files), requests


def finish_and_compare(store: Any, expected: dict[str, object], where: object) -> None:
    files = ObjectFiles(PLACE, store)
    # The process that died was this one; the next has to find that out.
    with patch.object(Claim, "is_of_a_dead_process", True):
        sweep_all(files)
    assert end_state(files) == expected, where
    result = verify(files)
    assert result.is_sound, where
    assert result.findings == (), where
    assert result.n_committed == result.n_chunks == 6, where


def test_every_mishap_of_every_request(
    undisturbed: tuple[dict[str, object], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, requests = undisturbed
    assert set(requests) == {"head", "list", "get", "put-if", "put"}
    n_survived = 0
    for number, point in enumerate(mishap_points(requests)):
        monkeypatch.setenv("SWEEPFARM_CACHE", str(tmp_path / str(number)))
        store = MemoryStore()
        where = (point, requests[point.request])
        is_death = point.mishap in {Mishap.DEATH_BEFORE, Mishap.DEATH_AFTER}
        expected_error = Crashed if is_death else StoreAccessError
        try:
            sweep_all(CrashObjects(PLACE, store, point))
            n_survived += 1
            assert not is_death, where
        except expected_error as error:
            is_named = str(PLACE) in str(error)
            assert is_death or is_named, where
        finish_and_compare(store, expected, where)
    # Whatever is put on a condition is looked up and, if need be, put again.
    assert n_survived >= 2 * requests.count("put-if")


@pytest.mark.parametrize("mishap", [Mishap.REFUSED, Mishap.ANSWER_LOST])
@pytest.mark.parametrize("is_taken", [False, True])
def test_a_lost_answer_makes_no_winner_a_loser_nor_the_reverse(
    mishap: Mishap, is_taken: bool
) -> None:
    store = MemoryStore()
    if is_taken:
        assert ObjectFiles(PLACE, store).publish("results/1", b"same")
    files = CrashObjects(PLACE, store, MishapPoint(0, mishap if not is_taken else Mishap.REFUSED))
    assert files.publish("results/1", b"same") is not is_taken
    assert not ObjectFiles(PLACE, store).publish("results/1", b"same")


def test_a_journal_goes_on_after_an_append_whose_fate_is_unknown() -> None:
    class Flaky(CrashObjects):
        def version_of(self, relative: str) -> Any:
            raise StoreAccessError("cannot read: the store cannot be reached")

    store = MemoryStore()
    for mishap in (Mishap.REFUSED, Mishap.ANSWER_LOST):
        place = f"w-{mishap.name.lower()}"
        files = Flaky(PLACE, store)
        writer = generated(ObjectFiles(PLACE, MemoryStore())).journal(place)
        writer = type(writer)(files, place)
        writer.append("hang", index=0)
        files.point = MishapPoint(len(files.requests), mishap)
        with pytest.raises(StoreAccessError):
            writer.append("hang", index=1)
        writer.append("hang", index=2)
        found = [r["index"] for r in read_journals(files) if r["writer"] == place]
        assert found == ([0, 2] if mishap is Mishap.REFUSED else [0, 1, 2])


def test_two_writers_of_one_journal_are_noticed() -> None:
    store = MemoryStore()
    first, second = (generated(ObjectFiles(PLACE, store)).journal("w") for _ in range(2))
    first.append("hang", index=0)
    second.append("hang", index=1)
    with pytest.raises(StoreAccessError, match="another process writes this journal"):
        first.append("hang", index=2)
    with suppress(StoreAccessError):
        second.append("hang", index=3)
    found = [record["index"] for record in read_journals(ObjectFiles(PLACE, store))]
    assert found == [0, 1, 3]
