"""Cards are claimed once, whoever dies; nodes that cannot be used say why."""

from __future__ import annotations

import json
import multiprocessing
import signal
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

import farm
from farm.cluster import claim
from farm.devices.device import CardSlot
from farm.errors import ClusterError, FarmError, StoreAccessError
from tests.fault.conftest import LocalFarm

MakeFarm = Callable[..., LocalFarm]
TOKEN = "5a" * 16
SPAWN = multiprocessing.get_context("spawn")
NODE = claim.Node("0123456789abcdef", "gpu-7", 3)


@pytest.fixture(autouse=True)
def private_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def claim_and_tell(pipe: Connection, slots: list[CardSlot], wait_s: float) -> None:
    """In a process of its own: claim a card, say which, and hold it until told to end."""
    try:
        claimed = claim.claim_one(slots, "sweep", wait_s)
        pipe.send(claimed.slot.card)
    except ClusterError as error:
        pipe.send(str(error))
    pipe.recv()


class Claimer:
    """A process that claims one card."""

    def __init__(self, slots: list[CardSlot], wait_s: float = 0.0) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=claim_and_tell, args=(theirs, slots, wait_s))
        self.process.start()

    def said(self) -> str:
        assert self.pipe.poll(30)
        return str(self.pipe.recv())

    def end(self) -> None:
        psutil.Process(self.process.pid).send_signal(signal.SIGKILL)
        self.process.join()


def test_every_card_is_claimed_once_and_the_dead_let_go() -> None:
    slots = claim.slots_of(NODE, "sim", {})
    assert [slot.card for slot in slots] == [f"gpu-7-abcdef/sim:{i}" for i in range(3)]
    claimers = [Claimer(slots) for _ in slots]
    try:
        cards = [claimer.said() for claimer in claimers]
        assert sorted(cards) == [slot.card for slot in slots]
        with pytest.raises(ClusterError, match="all 3 cards of this host are in use"):
            claim.claim_one(slots, "sweep", 0.0)
        late = Claimer(slots, wait_s=60.0)
        claimers.append(late)
        claimers[1].end()
        assert late.said() == cards[1]
    finally:
        for claimer in claimers:
            if claimer.process.is_alive():
                claimer.end()


def test_simulated_cards_belong_to_a_node_and_a_sweep_hardware_to_its_host() -> None:
    slots = claim.slots_of(NODE, "sim", {})[:1]
    neighbour = claim.Node("fedcba", "gpu-7", 1)
    claims = [
        claim.claim_one(slots, "sweep", 0.0),
        claim.claim_one(slots, "other sweep", 0.0),
        claim.claim_one(claim.slots_of(neighbour, "sim", {}), "sweep", 0.0),
    ]
    cpu = claim.slots_of(NODE, "cpu", {})[:1]
    assert cpu[0].card == f"gpu-7/{cpu[0].place}"
    claims.append(claim.claim_one(cpu, "sweep", 0.0))
    with pytest.raises(ClusterError):
        claim.claim_one(cpu, "other sweep", 0.0)
    for claimed in claims:
        claimed.let_go()
    claim.claim_one(cpu, "other sweep", 0.0).let_go()


def test_retired_cards_are_not_claimed_again() -> None:
    slots = claim.slots_of(NODE, "sim", {})
    left = claim.without_retired(slots, [slots[0].card, "elsewhere/sim:1"])
    assert left == slots[1:]
    with pytest.raises(ClusterError, match="every card of this host is retired"):
        claim.without_retired(slots, [slot.card for slot in slots])


def test_a_directory_that_is_not_the_drivers_is_refused(
    make_farm: MakeFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "_MARKER_S", 0.3)
    local = make_farm()
    settings = local.settings(1, {})
    with pytest.raises(ClusterError, match="storage that all nodes share"):
        claim.open_shared(settings, TOKEN)
    local.directory.files.replace(claim.MARKER, json.dumps({"token": "0f" * 16}).encode())
    with pytest.raises(ClusterError, match="storage that all nodes share"):
        claim.open_shared(settings, TOKEN)
    local.directory.files.replace(claim.MARKER, json.dumps({"token": TOKEN}).encode())
    assert claim.open_shared(settings, TOKEN).manifest == local.directory.manifest


def test_a_directory_that_is_not_there_is_refused(make_farm: MakeFarm) -> None:
    local = make_farm()
    settings = local.settings(1, {})
    local.path.rename(local.path.with_name("elsewhere"))
    with pytest.raises(StoreAccessError):
        claim.open_shared(settings, TOKEN)


@pytest.mark.parametrize(
    ("kind", "cause"), [("no-such-kind", "no-such-kind"), ("ttnn", "cannot be used on this host")]
)
def test_a_host_without_the_device_kind_is_refused(kind: str, cause: str) -> None:
    with pytest.raises(FarmError, match=cause):
        claim.slots_of(NODE, kind, {})


def test_another_version_is_refused() -> None:
    claim.require_same_version(farm.__version__)
    with pytest.raises(ClusterError, match="install the same everywhere"):
        claim.require_same_version("0.0.0")
