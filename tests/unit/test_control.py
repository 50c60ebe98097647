"""Requests to a run: written by whoever sees the store, meant for one run only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.store.control import (
    CONTROL_FILE,
    MOST_KEPT,
    ControlFile,
    Wanted,
    ask,
    read_control,
    wanted,
    wanted_of,
    who_asks,
)
from farm.store.local_files import LocalFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


def test_nothing_is_asked_at_first(files: LocalFiles) -> None:
    assert wanted_of(files, "run-1") == Wanted()
    assert not wanted_of(files, "run-1").is_paused


def test_a_request_says_who_when_and_for_which_run(files: LocalFiles) -> None:
    request = ask(files, "run-1", "pause")
    assert (request.sequence, request.action, request.by) == (1, "pause", who_asks())
    assert request.at.endswith("+00:00")
    found = read_control(files)
    assert (found.run_id, found.requests) == ("run-1", (request,))
    assert wanted_of(files, "run-1").pause == request


def test_an_old_request_does_not_touch_a_later_run(files: LocalFiles) -> None:
    ask(files, "run-1", "stop", is_at_once=True)
    assert wanted_of(files, "run-2") == Wanted()
    later = ask(files, "run-2", "pause")
    assert later.sequence == 2
    assert wanted_of(files, "run-2").stop is None
    assert wanted_of(files, "run-1") == Wanted()


def test_pause_and_resume(files: LocalFiles) -> None:
    first = ask(files, "run", "pause")
    ask(files, "run", "pause")
    assert wanted_of(files, "run").pause == first
    ask(files, "run", "resume")
    assert not wanted_of(files, "run").is_paused
    again = ask(files, "run", "pause")
    assert wanted_of(files, "run").pause == again


def test_a_stop_stays_and_may_only_become_more_urgent(files: LocalFiles) -> None:
    ask(files, "run", "stop")
    at_once = ask(files, "run", "stop", is_at_once=True)
    ask(files, "run", "stop")
    ask(files, "run", "resume")
    assert wanted_of(files, "run").stop == at_once


def test_the_last_number_of_cards_holds(files: LocalFiles) -> None:
    ask(files, "run", "max_cards", n_cards=4)
    last = ask(files, "run", "max_cards", n_cards=2)
    assert wanted_of(files, "run").max_cards == last
    assert (last.n_cards, last.sequence) == (2, 2)


def test_every_request_taken_in_is_named(files: LocalFiles) -> None:
    requests = [ask(files, "run", action) for action in ("pause", "resume", "stop")]
    found = wanted_of(files, "run")
    assert found.tokens == tuple(request.token for request in requests)
    assert found.sequence == 3
    assert Wanted.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_the_file_stays_small(files: LocalFiles) -> None:
    content = ControlFile()
    for number in range(3 * MOST_KEPT):
        content = content.with_request("run", "max_cards", "ann@head", n_cards=number)
    assert len(content.requests) == MOST_KEPT
    last = wanted(ControlFile.decode(content.encode()).requests).max_cards
    assert last is not None
    assert (last.n_cards, last.sequence) == (3 * MOST_KEPT - 1, 3 * MOST_KEPT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"half of a fi",
        b"[]",
        b'{"format": 99, "run_id": "run", "requests": []}',
        b'{"format": 1, "run_id": "run"}',
        b'{"format": 1, "run_id": "run", "requests": [{"action": "explode"}]}',
        b'{"format": 1, "run_id": "run", "requests": [{"action": "stop"}]}',
        b'{"format": 1, "run_id": "run", "requests": 7}',
    ],
)
def test_what_cannot_be_read_counts_as_no_request(
    files: LocalFiles, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (files.root / CONTROL_FILE).write_bytes(content)
    assert wanted_of(files, "run") == Wanted()
    assert "counts as no request" in caplog.text
    assert ask(files, "run", "stop").sequence == 1
    assert wanted_of(files, "run").stop is not None
