"""``farm check``: verify everything in a sweep directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.options import JsonOption
from farm.errors import DamagedStoreError


def check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Sweep directory.")],
    as_json: JsonOption = False,
) -> int:
    """Verify checksums, ids, rows and journals of a sweep directory; changes nothing.

    Exit code 0: sound; 3: damaged.

    Example: [b]farm check my-matmul[/b]
    """
    from farm.store.check import verify

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
