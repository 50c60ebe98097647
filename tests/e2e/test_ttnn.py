"""Sweep modules of tt-metal from the command line, with stand-ins for TT-NN and tt-smi."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from farm.store.directory import SweepDirectory
from tests.e2e.conftest import Farm
from tests.e2e.test_bad_input import refused
from tests.tt_cards import TREE, TtCards
from tests.tt_metal_checkout import write_module

RESHARD = ("--tt-metal-root", TREE, "--module", "data_movement.reshard.small_reshard")


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TtCards:
    cards = TtCards(tmp_path / "host", n_cards=2)
    for name, text in cards.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("TT_SMI_RESET_COMMAND", raising=False)
    return cards


def on(cards: TtCards, amount: int, **options: str) -> list[str]:
    chosen = [f"{name}={text}" for name, text in {**cards.options, **options}.items()]
    return ["--device", f"ttnn:{amount}", *(part for text in chosen for part in ("-o", text))]


def outcomes(path: Path) -> pa.Table:
    """Vectors of a sweep with their outcomes."""
    directory = SweepDirectory.open(path)
    tables = []
    for chunk in directory.chunks():
        shapes = directory.vectors(chunk.chunk_id)["shape"].cast(pa.string())
        tables.append(directory.outcomes(chunk.chunk_id).append_column("shape", shapes))
    return pa.concat_tables(tables)


@pytest.mark.ray
@pytest.mark.slow
def test_a_hang_in_the_middle_is_reset_probed_and_passed_by(
    farm: Farm, cards: TtCards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTNN_STANDIN_HANG", "1x1x384x64")
    cards.plan_resets("lie", "complain")
    run = farm("run", *RESHARD, *on(cards, 1), "--timeout", "2", "--repeats", 3, "--out", "out")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "every vector is accounted for" in run.stdout
    found = outcomes(tmp_path / "out").to_pylist()
    assert len(found) == 13
    by_shape = {(row["shape"], row["status"]): row for row in found}
    assert by_shape["[1,1,384,64]", "HANG"]["durations_ns"] is None
    too_large = by_shape["[1,1,1024,1024]", "OUT_OF_MEMORY"]["reason"]
    assert too_large.startswith("failed as expected (xfail): RuntimeError: TT_FATAL")
    good = [row for row in found if row["status"] == "OK"]
    assert len(good) == 11
    # Two programs of 2000 ns and more each.
    assert all(len(row["durations_ns"]) == 3 and min(row["durations_ns"]) > 4000 for row in good)
    # The first reset lied: its probe did not pass, and the card was reset again.
    assert cards.resets.read_text().splitlines()[:2] == ["-r 0", "-r 0"]
    assert not cards.is_dead(0)
    kinds = {incident["kind"] for incident in SweepDirectory.open(tmp_path / "out").incidents()}
    assert {"hang", "recovery-failed", "recovered"} <= kinds
    status = json.loads(farm("status", "out", "--json").stdout)
    assert status["counts"] == {"OK": 11, "HANG": 1, "OUT_OF_MEMORY": 1}
    assert farm("check", "out").returncode == 0


@pytest.mark.ray
@pytest.mark.slow
def test_two_cards_share_a_sweep(
    farm: Farm, cards: TtCards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTNN_STANDIN_CRASH", "1x1x128x192")
    run = farm("run", *RESHARD, *on(cards, 2), "--chunk", 3, "--repeats", 3, "--out", "out")
    assert run.returncode == 0, run.stdout + run.stderr
    found = {row["shape"]: row for row in outcomes(tmp_path / "out").to_pylist()}
    assert "SIGSEGV" in found["[1,1,128,192]"]["reason"]
    assert [row["status"] for row in found.values()].count("OK") == len(found) - 2
    directory = SweepDirectory.open(tmp_path / "out")
    buses = {"ttnn:0": "0000:01:00.0", "ttnn:1": "0000:02:00.0"}
    for chunk in directory.chunks():
        device = directory.result_meta(chunk.chunk_id).device
        assert device["details"]["bus"] == buses[device["card"]]
    assert not cards.resets.exists()


def test_a_sweep_that_is_no_module_is_refused(farm: Farm, cards: TtCards, tmp_path: Path) -> None:
    run = farm("run", "matmul", *on(cards, 1), "--out", "out")
    refused(run, "--device ttnn runs sweep modules of tt-metal, and matmul is none", "--module")
    assert not (tmp_path / "out").exists()


def test_a_module_that_has_changed_is_refused_before_a_card_opens(
    farm: Farm, cards: TtCards, tmp_path: Path
) -> None:
    text = """
    parameters = {"one": {"x": [1, 2]}, "two": {"x": [3]}}
    def run(x, *, device): return True, ""
    """
    write_module(tmp_path / "tt", "op.mine", text)
    module = ("--tt-metal-root", "tt", "--module", "op.mine")
    assert farm("generate", *module, "--out", "all").returncode == 0
    assert farm("generate", *module, "--suite", "two", "--out", "two").returncode == 0
    write_module(tmp_path / "tt", "op.mine", text.replace('"two": {"x": [3]', '"three": {"x": [4]'))
    for again in (("all",), (*module, "--out", "all")):
        refused(
            farm("run", *again, *on(cards, 1)),
            "the code of op.mine was changed after the vectors in all were generated",
            "version: code ",
            "suites only there: 1 (two)",
            "suites only here: 1 (three)",
            "Restore it and run again to go on",
        )
    refused(
        farm("run", "two", *on(cards, 1)),
        "op.mine was changed after its vectors were generated",
        "no suite 'two'; its suites are one, three",
    )
    assert not list(tmp_path.rglob("driver.log"))


def test_without_the_sdk_farm_devices_says_what_is_missing(
    farm: Farm, cards: TtCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    assert "ttnn: the Python package ttnn is not importable here" in farm("devices").stdout
    run = farm("run", *RESHARD, *on(cards, 1))
    assert run.returncode == 2
    assert "device 'ttnn' cannot be used on this host: the Python package ttnn" in run.stderr


def test_without_cards_the_error_names_the_driver(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = TtCards(tmp_path / "empty", n_cards=0)
    monkeypatch.setenv("PYTHONPATH", empty.environment["PYTHONPATH"])
    run = farm("run", *RESHARD, *on(empty, 1))
    assert run.returncode == 2
    assert "there is no Tenstorrent card" in run.stderr
    assert "tt-kmd" in run.stderr
    listed = farm("devices").stdout
    assert "ttnn: there is no Tenstorrent card" in listed
    assert "-o reset_command=" in listed
