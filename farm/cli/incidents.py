"""``farm incidents``: what went wrong, when, where, and what it cost."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated

import typer

from farm.cli.options import JsonOption
from farm.cli.places import DirectoryArgument
from farm.store.directory import SweepDirectory
from farm.store.journal import is_incident
from farm.view.run_state import describe_incident


def incidents(
    directory: DirectoryArgument,
    kind: Annotated[
        str | None, typer.Option(help="Only records of this kind, such as hang or crash.")
    ] = None,
    stacks: Annotated[
        bool, typer.Option("--stacks", help="Show where hung executors hung, as far as known.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the incidents of a sweep by time: card, vector, cause, recovery, seconds lost.

    Example: [b]farm incidents my-reshard --kind hang[/b]
    """
    records = SweepDirectory.open(directory).incidents()
    chosen = [record for record in records if kind is None or record["kind"] == kind]
    if as_json:
        for record in chosen:
            typer.echo(json.dumps(record))
        return
    for record in chosen:
        typer.echo(f"{record['time'][:19]} {describe_incident(record)}")
        if stacks and record.get("stack"):
            typer.echo("    " + record["stack"].rstrip().replace("\n", "\n    "))
    counts = Counter(record["kind"] for record in chosen)
    lost_s = sum(float(record.get("lost_s", 0.0)) for record in chosen)
    summary = ", ".join(f"{name} {n}" for name, n in counts.most_common()) or "none"
    n_incidents = sum(is_incident(record) for record in chosen)
    typer.echo(f"{n_incidents} incidents ({summary}); {lost_s:.1f} s of card time lost")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(incidents)
