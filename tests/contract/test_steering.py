"""Watching and steering through every kind of store."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from farm.control.control_watch import ControlWatch
from farm.control.steering import Steering
from farm.errors import NoRunError
from farm.store.files import Files, open_files
from farm.store.location import Location
from farm.view.live_writer import LiveWriter, end_of
from farm.view.run_state import RunState
from tests.bucket_server import Server


class SteeringContract:
    """One run and one who steers it, each with an access to the store of its own."""

    def test_a_run_is_asked_and_answers(self, place: str) -> None:
        state, run_files, our_files = RunState(), self.files(place), self.files(place)
        steering = Steering(our_files, sleep=self.turn)
        with pytest.raises(NoRunError, match="no run is at work"):
            steering.ask("pause")
        self.watch = ControlWatch(run_files, "run-1", every_s=0.05)
        self.writer = LiveWriter(run_files, "run-1", "tiny", "sim:1", every_s=0.05)
        self.state = state
        self.turn(0.3)
        for action in ("pause", "resume"):
            request, snapshot = steering.ask(action, answer_s=10.0)
            assert request.token in snapshot.control.tokens
            assert snapshot.control.is_paused == (action == "pause")
        self.writer.end(state, end_of(130, state))
        ended = steering.wait_for_end("run-1", lambda seen: None)
        assert ended.end is not None
        assert (ended.end.state, ended.directory) == ("stopped", str(run_files.location))
        self.watch.close()

    def turn(self, seconds: float) -> None:
        """Let the run do for a while what its driver and supervisor do."""
        end = time.monotonic() + min(seconds, 0.3)
        while time.monotonic() < end:
            progress = {"event": "progress", "n_done": 1, "n_vectors": 2}
            self.state.feed(progress | {"control": self.watch.wanted.as_json()})
            self.writer.show(self.state)
            time.sleep(0.02)

    @staticmethod
    def files(place: str) -> Files:
        return open_files(Location.parse(place))


class TestFolder(SteeringContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return str(tmp_path / "sweep")


class TestBucket(SteeringContract):
    @pytest.fixture
    def place(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return server.location("steering")
