"""Steering a run through the files of its directory: asked, answered, refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.control.steering import Steering
from farm.errors import NoAnswerError, NoRunError
from farm.store.control import CONTROL_FILE, ControlFile, ask, read_control, wanted_of
from farm.store.live import LIVE_FILE, End, Snapshot
from farm.store.local_files import LocalFiles


class Run:
    """A run that writes snapshots as time passes, and obeys.

    It stands for the other process; the files between the two are real.
    """

    def __init__(self, files: LocalFiles, is_obedient: bool = True, writes: bool = True) -> None:
        self.files, self.is_obedient, self.writes = files, is_obedient, writes
        self.now_s = 0.0
        self.snapshot = Snapshot("run-1", host="head", n_vectors=100)
        self.meanwhile: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.meanwhile()
        if self.writes and self.snapshot.end is None:
            self.write()

    def write(self, at: datetime | None = None) -> None:
        control = wanted_of(self.files, "run-1") if self.is_obedient else self.snapshot.control
        end = End("stopped", 130) if control.stop and self.now_s > 3.0 else None
        self.snapshot = replace(
            self.snapshot,
            n_written=self.snapshot.n_written + 1,
            written_at=(at or datetime.now(UTC)).isoformat(),
            control=control,
            end=end,
        )
        self.files.replace(LIVE_FILE, self.snapshot.encode(), is_durable=False)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


@pytest.fixture
def run(files: LocalFiles) -> Run:
    return Run(files)


def steering(run: Run) -> Steering:
    return Steering(run.files, run.clock, run.sleep)


def test_a_run_takes_a_request_in(run: Run) -> None:
    run.write()
    request, snapshot = steering(run).ask("pause")
    assert snapshot.control.pause == request
    assert run.now_s < 2.0


def test_a_stop_can_be_waited_for(run: Run) -> None:
    run.write()
    looks: list[Snapshot] = []
    asked = steering(run)
    _, snapshot = asked.ask("stop", is_at_once=False)
    assert snapshot.end is None
    ended = asked.wait_for_end("run-1", looks.append)
    assert ended.end == End("stopped", 130)
    assert looks[-1] == ended


def test_nobody_is_asked_where_no_run_is_at_work(run: Run, files: LocalFiles) -> None:
    with pytest.raises(NoRunError, match=r"no run is at work in .*; nothing was asked of it"):
        steering(run).ask("stop")
    run.now_s = 9.0
    ask(files, "run-1", "stop")
    run.write()
    (files.root / CONTROL_FILE).unlink()
    with pytest.raises(NoRunError, match="run run-1 has stopped; nothing was asked"):
        steering(run).ask("stop")
    assert not (files.root / CONTROL_FILE).exists()


def test_a_dead_run_is_not_asked(run: Run, files: LocalFiles) -> None:
    run.write(at=datetime(2020, 1, 1, tzinfo=UTC))
    run.writes = False
    with pytest.raises(NoRunError, match="run run-1 on head was last heard of"):
        steering(run).ask("stop")
    assert read_control(files) == ControlFile()


def test_a_run_whose_clock_is_wrong_is_asked(run: Run) -> None:
    run.write(at=datetime(2020, 1, 1, tzinfo=UTC))
    request, _ = steering(run).ask("pause")
    assert request.action == "pause"


def test_a_run_that_does_not_answer(run: Run, files: LocalFiles) -> None:
    run.is_obedient = False
    run.write()
    with pytest.raises(NoAnswerError, match="has not answered in 5 s; the request stands"):
        steering(run).ask("pause", answer_s=5.0)
    assert wanted_of(files, "run-1").is_paused


def test_a_run_that_dies_meanwhile(run: Run) -> None:
    run.is_obedient = False
    run.write()

    def die() -> None:
        run.writes = run.now_s < 3.0

    run.meanwhile = die
    with pytest.raises(NoRunError, match="run run-1 is gone"):
        steering(run).ask("pause", answer_s=60.0)


def test_a_request_that_somebody_wrote_over_is_made_again(run: Run, files: LocalFiles) -> None:
    run.is_obedient = False
    run.write()
    other = ControlFile().with_request("run-1", "max_cards", "bob@desk", n_cards=3)

    def race() -> None:
        if run.now_s == 0.5:  # both read an empty file, and both wrote number 1
            files.replace(CONTROL_FILE, other.encode())
        run.is_obedient = run.now_s > 0.5

    run.meanwhile = race
    request, snapshot = steering(run).ask("pause")
    assert request.sequence == 2
    assert snapshot.control.pause == request
    assert snapshot.control.max_cards == other.requests[0]


def test_the_next_run_is_not_taken_for_the_one_that_was_asked(run: Run) -> None:
    run.write()
    asked = steering(run)
    asked.run_at_work()
    run.snapshot = replace(run.snapshot, run_id="run-2")
    run.write()
    with pytest.raises(NoRunError, match="run run-1 is gone"):
        asked.wait_for_end("run-1", lambda seen: None)
