"""Tenstorrent cards through the contract, with a stand-in for TT-NN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from farm.devices import ttnn
from farm.devices.device import CardSlot, DeviceKind
from farm.testing.device_contract import DeviceContract
from sweeps.axis import Value
from sweeps.space import Sweep
from tests.tt_cards import TtCards, module_sweep, small_reshard, standin_sdk

RESHARD = "data_movement.reshard.small_reshard"
LOOPED = "data_movement.reshard.looped_reshard"


class TestTtnn(DeviceContract):
    @pytest.fixture(autouse=True)
    def cards(self, tmp_path: Path) -> Iterator[TtCards]:
        self._cards = TtCards(tmp_path, n_cards=2)
        with standin_sdk(self._cards.environment):
            ttnn.KIND.prepare(CardSlot("ttnn", 0, self._cards.options))
            yield self._cards

    def kind(self) -> DeviceKind:
        return ttnn.KIND

    def options(self) -> Mapping[str, str]:
        return self._cards.options

    def sweep(self) -> Sweep:
        params = [*self.good_params(), self.failing_params()]
        return module_sweep(
            RESHARD, **{name: sorted({str(p[name]) for p in params}) for name in params[0]}
        )

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [
            small_reshard("BLOCK", 128, 64),
            small_reshard("HEIGHT", 256, 128),
            small_reshard("BLOCK", 384, 192),
        ]

    def failing_params(self) -> Mapping[str, Value]:
        return small_reshard("BLOCK", 1024, 1024)


class TestTtnnWithoutWarmUps(TestTtnn):
    def options(self) -> Mapping[str, str]:
        return {**super().options(), "warmups": "0"}


class TestTtnnWithAnOldLog(TestTtnn):
    @pytest.fixture(autouse=True)
    def cards(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TtCards]:
        monkeypatch.setenv("TTNN_STANDIN_GENERATION", "v1")
        self._cards = TtCards(tmp_path)
        with standin_sdk(self._cards.environment):
            ttnn.KIND.prepare(CardSlot("ttnn", 0, self._cards.options))
            yield self._cards


class TestTtnnByLaunch(TestTtnn):
    def options(self) -> Mapping[str, str]:
        return {**super().options(), "launches": "each"}

    def sweep(self) -> Sweep:
        shapes = [str(params["shape"]) for params in self.good_params()]
        return module_sweep(LOOPED, output_core_grid=["ttnn.CoreGrid(x=2, y=2)"], shape=shapes)

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        grid = "ttnn.CoreGrid(x=2, y=2)"
        return [{"output_core_grid": grid, "shape": f"[1,1,64,{64 * w}]"} for w in (1, 2, 3)]

    def failing_params(self) -> None:
        return None
