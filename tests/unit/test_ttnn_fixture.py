"""Modules that open their own device, and machines that cannot run them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farm.errors import UnsupportedVectorError
from farm.testing.device_contract import vector_of
from tests.tt_cards import Opened, TtCards, durations, probe_is_healthy, write_module


@pytest.mark.parametrize(
    "fixture", ["assert False, 'needs 8 chips'\n    yield", "yield None, 'own'"]
)
def test_a_module_that_this_machine_cannot_run(
    opened: Opened, cards: TtCards, tmp_path: Path, fixture: str
) -> None:
    text = f"""
def mesh_device_fixture():
    {fixture}

def run(n, *, device):
    return True, ""
"""
    sweep = write_module(tmp_path, "wide", text)
    device = opened(sweep)
    with pytest.raises(UnsupportedVectorError, match=r"needs 8 chips|leaves it to run"):
        device.execute(vector_of(sweep, {"n": "b"}), 1, 1)
    assert probe_is_healthy(device, cards)


FIXTURE = """
steps = []

class Mesh:
    def __init__(self, device, n_chips):
        self.device, self.n_chips = device, n_chips

    def __getattr__(self, name):
        return getattr(self.device, name)

    def get_num_devices(self):
        return self.n_chips

def mesh_device_fixture():
    device = ttnn.open_device(device_id=0)
    steps.append("opened")
    yield Mesh(device, {n_chips}), "1x1 mesh"
    ttnn.close_device(device)
    steps.append("closed")

def run(n, *, device):
    tensor = ttnn.zeros([32, 32], device=device)
    ttnn.to_memory_config(tensor, ttnn.DRAM_MEMORY_CONFIG)
    return device.get_num_devices() == 1, ""
"""


def test_a_module_opens_its_own_device(opened: Opened, cards: TtCards, tmp_path: Path) -> None:
    sweep = write_module(tmp_path, "meshed", FIXTURE.format(n_chips=1))
    device = opened(sweep)
    steps = sys.modules["sweeps.meshed"].steps
    assert steps == ["opened"]
    device.execute(vector_of(sweep, {"n": "b"}), 3, 5)
    assert len(durations(device.read_profile(), 5)) == 3
    assert probe_is_healthy(device, cards)
    assert device.info.details["fixture"] == "1x1 mesh"
    device.close()
    assert steps == ["opened", "closed"]


def test_a_mesh_of_several_chips_is_closed_again(opened: Opened, tmp_path: Path) -> None:
    sweep = write_module(tmp_path, "many", FIXTURE.format(n_chips=8))
    device = opened(sweep)
    assert sys.modules["sweeps.many"].steps == ["opened", "closed"]
    with pytest.raises(UnsupportedVectorError, match="opens 8 chips"):
        device.execute(vector_of(sweep, {"n": "b"}), 1, 1)
