"""A run keeps its directory: nobody deletes it meanwhile, and who lost it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.cli.options import clean_if_asked
from farm.devices.device import CardSlot
from farm.errors import DirectoryBusyError
from farm.settings import RunSettings
from farm.store.directory import run_lock
from farm.store.files import RunLock
from farm.supervisor import Supervisor
from tests.tiny_sweep import content_of, generated


class LostLock(RunLock):
    def require_held(self) -> None:
        raise DirectoryBusyError("another run has taken over")


def test_a_run_that_lost_its_directory_ends(tmp_path: Path) -> None:
    directory = generated(tmp_path / "sweep")
    settings = RunSettings(str(directory.path), "run-1", (CardSlot("sim", 0),))
    # That no process is left is checked after every test.
    with pytest.raises(DirectoryBusyError, match="another run has taken over"):
        Supervisor(settings, lambda event: None, LostLock()).run()
    assert directory.committed() == set()


def test_a_sweep_with_a_run_at_work_is_not_deleted(tmp_path: Path) -> None:
    directory = generated(tmp_path / "sweep")
    before = content_of(directory.path)
    with (
        run_lock(directory.location),
        pytest.raises(DirectoryBusyError, match="another run"),
    ):
        clean_if_asked(directory.location, is_forced=True, is_sure=True)
    assert content_of(directory.path).keys() - {"run.lock"} == before.keys()
    clean_if_asked(directory.location, is_forced=True, is_sure=True)
    assert content_of(directory.path) == {}
