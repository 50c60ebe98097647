"""Device options of Tenstorrent cards, read from text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.devices.tt_host import TtHost
from farm.devices.tt_smi import RESET_OPTION_HELP
from farm.errors import UsageError

DEFAULT_WARMUPS = 1
SUM, EACH = "sum", "each"

OPTION_HELP: Mapping[str, str] = {
    "warmups": (
        "calls of a module's run before the measured ones, which compile its kernels "
        f"(default {DEFAULT_WARMUPS})"
    ),
    "launches": (
        f"{SUM}: a repeat is one call of run, its programs summed; {EACH}: a repeat is one "
        f"launch, for modules that loop in run (default {SUM})"
    ),
    "cards": "numbers of the cards to use, such as 0,2 (default all)",
    "l1_small_size": "L1 of each core set aside for small buffers, bytes (default: the SDK's)",
    **RESET_OPTION_HELP,
    "host_root": "where dev/tenstorrent and sys are looked for (default /)",
}


@dataclass(frozen=True, slots=True)
class TtnnOptions:
    """Device options, read from text.

    Attributes
    ----------
    host : TtHost
        Where the cards are looked for.
    cards : tuple of int or None
        Numbers of the cards to use; None: all.
    n_warmups : int
        Unmeasured calls of ``run`` before the measured ones.
    launches : str
        Whether a repeat is one call, its programs summed, or each launch of a call.
    l1_small_bytes : int or None
        Memory of each core that is set aside for small buffers.
    """

    host: TtHost
    cards: tuple[int, ...] | None
    n_warmups: int
    launches: str
    l1_small_bytes: int | None

    @staticmethod
    def parse(options: Mapping[str, str]) -> TtnnOptions:
        """Read device options.

        Raises
        ------
        UsageError
            If one is malformed.
        """
        launches = options.get("launches", SUM)
        if launches not in (SUM, EACH):
            raise UsageError(f"device option launches={launches!r}: give {SUM} or {EACH}")
        cards = options.get("cards")
        if cards is not None and not re.fullmatch(r"\d+(,\d+)*", cards, re.ASCII):
            raise UsageError(f"device option cards={cards!r}: give card numbers, for example 0,2")
        return TtnnOptions(
            TtHost(Path(options.get("host_root", "/"))),
            None if cards is None else tuple(dict.fromkeys(map(int, cards.split(",")))),
            _whole_number(options, "warmups", DEFAULT_WARMUPS),
            launches,
            _whole_number(options, "l1_small_size", 0) or None,
        )


def _whole_number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"device option {name}={text!r}: give a whole number from 0")
    return int(text)
