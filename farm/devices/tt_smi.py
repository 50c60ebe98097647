"""Care of one Tenstorrent card: reset it by tt-smi or a command of the user's, and judge its probe.

The argument that resets card N differs between versions of tt-smi: ``-r N`` since the public ones,
``-wr N`` (Wormhole) or ``-tr N`` (Grayskull) before.  Its own ``--help`` tells, and is asked.

What the tool's exit code says is logged and not believed: it has been 0 over dead cards, and not 0
over good ones.  A reset counts as tried when the tool has ended and the card's device node is back;
whether the card works is up to the probe.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

import pyarrow as pa

from farm.devices import ttnn_probe
from farm.devices.device import Process, ResetLevel
from farm.devices.tt_host import TtHost
from farm.errors import CardError, UsageError
from sweeps.vector import Vector

COMMAND_VARIABLE = "TT_SMI_RESET_COMMAND"
DEFAULT_RESET_S = 120.0
_HELP_S = 30.0
_NODE_BACK_S = 20.0
_KILL_S = 5.0
_CARD, _BUS = "{card}", "{bus}"
_OLD_FLAGS = {"wormhole_b0": "-wr", "grayskull": "-tr"}

RESET_OPTION_HELP: Mapping[str, str] = {
    "tt_smi": "path of tt-smi (default: tt-smi, looked up in PATH)",
    "reset_command": (
        "command that resets a card, instead of tt-smi; {card} stands for its number, {bus} for "
        f"its PCI address (default: what {COMMAND_VARIABLE} says, else tt-smi)"
    ),
    "cold_reset_command": (
        "command for the second reset, where the first did not help (default: the first again)"
    ),
    "reset_s": f"longest time of a reset, after which its processes are killed (default "
    f"{DEFAULT_RESET_S:g})",
}

logger = logging.getLogger(__name__)


def reset_options(options: Mapping[str, str], n_cards: int) -> dict[str, str]:
    """Check device options that concern resets, and take over what the environment says.

    Parameters
    ----------
    options : Mapping
        Device options, as text.
    n_cards : int
        Cards of the host.

    Raises
    ------
    UsageError
        If one is malformed, or a command would reset the same card whichever is stuck.
    """
    named = os.environ.get(COMMAND_VARIABLE, "").strip()
    checked = {**({"reset_command": named} if named else {}), **options}
    for name in ("reset_command", "cold_reset_command"):
        command = checked.get(name)
        if command is None:
            continue
        where = f"device option {name}" if name in options else COMMAND_VARIABLE
        try:
            parts = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"{where} {command!r}: {error}") from error
        if not parts:
            raise UsageError(f"{where} is empty; give a command, such as 'tt-smi -r {_CARD}'")
        if n_cards > 1 and _CARD not in command and _BUS not in command:
            raise UsageError(
                f"{where} {command!r} does not say which of the {n_cards} cards to reset: write "
                f"{_CARD} where its number belongs, such as 'tt-smi -r {_CARD}'"
            )
    _reset_s(checked)
    return checked


def _reset_s(options: Mapping[str, str]) -> float:
    text = options.get("reset_s", str(DEFAULT_RESET_S))
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 0:
        raise UsageError(f"device option reset_s={text!r}: give a number of seconds above 0")
    return float(text)


class TtControl:
    """Care of one card.

    Parameters
    ----------
    host : TtHost
        Of the card.
    card : int
        Number of its device node.
    options : Mapping
        Device options, as `reset_options` returns them.
    """

    def __init__(self, host: TtHost, card: int, options: Mapping[str, str]) -> None:
        self._host, self._card, self._options = host, card, options

    def reset(self, level: ResetLevel) -> None:
        """Reset the card.

        Raises
        ------
        CardError
            If there is nothing to reset it with, the tool does not end in time, or the card's
            device node does not come back.
        """
        command = self._command(level)
        exit_code, said = _run(command, _reset_s(self._options))
        if exit_code:
            logger.warning("%s ended with exit code %d: %s", shlex.join(command), exit_code, said)
        self._await_node(shlex.join(command), said)

    def in_use_by_others(self) -> list[Process]:
        """List processes other than the farm's executors that have the card open."""
        return self._host.users(self._card)

    def probe_vectors(self) -> Sequence[Vector]:
        """Small additions."""
        return ttnn_probe.vectors()

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        """Whether each addition was measured, once per repeat, in a sensible time."""
        return ttnn_probe.is_healthy(profile)

    def _command(self, level: ResetLevel) -> list[str]:
        template = self._options.get("reset_command")
        if level is ResetLevel.COLD:
            template = self._options.get("cold_reset_command", template)
        if template is None:
            return self._tt_smi_command()
        known = {_CARD: str(self._card), _BUS: self._host.bus(self._card)}
        return [_filled(part, known) for part in shlex.split(template)]

    def _tt_smi_command(self) -> list[str]:
        named = self._options.get("tt_smi", "tt-smi")
        tool = shutil.which(named)
        if tool is None:
            raise CardError(
                f"no tool to reset the card: {named} is not found; install tt-smi, or name it by "
                f"-o tt_smi=PATH, or another command by -o reset_command=..."
            )
        _, usage = _run([tool, "--help"], _HELP_S)
        return [tool, self._flag(tool, usage), str(self._card)]

    def _flag(self, tool: str, usage: str) -> str:
        old = _OLD_FLAGS.get(self._host.arch(self._card))
        for flag in ("-r", old):
            if flag is not None and re.search(rf"(?<![\w-]){flag}(?![\w-])", usage):
                return flag
        raise CardError(
            f"{tool} --help names no way to reset card {self._card}; give a command by "
            f"-o reset_command=...; it printed: {usage[:200]!r}"
        )

    def _await_node(self, command: str, said: str) -> None:
        node, end_s = self._host.node(self._card), time.monotonic() + _NODE_BACK_S
        while not node.exists():
            if time.monotonic() > end_s:
                raise CardError(f"{node} is gone after {command}, which said: {said or 'nothing'}")
            time.sleep(0.1)


def _filled(part: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        part = part.replace(name, value)
    return part


def _run(command: list[str], timeout_s: float, most_characters: int = 2000) -> tuple[int, str]:
    """Run a command, and kill it with all it started if it takes too long.

    Returns
    -------
    tuple
        Exit code, and what it printed.

    Raises
    ------
    CardError
        If it cannot be started, does not end in time, or cannot be killed.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise CardError(f"{command[0]} cannot be started: {error}") from error
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as late:
        os.killpg(process.pid, signal.SIGKILL)
        try:
            process.communicate(timeout=_KILL_S)
        except subprocess.TimeoutExpired as error:
            raise CardError(f"{shlex.join(command)} hangs and cannot be killed") from error
        raise CardError(
            f"{shlex.join(command)} did not end within {timeout_s:g} s and was killed"
        ) from late
    return process.returncode, said.strip()[-most_characters:]
