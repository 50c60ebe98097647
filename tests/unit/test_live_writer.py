"""live.json is written while a run lasts, and says how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.errors import StoreAccessError
from farm.store.control import ControlFile, wanted
from farm.store.live import End, Snapshot, read_live
from farm.store.local_files import LocalFiles
from farm.view.live_writer import LiveWriter, end_of
from farm.view.run_state import Event, RunState


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def progress(n_done: int, **more: object) -> Event:
    cards = {"sim:0": {"state": "measuring 00000-00001", "n_done": n_done, "batch_rows": 8}}
    return {"event": "progress", "n_done": n_done, "n_vectors": 100, "cards": cards, **more}


def ended(files: LocalFiles, state: RunState, exit_code: int = 0) -> Snapshot:
    writer = LiveWriter(files, "run-1", "tiny", "sim:1")
    writer.end(state, end_of(exit_code, state))
    found = read_live(files)
    assert found is not None
    return found


def test_the_last_snapshot_says_how_the_run_ended(tmp_path: Path) -> None:
    state = RunState()
    state.feed(progress(7, n_committed=4, counts={"OK": 4}))
    found = ended(LocalFiles(tmp_path), state)
    assert (found.run_id, found.sweep, found.device, found.n_written) == (
        "run-1", "tiny", "sim:1", 1,
    )  # fmt: skip
    assert (found.n_done, found.n_committed, found.counts) == (7, 4, {"OK": 4})
    assert found.end == End("finished", 0, "every vector is accounted for")
    assert found.phase == "finished"
    assert not list(tmp_path.rglob("*.tmp"))


def test_who_stopped_a_run_is_said() -> None:
    requests = ControlFile().with_request("run-1", "stop", "ann@head").requests
    state = RunState()
    assert end_of(130, state) == End(
        "stopped", 130, "stopped by its user; what was committed is safe"
    )
    state.feed(progress(1, control=wanted(requests).as_json()))
    assert "stopped by ann@head" in end_of(130, state).message
    state.feed({"event": "error", "message": "no healthy card is left", "exit_code": 4})
    assert end_of(4, state) == End("failed", 4, "no healthy card is left")


def test_a_snapshot_every_now_and_then(tmp_path: Path) -> None:
    clock, state = Clock(), RunState()
    writer = LiveWriter(LocalFiles(tmp_path), "run-1", "tiny", "sim:1", every_s=2.0, clock=clock)
    for n_done in range(50):
        state.feed(progress(n_done))
        writer.show(state)
        clock.now_s += 0.1
    writer.end(state, End("finished", 0))
    found = read_live(LocalFiles(tmp_path))
    assert found is not None
    # At 0, 2 and 4 s, and the end; those that waited for the disk may have been skipped.
    assert found.n_written == 4
    assert found.n_done == 49


class FullDisk(LocalFiles):
    def write_anything(self) -> None:
        raise StoreAccessError("cannot write: the disk is full")

    def replace(self, relative: str, content: bytes, *, is_durable: bool = True) -> None:
        del relative, content, is_durable
        self.write_anything()


def test_a_full_disk_does_not_end_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, state = Clock(), RunState()
    writer = LiveWriter(FullDisk(tmp_path), "run-1", "tiny", "sim:1", every_s=0.0, clock=clock)
    for n_done in range(20):
        state.feed(progress(n_done))
        writer.show(state)
    writer.end(state, End("failed", 4))
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_cards_have_rates_and_their_last_incident() -> None:
    clock = Clock()
    state = RunState(clock)
    for n_done in (0, 10, 20, 30):
        state.feed(progress(n_done))
        clock.now_s += 2.0
    record = {"event": "incident", "kind": "hang", "card": "sim:0", "message": "2 s", "stack": "x"}
    state.feed(record)
    card = state.snapshot(Snapshot("run-1")).cards["sim:0"]
    assert card["rate_hz"] == pytest.approx(30 / 8.0, rel=0.01)
    assert card["incident"] == {"kind": "hang", "card": "sim:0", "message": "2 s"}


def test_a_paused_run_says_by_whom_and_what_its_cards_do() -> None:
    requests = ControlFile().with_request("run-1", "pause", "ann@head").requests
    control = wanted(requests).as_json()
    state = RunState()
    state.feed(progress(1, control=control))
    assert state.phase.startswith("paused by ann@head since 20")
    state.feed(progress(2, control=control, is_paused=True))
    assert state.eta_s is None
    assert state.phase.endswith("1 card finishes its chunk")
    idle = {"sim:0": {"state": "idle", "n_done": 8}}
    state.feed(progress(8, control=control) | {"cards": idle})
    assert state.phase.endswith("cards stay claimed, idle")
    # Ctrl-C in the meantime is what counts.
    state.feed({"event": "interrupt", "n": 1})
    state.feed(progress(8, control=control))
    assert "Ctrl-C again" in state.phase
