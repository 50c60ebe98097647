"""``farm quarantine list | clear | export``: vectors that hang or crash cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.options import JsonOption, YesOption
from farm.cli.places import DirectoryArgument, local_path

VectorsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[VECTOR]...", help="Index in the sweep or beginning of the id; default: all."
    ),
]

app = typer.Typer(help="Manage the vectors that hang or crash cards.", no_args_is_help=True)


@app.command("list")
def list_vectors(directory: DirectoryArgument, as_json: JsonOption = False) -> None:
    """List vectors with strikes on record, and what became of them.

    Example: [b]farm quarantine list my-reshard[/b]
    """
    from farm.quarantine import poison_vectors
    from farm.store.directory import SweepDirectory

    found = poison_vectors(SweepDirectory.open(directory))
    if as_json:
        typer.echo(json.dumps([poison.as_json() for poison in found]))
        return
    for poison in found:
        cards = ", ".join(f"{s['kind']} on {s['card']}" for s in poison.strikes)
        state = poison.status or "undecided"
        typer.echo(f"{poison.index:>10}  {poison.vector_id}  {state}  ({cards})")
    n_condemned = sum(poison.is_condemned for poison in found)
    typer.echo(f"{len(found)} vectors with strikes, {n_condemned} condemned")


@app.command()
def clear(
    directory: DirectoryArgument, vectors: VectorsArgument = None, yes: YesOption = False
) -> None:
    """Forget the strikes of vectors; the next run measures their chunks anew.

    The results of those chunks are moved to set-aside/, not deleted.

    Example: [b]farm quarantine clear my-reshard 300[/b]
    """
    from farm import quarantine
    from farm.store.directory import SweepDirectory, run_lock

    known = SweepDirectory.open(directory)
    chosen = quarantine.chosen(known, vectors or [])
    if not chosen:
        typer.echo("the quarantine is empty")
        return
    if not yes:
        typer.confirm(f"Forget {len(chosen)} vectors and measure their chunks anew?", abort=True)
    with run_lock(directory):
        set_aside = quarantine.clear(known, chosen)
    typer.echo(
        f"{len(chosen)} vectors cleared, {len(set_aside)} chunks set aside; "
        f"to measure them: farm run {directory} --device ..."
    )


@app.command()
def export(
    directory: DirectoryArgument,
    vector: Annotated[str, typer.Argument(help="Index in the sweep or beginning of the id.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; default: print.", metavar="PATH", parser=local_path),
    ] = None,
) -> None:
    """Write a minimal case that reproduces a vector's trouble, as JSON.

    Example: [b]farm quarantine export my-reshard 300 --out case.json[/b]
    """
    from farm import quarantine
    from farm.store.directory import SweepDirectory
    from farm.store.disk_access import StoreAccess

    known = SweepDirectory.open(directory)
    (poison, *_) = quarantine.chosen(known, [vector])
    text = json.dumps(quarantine.export(known, poison), indent=2)
    if out is None:
        typer.echo(text)
        return
    with StoreAccess("write", out):
        out.write_text(text + "\n")
    typer.echo(f"wrote {out}")


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="quarantine")
