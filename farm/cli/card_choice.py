"""Which cards a run uses, as the user chose them: of this machine, or of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from farm.cli.running import parse_options
from farm.devices import registry
from farm.devices.device import CardSlot
from farm.errors import UsageError
from farm.requirements import parse_requirements


@dataclass(frozen=True)
class CardChoice:
    """Cards to use.

    Attributes
    ----------
    example : CardSlot
        One of them; in a cluster, what one will be like.
    slots : tuple of CardSlot
        Those of this machine; none in a cluster.
    max_cards : int or None
        Most cards of a cluster.
    requires : Mapping
        What a card of a cluster must be.
    """

    example: CardSlot
    slots: tuple[CardSlot, ...] = ()
    max_cards: int | None = None
    requires: Mapping[str, str] = field(default_factory=dict)


def chosen_cards(
    device: str,
    device_options: list[str],
    address: str,
    max_cards: int | None,
    require: Sequence[str],
) -> CardChoice:
    """Make sense of the options that choose cards.

    Raises
    ------
    UsageError
        If they contradict each other, or name what is not there.
    """
    options = parse_options(device_options)
    requires = parse_requirements(require)
    if not address:
        for option, value in (("--max-cards", max_cards), ("--require", require)):
            if value:
                raise UsageError(f"{option} is for the cards of a cluster: name one with --address")
        slots = tuple(registry.cards(device, options))
        return CardChoice(slots[0], slots)
    name, amount = registry.kind_and_amount(device)
    kind = registry.kind(name)
    registry.check_options(kind, options)
    if amount is not None and max_cards is not None and amount != max_cards:
        raise UsageError(f"--device {device} and --max-cards {max_cards} contradict; give one")
    example = CardSlot(name, 0, options)
    if kind.is_simulated:
        # Checks the values, and makes paths among them mean the same on every node.
        example = kind.discover(1, options)[0]
    return CardChoice(example, max_cards=max_cards or amount, requires=requires)


def cluster_arguments(
    address: str,
    max_cards: int | None,
    require: Sequence[str],
    is_insecure: bool,
    tls: Path | None = None,
) -> list[str]:
    """Write the arguments that choose the same cards of a cluster again."""
    if not address:
        return []
    return [
        *("--address", address),
        *(("--max-cards", str(max_cards)) if max_cards else ()),
        *(part for text in require for part in ("--require", text)),
        *(("--insecure",) if is_insecure else ()),
        *(("--tls", str(tls)) if tls else ()),
    ]
