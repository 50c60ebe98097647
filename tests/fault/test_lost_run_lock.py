"""A run whose directory another run has taken over ends, and takes its driver with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.devices.device import CardSlot
from farm.errors import DirectoryBusyError
from farm.settings import RunSettings
from farm.store.files import RunLock
from farm.supervisor import Supervisor
from tests.tiny_sweep import generated


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
