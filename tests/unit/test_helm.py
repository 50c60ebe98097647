"""What people ask is carried out on the real coordinator, whatever is restarted meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.control.control_watch import ControlWatch
from farm.control.helm import Helm, is_deserted
from farm.coordinator import Coordinator
from farm.devices.device import CardSlot
from farm.errors import StoreAccessError
from farm.orders import Finish, Grant, Wait
from farm.settings import RunSettings
from farm.store.control import CONTROL_FILE, ask
from farm.store.directory import SweepDirectory
from tests.tiny_sweep import generated

CARD = "sim:0"


class Cards:
    """Takes the limit, as a fleet does."""

    def __init__(self) -> None:
        self.n_cards: int | None = None

    def limit(self, n_cards: int | None) -> None:
        self.n_cards = n_cards


class Ship:
    """A coordinator and its helm over one sweep directory."""

    def __init__(self, directory: SweepDirectory) -> None:
        self.directory, self.cards = directory, Cards()
        settings = RunSettings(str(directory.path), "run-1", (CardSlot("sim", 0),))
        self.coordinator = Coordinator(settings)
        self.watch = ControlWatch(directory.files, "run-1", every_s=0.01)
        self.helm = Helm(self.watch)

    def steer(self) -> dict[str, Any]:
        self.watch._look()
        state = self.coordinator.progress()
        self.stop = self.helm.steer(state, self.coordinator, self.cards)
        return state

    def order(self, *in_hand: str) -> object:
        return self.coordinator.ask(CARD, 1, [], list(in_hand)).order

    def close(self) -> None:
        self.watch.close()
        self.coordinator.close()


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return generated(tmp_path / "sweep")


@pytest.fixture
def ship(directory: SweepDirectory) -> Iterator[Ship]:
    made = Ship(directory)
    made.coordinator.join(CARD, 1)
    yield made
    made.close()


def test_nothing_is_asked(ship: Ship) -> None:
    state = ship.steer()
    assert (state["is_paused"], state["control"]["sequence"], ship.stop) == (False, 0, None)
    assert isinstance(ship.order(), Grant)


def test_a_pause_and_its_end(ship: Ship) -> None:
    request = ask(ship.directory.files, "run-1", "pause")
    state = ship.steer()
    assert state["control"]["tokens"] == (request.token,)
    assert isinstance(ship.order(), Wait)
    ask(ship.directory.files, "run-1", "resume")
    ship.steer()
    assert isinstance(ship.order(), Grant)


def test_a_pause_outlives_coordinator_and_driver(ship: Ship) -> None:
    ask(ship.directory.files, "run-1", "pause")
    ship.steer()
    successor = Ship(ship.directory)
    successor.coordinator.join(CARD, 2)
    assert isinstance(successor.coordinator.ask(CARD, 2, [], []).order, Wait)
    # Even one that could not read the file when it started is told again.
    successor.coordinator.pause(False)
    successor.steer()
    assert isinstance(successor.coordinator.ask(CARD, 2, [], []).order, Wait)
    successor.close()


def test_a_stop_lets_the_chunk_in_hand_take_its_time(ship: Ship) -> None:
    grant = ship.order()
    assert isinstance(grant, Grant)
    ask(ship.directory.files, "run-1", "stop")
    ship.steer()
    assert ship.stop is not None
    assert ship.coordinator.report(CARD, 1, {"state": "measuring"}) == "run"
    assert isinstance(ship.order(grant.chunk.chunk_id), Finish)
    assert ship.coordinator.progress()["is_over"]


def test_a_stop_at_once_gives_the_chunk_up(ship: Ship) -> None:
    ask(ship.directory.files, "run-1", "stop")
    ship.steer()
    ask(ship.directory.files, "run-1", "stop", is_at_once=True)
    ship.steer()
    assert ship.coordinator.report(CARD, 1, {"state": "measuring"}) == "stop"


def test_a_stop_outlives_the_coordinator(ship: Ship) -> None:
    ask(ship.directory.files, "run-1", "stop", is_at_once=True)
    successor = Ship(ship.directory)
    assert successor.coordinator.progress()["is_draining"]
    assert isinstance(successor.coordinator.ask(CARD, 2, [], []).order, Finish)
    successor.close()


def test_a_paused_run_can_be_stopped(ship: Ship) -> None:
    ask(ship.directory.files, "run-1", "pause")
    ask(ship.directory.files, "run-1", "stop")
    ship.steer()
    assert isinstance(ship.order(), Finish)


def test_the_number_of_cards_is_handed_on(ship: Ship) -> None:
    ask(ship.directory.files, "run-1", "max_cards", n_cards=3)
    ship.steer()
    assert ship.cards.n_cards == 3


def test_requests_to_another_run_are_left_alone(ship: Ship) -> None:
    ask(ship.directory.files, "run-0", "stop", is_at_once=True)
    state = ship.steer()
    assert (ship.stop, state["control"]["sequence"]) == (None, 0)


def test_what_was_asked_holds_while_the_store_is_away(
    ship: Ship, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask(ship.directory.files, "run-1", "pause")
    ship.steer()

    def away(relative: str) -> bytes:
        raise StoreAccessError(f"cannot read {relative}: gone")

    monkeypatch.setattr(ship.directory.files, "read_if_exists", away)
    for _ in range(3):
        assert ship.steer()["is_paused"]
    assert caplog.text.count("cannot be read") == 1
    monkeypatch.undo()
    ship.directory.files.remove([CONTROL_FILE])
    assert not ship.steer()["is_paused"]


@pytest.mark.parametrize(
    ("cards", "is_so"),
    [
        ({}, True),
        ({"a": {"state": "finished", "age_s": 1.0}}, True),
        ({"a": {"state": "left", "age_s": 1.0}}, True),
        ({"a": {"state": "draining x", "age_s": 1.0}}, False),
        ({"a": {"state": "measuring x", "age_s": 1.0}}, False),
        ({"a": {"state": "opening", "age_s": None}}, False),
        ({"a": {"state": "measuring x", "age_s": 31.0}, "b": {"state": "lost"}}, True),
    ],
)
def test_when_no_card_is_left(cards: dict[str, Any], is_so: bool) -> None:
    assert is_deserted({"cards": cards}, 30.0) == is_so
