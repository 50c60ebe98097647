"""A host with Tenstorrent cards whose SDK is a stand-in in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.devices import ttnn
from farm.devices.device import CardSlot
from farm.devices.ttnn import TtnnDevice
from sweeps.space import Sweep
from tests.tt_cards import Opened, TtCards, standin_sdk


@pytest.fixture
def cards(tmp_path: Path) -> TtCards:
    return TtCards(tmp_path / "host", n_cards=2)


@pytest.fixture
def opened(cards: TtCards) -> Iterator[Opened]:
    """Open a card of the host in this process, as an executor does in its own."""
    devices: list[TtnnDevice] = []
    with standin_sdk(cards.environment):

        def open_card(sweep: Sweep, card: int = 0, **options: str) -> TtnnDevice:
            slot = CardSlot("ttnn", card, {**cards.options, **options})
            ttnn.KIND.prepare(slot)
            devices.append(TtnnDevice(slot, sweep))
            devices[-1].open()
            return devices[-1]

        yield open_card
        for device in devices:
            device.close()
