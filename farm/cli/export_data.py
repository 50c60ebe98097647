"""``farm export``: a sweep directory as files for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import JsonOption
from farm.cli.places import DirectoryArgument, local_path
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm.interchange.written_file import FileResult
    from farm.store.directory import SweepDirectory

TABLES = ("csv", "parquet", "json")
FOLDERS = ("tt-metal-vectors", "tt-metal-results", "reshard-results")


def export(
    directory: DirectoryArgument,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="A table, a row per vector: csv, parquet, json. Or a folder of files of tt-metal: "
            "tt-metal-vectors, tt-metal-results, reshard-results.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="PATH",
            help="File or folder to write, on this machine.",
            parser=local_path,
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Write vectors and results for other programs.

    What was imported comes back as it was: the same files, the same bytes.

    Example: [b]farm export my-sweep --format csv --out my-sweep.csv[/b]

    Example: [b]farm export my-reshard --format reshard-results --out results_export_batch[/b]
    """
    from farm.store.directory import SweepDirectory

    if kind not in TABLES + FOLDERS:
        raise UsageError(f"--format {kind!r}: write one of {', '.join(TABLES + FOLDERS)}")
    opened = SweepDirectory.open(directory)
    if kind in TABLES:
        from farm.interchange.table_export import export_table

        if out.is_dir():
            raise UsageError(f"--out {out} is a folder; {kind} is one file")
        n_rows = export_table(opened, kind, out)
        facts = {"file": str(out), "format": kind, "n_rows": n_rows}
        typer.echo(json.dumps(facts) if as_json else f"wrote {n_rows:,} rows to {out}")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out} exists and is no empty folder; choose another")
    written = list(_files(opened, kind, out))
    n_same = sum(file.is_same is True for file in written)
    n_other = sum(file.is_same is False for file in written)
    if as_json:
        facts = {"folder": str(out), "format": kind, "n_files": len(written), "n_same": n_same}
        typer.echo(json.dumps(facts))
        return
    same = f", {n_same:,} of them to the byte what was imported" if n_same else ""
    typer.echo(f"wrote {len(written):,} files to {out}{same}")
    if n_other:
        typer.echo(f"{n_other:,} have the values that were imported, spaced differently")


def _files(directory: SweepDirectory, kind: str, out: Path) -> Iterator[FileResult]:
    from farm.interchange.result_export import export_results
    from farm.interchange.vector_export import export_vectors
    from farm.interchange.vector_file import BRANCH, MAIN

    if kind == "tt-metal-vectors":
        return export_vectors(directory, out)
    return export_results(directory, BRANCH if kind == "reshard-results" else MAIN, out)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)
