"""Arguments that name a sweep directory: a path, or a location in a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farm.store.location import Location

DIRECTORY_HELP = "Sweep directory: a path, or s3://BUCKET/PREFIX (also gs://, az://)."

DirectoryArgument = Annotated[
    Location,
    typer.Argument(metavar="DIR", help=DIRECTORY_HELP, parser=Location.parse, show_default=False),
]


def local_path(text: str) -> Path:
    """Read the path of a file or folder on this machine.

    Raises
    ------
    UsageError
        If it is in a bucket.
    """
    return Location.parse(text).path


def out_option(help_text: str) -> object:
    """Make an option ``--out`` that names a sweep directory."""
    return typer.Option(
        "--out", metavar="DIR", help=help_text, parser=Location.parse, show_default=False
    )
