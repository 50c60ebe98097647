"""Snapshots of a run, and how a reader tells a live run from a dead one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farm.store.control import ControlFile, Wanted, wanted
from farm.store.live import LIVE_FILE, LOST_AFTER, End, Liveness, Snapshot, Watch, read_live
from farm.store.local_files import LocalFiles

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


def snapshot(n_written: int = 1, clock_ahead_s: float = 0.0, **more: object) -> Snapshot:
    at = NOW + timedelta(seconds=2.0 * n_written + clock_ahead_s)
    facts = {"n_written": n_written, "written_at": at.isoformat(), **more}
    return Snapshot("run-1", **facts)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_snapshot_survives_the_file(tmp_path: Path) -> None:
    requests = ControlFile().with_request("run-1", "pause", "ann@head").requests
    written = snapshot(
        3,
        counts={"OK": 7},
        cards={"sim:0": {"state": "idle", "age_s": 0.4}},
        cluster={"n_wanted": 2, "nodes": []},
        control=wanted(requests),
        end=End("stopped", 130, "by ann@head"),
    )
    files = LocalFiles(tmp_path)
    assert read_live(files) is None
    files.replace(LIVE_FILE, written.encode(), is_durable=False)
    assert read_live(files) == written


def test_what_later_versions_add_is_left_out() -> None:
    content = json.loads(snapshot().encode()) | {"weather": "rain"}
    assert Snapshot.from_json(content) == snapshot()


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'{"format": 2, "run_id": "x"}', b"nu"])
def test_what_cannot_be_read_is_no_snapshot(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LIVE_FILE).write_bytes(content)
    assert read_live(LocalFiles(tmp_path)) is None


def test_nothing_is_known_of_a_directory_without_a_run() -> None:
    watch = Watch()
    watch.see(None, 0.0)
    assert watch.liveness(0.0) is Liveness.NONE


def test_an_ended_run_has_ended_however_old_it_is() -> None:
    watch = Watch()
    watch.see(snapshot(end=End("finished", 0)), 0.0)
    assert watch.liveness(99.0, at(1e6)) is Liveness.ENDED


def test_a_fresh_snapshot_is_of_a_live_run_at_first_sight() -> None:
    watch = Watch()
    watch.see(snapshot(1), 100.0)
    assert watch.liveness(100.0, at(3.0)) is Liveness.LIVE
    assert watch.age_s(100.0, at(3.0)) == 1.0


@pytest.mark.parametrize("clock_ahead_s", [-3600.0, 3600.0, -20.0])
def test_clocks_that_differ_are_seen_through(clock_ahead_s: float) -> None:
    watch = Watch()
    watch.see(snapshot(1, clock_ahead_s), 100.0)
    assert watch.liveness(100.0, at(2.0)) is Liveness.UNSURE
    watch.see(snapshot(2, clock_ahead_s), 102.0)
    assert watch.liveness(102.0, at(4.0)) is Liveness.LIVE
    assert watch.age_s(103.5, at(5.5)) == 1.5


def test_a_run_whose_snapshots_do_not_come_any_more_is_lost() -> None:
    watch = Watch()
    longest_s = LOST_AFTER * 2.0
    watch.see(snapshot(1), 0.0)
    watch.see(snapshot(2), 2.0)
    watch.see(snapshot(2), 2.0 + longest_s)
    assert watch.liveness(2.0 + longest_s, at(4.0)) is Liveness.LIVE
    assert watch.liveness(2.1 + longest_s, at(4.0)) is Liveness.LOST


def test_an_old_snapshot_that_stays_is_of_a_dead_run() -> None:
    watch = Watch()
    for now_s in (0.0, 7.0, LOST_AFTER * 2.0 + 0.1):
        watch.see(snapshot(1), now_s)
    assert watch.liveness(0.0, at(5000)) is Liveness.UNSURE
    assert watch.liveness(LOST_AFTER * 2.0 + 0.1, at(5000)) is Liveness.LOST


def test_the_next_run_in_the_directory_is_noticed() -> None:
    watch = Watch()
    watch.see(snapshot(9, end=End("failed", 4)), 0.0)
    watch.see(replace(snapshot(1), run_id="run-2"), 5.0)
    assert watch.liveness(5.0) is Liveness.LIVE
    assert watch.latest is not None
    assert watch.latest.control == Wanted()
