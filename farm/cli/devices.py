"""``farm devices``: which device kinds are installed, and what this host has of each."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from farm import plugins
from farm.cli.options import JsonOption
from farm.devices import registry
from farm.errors import FarmError


def devices(
    count: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Print only the number of cards of a kind."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List device kinds, their cards on this host and their options.

    Example: [b]farm devices[/b]

    Example: [b]farm devices --count cpu[/b]
    """
    if count is not None:
        typer.echo(len(registry.cards(count, {})))
        return
    kinds = [_describe(name) for name in plugins.names(plugins.DEVICES)]
    if as_json:
        typer.echo(json.dumps(kinds))
        return
    for kind in kinds:
        typer.echo(f"{kind['kind']}: {kind['missing'] or ', '.join(kind['cards'])}")
        for option, text in kind["options"].items():
            typer.echo(f"    -o {option}=...  {text}")


def _describe(name: str) -> dict[str, Any]:
    cards: list[str] = []
    options: dict[str, str] = {}
    try:
        kind = registry.kind(name)
        options = dict(kind.option_help)
        missing = kind.missing()
        if not missing:
            cards = [slot.card for slot in kind.discover(None, {})]
    except FarmError as error:
        missing = str(error)
    return {"kind": name, "missing": missing, "cards": cards, "options": options}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(devices)
