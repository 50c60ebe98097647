"""Resets of one card through tt-smi as it is, was and misbehaves, and who else uses the card."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from farm.card.executor import Executor
from farm.card.recovery import Ladder, Rung
from farm.devices import tt_smi, ttnn
from farm.devices.device import CardControl, CardSlot, ResetLevel
from farm.devices.tt_host import TtHost
from farm.errors import CardError, UsageError
from farm.spawning import MARK_VARIABLE
from tests.tt_cards import TT_SMI, TtCards


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TtCards:
    cards = TtCards(tmp_path, n_cards=3)
    for name, text in cards.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv(tt_smi.COMMAND_VARIABLE, raising=False)
    return cards


def control_of(cards: TtCards, card: int = 1, **options: str) -> CardControl:
    slots = ttnn.KIND.discover(None, {**cards.options, **options})
    return ttnn.KIND.control(next(slot for slot in slots if slot.index == card))


def calls(cards: TtCards) -> list[str]:
    return cards.resets.read_text().splitlines() if cards.resets.exists() else []


@pytest.mark.parametrize(("style", "flag"), [("new", "-r"), ("old", "-wr")])
@pytest.mark.parametrize("level", list(ResetLevel))
def test_one_card_is_reset_in_the_words_of_the_tool(
    cards: TtCards, style: str, flag: str, level: ResetLevel
) -> None:
    cards.plan_resets("heal", style=style)
    for card in range(3):
        cards.kill(card)
    control_of(cards).reset(level)
    assert calls(cards) == [f"{flag} 1"]
    assert [cards.is_dead(card) for card in range(3)] == [True, False, True]


def test_a_tool_that_is_too_old_for_the_card_is_not_called(tmp_path: Path) -> None:
    cards = TtCards(tmp_path, pci_id="0xb140")
    cards.plan_resets("heal", style="old")
    with pytest.MonkeyPatch.context() as patch:
        for name, text in cards.environment.items():
            patch.setenv(name, text)
        with pytest.raises(CardError, match=r"names no way to reset card 0.*reset_command"):
            control_of(cards, 0).reset(ResetLevel.WARM)
    assert calls(cards) == []


@pytest.mark.parametrize(("act", "dies"), [("complain", False), ("lie", True), ("fail", True)])
def test_what_the_tool_says_is_not_believed(cards: TtCards, act: str, dies: bool) -> None:
    cards.plan_resets(act)
    cards.kill(1)
    control_of(cards).reset(ResetLevel.WARM)
    assert cards.is_dead(1) is dies


def test_a_tool_that_hangs_is_killed_with_its_children(cards: TtCards) -> None:
    cards.plan_resets("hang", "heal")
    cards.kill(1)
    control = control_of(cards, reset_s="0.5")
    with pytest.raises(CardError, match=r"-r 1 did not end within 0.5 s and was killed"):
        control.reset(ResetLevel.WARM)
    left = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "613"]]
    assert left == []
    control.reset(ResetLevel.COLD)
    assert not cards.is_dead(1)


def test_a_card_whose_node_is_gone_was_not_reset(
    cards: TtCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tt_smi, "_NODE_BACK_S", 0.2)
    cards.plan_resets("vanish")
    with pytest.raises(CardError, match=r"tenstorrent/1 is gone after .* which said: Finishing"):
        control_of(cards).reset(ResetLevel.WARM)


def test_a_node_may_take_a_moment_to_come_back(cards: TtCards) -> None:
    cards.plan_resets("blink")
    control_of(cards).reset(ResetLevel.WARM)
    assert (cards.nodes / "1").exists()


def test_without_a_tool_the_error_says_what_to_do(cards: TtCards) -> None:
    with pytest.raises(CardError, match=r"no-such-tool is not found.*tt_smi=PATH"):
        control_of(cards, tt_smi="no-such-tool").reset(ResetLevel.WARM)


def words(cards: TtCards, *arguments: str) -> str:
    """Command that writes each of its arguments to a line of the log."""
    code = f"import sys; open({str(cards.resets)!r}, 'w').write(chr(10).join(sys.argv[1:]))"
    return " ".join([sys.executable, "-c", f'"{code}"', *arguments])


def test_a_command_of_the_user_is_a_list_of_words(cards: TtCards) -> None:
    command = words(cards, "{card}", "'at {bus}'", "'; touch x'", "$HOME")
    control_of(cards, reset_command=command).reset(ResetLevel.WARM)
    assert calls(cards) == ["1", "at 0000:02:00.0", "; touch x", "$HOME"]


def test_the_second_reset_may_be_another(cards: TtCards) -> None:
    cold = words(cards, "cold", "{card}")
    control = control_of(cards, cold_reset_command=cold)
    control.reset(ResetLevel.WARM)
    assert calls(cards) == ["-r 1"]
    control.reset(ResetLevel.COLD)
    assert calls(cards) == ["cold", "1"]


def test_the_variable_of_tt_metal_is_honoured(
    cards: TtCards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tt_smi.COMMAND_VARIABLE, words(cards, "by-variable", "{card}"))
    control = control_of(cards)
    monkeypatch.delenv(tt_smi.COMMAND_VARIABLE)
    control.reset(ResetLevel.WARM)
    assert calls(cards) == ["by-variable", "1"]
    monkeypatch.setenv(tt_smi.COMMAND_VARIABLE, "no-such-tool {card}")
    control_of(cards, reset_command=words(cards, "by-option", "{card}")).reset(ResetLevel.WARM)
    assert calls(cards) == ["by-option", "1"]


@pytest.mark.parametrize(
    ("options", "variable", "message"),
    [
        ({"reset_command": "tt-smi -r 0"}, "", r"reset_command .* which of the 3 cards"),
        ({"cold_reset_command": "reboot"}, "", r"cold_reset_command .* which of the 3 cards"),
        ({}, "tt-smi -r 0", r"TT_SMI_RESET_COMMAND .* which of the 3 cards"),
        ({"reset_command": "tt-smi '-r {card}"}, "", "No closing quotation"),
        ({"reset_command": " "}, "", "reset_command is empty"),
        ({"reset_s": "-1"}, "", "reset_s='-1': give a number of seconds"),
        ({"reset_s": "nan"}, "", "reset_s='nan'"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(
    cards: TtCards,
    monkeypatch: pytest.MonkeyPatch,
    options: Mapping[str, str],
    variable: str,
    message: str,
) -> None:
    monkeypatch.setenv(tt_smi.COMMAND_VARIABLE, variable)
    with pytest.raises(UsageError, match=message):
        ttnn.KIND.discover(None, {**cards.options, **options})


def test_the_one_card_of_a_host_needs_no_number(tmp_path: Path) -> None:
    cards = TtCards(tmp_path)
    options = {**cards.options, "reset_command": "tt-smi -r 0"}
    assert ttnn.KIND.discover(None, options) == [CardSlot("ttnn", 0, options)]


def test_discovery(cards: TtCards) -> None:
    def found(amount: int | None, **options: str) -> list[str]:
        return [s.card for s in ttnn.KIND.discover(amount, {**cards.options, **options})]

    assert found(None) == ["ttnn:0", "ttnn:1", "ttnn:2"]
    assert found(2) == ["ttnn:0", "ttnn:1"]
    assert found(None, cards="2,0") == ["ttnn:2", "ttnn:0"]
    assert found(1, cards="2,0") == ["ttnn:2"]
    for message, amount, options in (
        (r"ttnn:4: 3 card\(s\) can be used: 0, 1, 2", 4, {}),
        (r"ttnn:2: 1 card\(s\) can be used: 1", 2, {"cards": "1"}),
        ("there is no card 7; this host has 0, 1, 2", None, {"cards": "0,7"}),
        ("cards='a': give card numbers", None, {"cards": "a"}),
        ("launches='all': give sum or each", None, {"launches": "all"}),
        ("warmups='-1': give a whole number", None, {"warmups": "-1"}),
        ("no Tenstorrent card: .*tt-kmd", None, {"host_root": "/nonexistent"}),
    ):
        with pytest.raises(UsageError, match=message):
            found(amount, **options)


@contextmanager
def holder(node: Path, **variables: str) -> Iterator[int]:
    """Another process that has a device node open."""
    code = f"file = open({str(node)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "", **variables},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.stdin.write("\n")


def test_whoever_has_the_node_open_uses_the_card(tmp_path: Path) -> None:
    cards, host = TtCards(tmp_path, n_cards=2), TtHost(tmp_path)
    with holder(cards.nodes / "1") as pid:
        (user,) = host.users(1)
        assert user.pid == pid
        assert "input()" in user.command
        assert host.users(0) == []
    assert host.users(1) == []


def test_a_card_that_others_use_is_not_reset_unless_told_to(cards: TtCards) -> None:
    def open_executor() -> Executor:
        raise CardError("it does not open")

    told: list[str] = []
    ladder = Ladder(control_of(cards), open_executor, 10.0, rungs=(Rung(ResetLevel.WARM, 1),))
    with holder(cards.nodes / "1") as pid:
        with pytest.raises(CardError, match=rf"not reset \(see --reset-shared\): {pid} \("):
            ladder.climb(lambda rung, message: told.append(rung))
        assert calls(cards) == []
        with pytest.raises(CardError, match="it does not open"):
            replace(ladder, resets_shared=True).climb(lambda rung, message: told.append(rung))
        assert calls(cards) == ["-r 1"]
    assert told == ["warm reset", "warm reset"]


def test_a_node_that_was_replaced_is_still_in_use(tmp_path: Path) -> None:
    cards, host = TtCards(tmp_path), TtHost(tmp_path)
    with holder(cards.nodes / "0") as pid:
        (cards.nodes / "0").unlink()
        (cards.nodes / "0").touch()
        assert [user.pid for user in host.users(0)] == [pid]


def test_executors_and_this_process_are_no_others(tmp_path: Path) -> None:
    cards, host = TtCards(tmp_path), TtHost(tmp_path)
    with (cards.nodes / "0").open(), holder(cards.nodes / "0", **{MARK_VARIABLE: "abc"}):
        assert host.users(0) == []


def test_the_stand_in_is_executable() -> None:
    assert os.access(TT_SMI, os.X_OK)
