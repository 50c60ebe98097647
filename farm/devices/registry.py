"""Find device kinds and the cards of this host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from farm import plugins
from farm.devices.device import CardSlot, DeviceKind
from farm.errors import UsageError


def kind(name: str) -> DeviceKind:
    """Load a device kind by name.

    Raises
    ------
    PluginError
        If it is not installed.
    """
    return cast(DeviceKind, plugins.load(plugins.DEVICES, name))


def cards(text: str, options: Mapping[str, str]) -> list[CardSlot]:
    """Cards meant by ``KIND`` or ``KIND:AMOUNT``.

    Raises
    ------
    UsageError
        If the amount is not a positive number, an option is unknown, or cards are missing.
    """
    name, amount = kind_and_amount(text)
    chosen = kind(name)
    lacking = chosen.missing()
    if lacking:
        raise UsageError(f"device {name!r} cannot be used on this host: {lacking}")
    check_options(chosen, options)
    return chosen.discover(amount, options)


def kind_and_amount(text: str) -> tuple[str, int | None]:
    """Read ``KIND`` or ``KIND:AMOUNT``.

    Raises
    ------
    UsageError
        If the amount is not a positive number.
    """
    name, _, amount = text.partition(":")
    if amount and not (amount.isascii() and amount.isdigit() and int(amount) > 0):
        raise UsageError(f"--device {text!r}: write KIND or KIND:AMOUNT, for example sim:4")
    return name, int(amount) if amount else None


def check_options(chosen: DeviceKind, options: Mapping[str, str]) -> None:
    """Refuse options that the kind does not have.

    Raises
    ------
    UsageError
        If one is unknown.
    """
    for option in options:
        if option not in chosen.option_help:
            known = ", ".join(sorted(chosen.option_help)) or "none"
            raise UsageError(f"device {chosen.name!r} has no option {option!r}; it has: {known}")
