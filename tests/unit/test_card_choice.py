"""Which cards the options of `farm run` choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.cli.card_choice import chosen_cards, cluster_arguments
from farm.errors import PluginError, UsageError

HEAD = "10.0.0.5:6379"


def test_cards_of_this_machine_are_slots() -> None:
    choice = chosen_cards("sim:3", ["seed=5"], "", None, [])
    assert [slot.card for slot in choice.slots] == ["sim:0", "sim:1", "sim:2"]
    assert choice.example == choice.slots[0]
    assert choice.max_cards is None


def test_cards_of_a_cluster_are_a_kind_and_a_limit() -> None:
    for device, max_cards, expected in (("sim", None, None), ("sim:4", None, 4), ("sim", 4, 4)):
        choice = chosen_cards(device, ["seed=5"], HEAD, max_cards, ["arch=sim*"])
        assert choice.slots == ()
        assert (choice.example.kind, choice.example.options) == ("sim", {"seed": "5"})
        assert (choice.max_cards, choice.requires) == (expected, {"arch": "sim*"})


def test_a_kind_that_this_host_lacks_may_be_swept_elsewhere() -> None:
    assert chosen_cards("ttnn", [], HEAD, None, []).example.kind == "ttnn"


def test_paths_among_the_options_mean_the_same_on_every_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    group = "BLOCK-ROW_MAJOR-WIDTH-ROW_MAJOR"
    fits = f"in_grid,out_grid,group,coef,intercept\n1x1,1x2,{group},36.6,617.8\n"
    (tmp_path / "fits.csv").write_text(fits)
    choice = chosen_cards("sim", ["truth=fits.csv"], HEAD, None, [])
    assert choice.example.options["truth"] == str(tmp_path / "fits.csv")


@pytest.mark.parametrize(
    ("device", "options", "address", "max_cards", "require", "problem"),
    [
        ("sim", [], "", 3, [], "--max-cards is for the cards of a cluster"),
        ("sim", [], "", None, ["arch=x"], "--require is for the cards of a cluster"),
        ("sim:4", [], HEAD, 3, [], "contradict"),
        ("sim:0", [], HEAD, None, [], "KIND:AMOUNT"),
        ("sim", ["sede=1"], HEAD, None, [], "no option 'sede'"),
        ("sim", ["noise=9"], HEAD, None, [], "noise"),
        ("sim", [], HEAD, None, ["clock=1"], "KEY is one of"),
    ],
)
def test_choices_that_make_no_sense(
    device: str,
    options: list[str],
    address: str,
    max_cards: int | None,
    require: list[str],
    problem: str,
) -> None:
    with pytest.raises(UsageError, match=problem):
        chosen_cards(device, options, address, max_cards, require)
    with pytest.raises(PluginError):
        chosen_cards("no-such-kind", [], HEAD, None, [])


def test_the_same_cards_again() -> None:
    assert cluster_arguments("", None, [], False) == []
    assert cluster_arguments(HEAD, 4, ["arch=x", "kind=sim"], True) == [
        "--address", HEAD, "--max-cards", "4", "--require", "arch=x", "--require", "kind=sim",
        "--insecure",
    ]  # fmt: skip
