"""``farm check``: verify everything in a sweep directory."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from farm.cli.options import JsonOption
from farm.cli.places import DirectoryArgument
from farm.errors import DamagedStoreError


def check(
    directory: DirectoryArgument,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Set damaged files aside (their chunks run again) and regenerate shards.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Verify checksums, ids, rows and journals of a sweep directory.

    Changes nothing, unless told to repair. Exit code 0: sound; 3: damaged.

    Example: [b]farm check my-matmul[/b]
    """
    from farm.store.check import verify

    if repair:
        from farm.repair import repair as mend
        from farm.store.directory import run_lock

        with run_lock(directory):
            mended = mend(directory)
        for action in mended.actions if not as_json else ():
            typer.echo(f"repaired: {action}")
        verdict = mended.after
    else:
        verdict = verify(directory)
    if as_json:
        typer.echo(json.dumps(verdict.as_json()))
    else:
        for finding in verdict.findings:
            typer.echo(f"{finding.severity}: {finding.path}: {finding.message}")
        typer.echo(verdict.summary)
    return 0 if verdict.is_sound else DamagedStoreError.exit_code


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)
