"""Logs name run, card, chunk and attempt; they are quiet, bounded and pruned."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm import logs
from farm.errors import UsageError


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    # `configure` closes what it replaces; pytest's own handlers are to live on.
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    logs._process.clear()
    for package in ("farm", "analysis", "sweeps"):
        logging.getLogger(package).setLevel(logging.NOTSET)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "card.log"


def logger() -> logging.Logger:
    return logging.getLogger("farm.card.runner")


def test_a_line_says_what_it_is_about(log: Path) -> None:
    logs.configure("warning", log, run="run-1", card="sim:2")
    with logs.about(chunk="00001-00004", attempt=2):
        logger().warning("hang: %s", "2 s")
    logger().warning("on its own")
    first, second = log.read_text().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING farm\.card\.runner "
        r"\[run=run-1 card=sim:2 chunk=00001-00004 attempt=2\] hang: 2 s",
        first,
    )
    assert second.endswith("[run=run-1 card=sim:2] on its own")


def test_quiet_by_default(log: Path) -> None:
    logs.configure(logs.DEFAULT_LEVEL, log)
    logger().info("leased")
    assert not log.exists()
    logs.configure("debug", log)
    logger().debug("batch")
    logging.getLogger("somebody.else").info("chatter")
    assert log.read_text().count("\n") == 1


def test_threads_do_not_share_what_they_are_about(log: Path) -> None:
    logs.configure("info", log, card="sim:0")
    inside = threading.Event()
    done = threading.Event()

    def commit() -> None:
        with logs.about(chunk="A"):
            inside.set()
            done.wait(10)
            logger().info("committed")

    thread = threading.Thread(target=commit)
    thread.start()
    inside.wait(10)
    with logs.about(chunk="B"):
        logger().info("leased")
    done.set()
    thread.join()
    assert [line.split("chunk=")[1][0] for line in log.read_text().splitlines()] == ["B", "A"]


def test_a_log_does_not_grow_for_ever(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 1000)
    logs.configure("info", log)
    for number in range(200):
        logger().info("line %d", number)
    files = sorted(log.parent.iterdir())
    assert [file.name for file in files] == ["card.log", "card.log.1", "card.log.2"]
    assert sum(file.stat().st_size for file in files) <= 3000
    assert "line 199" in log.read_text()


def test_the_level_comes_from_the_option_then_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    assert logs.level_of(None) == "warning"
    monkeypatch.setenv(logs.VARIABLE, "INFO")
    assert logs.level_of(None) == "info"
    assert logs.level_of("debug") == "debug"
    with pytest.raises(UsageError, match="--log-level 'loud': write one of debug, info"):
        logs.level_of("loud")
    monkeypatch.setenv(logs.VARIABLE, "loud")
    with pytest.raises(UsageError, match="SWEEPFARM_LOG 'loud'"):
        logs.level_of(None)


def test_old_logs_go_and_the_present_one_stays(tmp_path: Path) -> None:
    now_s, day_s = 1e9, 24 * 3600
    ages = {"new": 1, "old": logs.KEPT_DAYS + 1, "mine": 99}
    ages |= {f"run-{n:02d}": 2 + n / 100 for n in range(logs.KEPT_RUNS)}
    for name, age_days in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.log").write_text("x")
        for path in (tmp_path / name / "card.log", tmp_path / name):
            os.utime(path, (now_s - age_days * day_s,) * 2)
    logs.prune(tmp_path, tmp_path / "mine", now_s)
    left = {path.name for path in tmp_path.iterdir()}
    assert {"new", "mine"} <= left
    assert "old" not in left
    assert len(left) == logs.KEPT_RUNS + 1
    assert f"run-{logs.KEPT_RUNS - 1}" not in left


def test_every_card_of_every_run_has_its_own_log() -> None:
    paths = {
        logs.card_log(directory, run, card)
        for directory in ("/a", "/b")
        for run in ("20000101T000000Z", "20000101T000001Z")
        for card in ("sim:0", "host-1/sim:0")
    }
    assert len(paths) == 8
    for path in paths:
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert logs.executor_log(path).name.endswith(".executor.log")
    for folder in {path.parent for path in paths}:
        shutil.rmtree(folder)


def test_the_log_of_a_driver_is_set_aside_when_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 10)
    path = tmp_path / "driver.log"
    logs.rotate(path)
    for text in ("first driver", "second driver", "third driver", "4th"):
        logs.rotate(path)
        path.write_text(text)
    logs.rotate(path)
    kept = {found.name: found.read_text() for found in tmp_path.iterdir()}
    assert kept == {
        "driver.log": "4th",
        "driver.log.1": "third driver",
        "driver.log.2": "second driver",
    }
