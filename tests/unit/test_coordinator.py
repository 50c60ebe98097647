"""What the coordinator says of a run: nothing is counted twice, and losses are taken off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.coordinator import Coordinator
from farm.devices.device import CardSlot
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from tests.tiny_sweep import generated


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return generated(tmp_path / "sweep")


@pytest.fixture
def coordinator(directory: SweepDirectory) -> Iterator[Coordinator]:
    slots = CardSlot("sim", 0), CardSlot("sim", 1)
    made = Coordinator(RunSettings(str(directory.path), "run-1", slots))
    for number in (0, 1):
        made.join(f"sim:{number}", 1)
    yield made
    made.close()


def test_of_two_copies_of_a_chunk_the_further_one_counts(
    coordinator: Coordinator, directory: SweepDirectory
) -> None:
    first, second = (chunk.chunk_id for chunk in directory.chunks()[:2])
    coordinator.report("sim:0", 1, {"in_hand": {first: 3, second: 1}})
    coordinator.report("sim:1", 1, {"in_hand": {first: 2}})
    assert coordinator.progress()["n_done"] == 4
    # The report from before the commit is still the latest.
    coordinator.committed(first, {"OK": 4})
    assert coordinator.progress()["n_done"] == 5
    coordinator.lost([("sim:0", 1)], "actor-lost", "gone")
    assert coordinator.progress()["n_done"] == 4


def test_an_incident_says_where_the_log_of_its_card_is(
    coordinator: Coordinator, directory: SweepDirectory
) -> None:
    coordinator.report("sim:0", 1, {"log": "/tmp/logs/sim-0.log"})
    coordinator.incident("hang", {"card": "sim:0", "message": "hung"})
    coordinator.incident("recovered", {"card": "sim:0", "message": "well again"})
    hang, recovered = directory.incidents()
    assert hang["log"] == "/tmp/logs/sim-0.log"
    assert "log" not in recovered
