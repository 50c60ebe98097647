"""Sweep modules on cards that are healthy: what is no card's fault touches no card."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.card.runner import CardRunner
from farm.catalog import load_sweep
from farm.coordinator import Coordinator
from farm.devices.device import CardSlot
from farm.generation import Plan, open_or_generate, overridden
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from tests.tt_cards import STANDINS, TtCards
from tests.tt_metal_checkout import write_module

MODULE = """
import ttnn
from tests.heights import HEIGHTS

parameters = {"all": {"shape": [[1, 1, 32 * h, 64] for h in HEIGHTS]}}


def run(shape, *, device):
    a = ttnn.ones(shape, layout=ttnn.TILE_LAYOUT, device=device, dtype=ttnn.bfloat16)
    ttnn.deallocate(ttnn.add(a, a))
    ttnn.deallocate(a)
    return True, ""
"""


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TtCards:
    cards = TtCards(tmp_path / "host")
    for name, text in cards.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.syspath_prepend(str(STANDINS))  # processes that are spawned have this one's path
    return cards


def write_heights(root: Path, heights: str) -> None:
    (root / "tests").mkdir(parents=True, exist_ok=True)
    (root / "tests" / "heights.py").write_text(f"HEIGHTS = {heights}\n")


@pytest.fixture
def directory(tmp_path: Path, cards: TtCards) -> SweepDirectory:
    root = tmp_path / "tt-metal"
    write_heights(root, "range(1, 25)")
    source = write_module(root, "op.adds", MODULE)
    sweep = overridden(load_sweep(source), 3, 20.0, None)
    return open_or_generate(tmp_path / "sweep", Plan(sweep, source))


def run(directory: SweepDirectory, cards: TtCards) -> Coordinator:
    slot = CardSlot("ttnn", 0, cards.options)
    settings = RunSettings(str(directory.path), "run", (slot,), batch_rows=2, deadline_floor_s=0.2)
    coordinator = Coordinator(settings)
    CardRunner(slot, directory, settings, coordinator, lambda *_: None).run()
    coordinator.close()
    return coordinator


def test_a_kernel_that_takes_long_to_compile_is_no_hang(
    directory: SweepDirectory, cards: TtCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTNN_STANDIN_COMPILE", "1x1x736x64,1x1x768x64")
    run(directory, cards)
    (chunk,) = directory.chunks()
    assert directory.outcomes(chunk.chunk_id)["status"].to_pylist() == ["OK"] * 24
    assert list(directory.incidents()) == []


@pytest.mark.parametrize("changed", ["module", "values"])
def test_a_module_that_has_changed_ends_the_run_and_resets_no_card(
    directory: SweepDirectory, cards: TtCards, tmp_path: Path, changed: str
) -> None:
    if changed == "module":
        write_module(tmp_path / "tt-metal", "op.adds", MODULE.replace("(a, a)", "(a, a, a)"))
    else:
        write_heights(tmp_path / "tt-metal", "range(2, 25)")
    failure = run(directory, cards).progress()["failure"]
    assert failure is not None
    message, exit_code = failure
    assert exit_code == 2
    assert "changed after" in message
    assert "Restore it and run again to go on" in message
    assert list(directory.incidents()) == []
    assert not cards.resets.exists()
    assert not directory.committed()
