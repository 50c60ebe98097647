"""What a host says about its cards."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from farm.devices.tt_host import TtHost
from tests.tt_cards import TtCards


def test_cards_are_numbered_by_their_nodes(tmp_path: Path) -> None:
    assert TtHost(tmp_path).cards() == []
    cards = TtCards(tmp_path, n_cards=11)
    (cards.nodes / "by-id").mkdir()
    (cards.nodes / "3").unlink()
    assert TtHost(tmp_path).cards() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("pci_id", "arch"),
    [("0x401e", "wormhole_b0"), ("0xb140", "blackhole"), ("0xfaca", "grayskull"), ("0x1", "")],
)
def test_what_a_card_is(tmp_path: Path, pci_id: str, arch: str) -> None:
    TtCards(tmp_path, n_cards=2, pci_id=pci_id)
    host = TtHost(tmp_path)
    assert host.arch(1) == arch
    assert host.board(1) == "n150"
    assert host.firmware(1) == "18.5.0.0"
    assert host.driver() == "2.3.0"
    assert host.bus(1) == "0000:02:00.0"
    assert host.clocks_hz(1) == {"aiclk": 1e9, "arcclk": 540e6}


def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    host = TtHost(tmp_path)
    assert (host.arch(0), host.board(0), host.firmware(0), host.driver(), host.bus(0)) == ("",) * 5
    assert host.clocks_hz(0) == {}
    assert host.users(0) == []


def test_the_driver_knows_users_whose_files_cannot_be_seen(tmp_path: Path) -> None:
    TtCards(tmp_path)
    listed = tmp_path / "proc" / "driver" / "tenstorrent" / "0"
    listed.mkdir(parents=True)
    ended = next(pid for pid in range(1 << 22, 1, -1) if not psutil.pid_exists(pid))
    (listed / "pids").write_text(f"0\n1\n{ended}\n")
    users = TtHost(tmp_path).users(0)
    assert [user.pid for user in users] == [0, 1]
    assert users[0].command == "outside of this container"
