"""``farm import``: vector and result files of tt-metal become a sweep directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import (
    ChunkOption,
    JsonOption,
    RepeatsOption,
    TimeoutOption,
    bytes_progress,
)
from farm.cli.places import out_option
from farm.errors import UsageError
from farm.store.location import Location

if TYPE_CHECKING:
    from farm.interchange.result_import import Imported
    from farm.interchange.result_survey import ResultSurvey
    from farm.interchange.vector_survey import VectorSurvey
    from farm.store.directory import SweepDirectory

PathsArgument = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", help="JSON files, and folders of them.", show_default=False),
]
OutOption = Annotated[Location, out_option("Sweep directory, a path or s3://BUCKET/PREFIX.")]
ImportedRootOption = Annotated[
    Path | None,
    typer.Option(
        "--tt-metal-root",
        metavar="PATH",
        help="Checkout with the sweep module, so that its vectors can be run here.",
        show_default=False,
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Refuse files with anything wrong in them.")
]

app = typer.Typer(name="import", help="Read files of tt-metal's sweep framework.")


@app.command("vectors")
def vectors(
    paths: PathsArgument,
    out: OutOption,
    tt_metal_root: ImportedRootOption = None,
    repeats: RepeatsOption = None,
    timeout: TimeoutOption = None,
    chunk: ChunkOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a sweep directory of vector files, ready to run or to take results.

    All files are checked before anything is written. Vectors marked INVALID are kept as records
    only.

    Example: [b]farm import vectors vectors_export --out my-reshard[/b]
    """
    from farm.interchange.input_files import ReadProgress, input_files
    from farm.interchange.vector_import import VectorImport
    from farm.interchange.vector_survey import survey

    _require_place(out)
    inputs = input_files(paths)
    progress = ReadProgress(inputs, 2, bytes_progress())
    found = survey(inputs, progress)
    warnings = _vector_warnings(found)
    _warn(warnings, strict)
    vector_import = VectorImport(found, tt_metal_root, repeats, timeout, chunk)
    directory = vector_import.write(out, progress)
    _say_vectors(directory, found, warnings, as_json)


@app.command("results")
def results(
    paths: PathsArgument,
    out: OutOption,
    vectors_at: Annotated[
        list[Path],
        typer.Option(
            "--vectors",
            metavar="PATH",
            help="Vector files of these results, if --out is new. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    leave_open: Annotated[
        bool,
        typer.Option(
            "--leave-open",
            help="Commit only chunks of which every vector has a result; a run measures the rest.",
        ),
    ] = False,
    tt_metal_root: ImportedRootOption = None,
    chunk: ChunkOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Commit the results in result files, and say what is wrong with them.

    All files are checked before anything is written. Measurements that cannot be trusted become
    NO_RESULT and enter no fit.

    Example: [b]farm import results results_export --vectors vectors_export --out my-reshard[/b]
    """
    from farm.interchange import result_survey, vector_survey
    from farm.interchange.input_files import ReadProgress, input_files
    from farm.interchange.result_import import import_results
    from farm.interchange.vector_import import VectorImport
    from farm.interchange.vector_keys import all_digests
    from farm.store.directory import SweepDirectory, holds_sweep

    if not vectors_at and not holds_sweep(out):
        raise UsageError(f"{out} holds no sweep yet: give the vector files by --vectors PATH")
    if chunk and not vectors_at:
        raise UsageError(f"{out} holds a sweep already: --chunk cannot change it")
    _require_place(out)
    inputs = input_files(paths)
    vector_inputs = input_files(vectors_at) if vectors_at else []
    progress = ReadProgress([*inputs, *vector_inputs], 2, bytes_progress())
    if vector_inputs:
        vectors_found = vector_survey.survey(vector_inputs, progress)
        found = result_survey.survey(inputs, vectors_found.ids, progress)
        _warn([*_vector_warnings(vectors_found), *map(str, found.findings())], strict)
        repeats = found.n_runs or None
        vector_import = VectorImport(vectors_found, tt_metal_root, repeats, None, chunk)
        directory = vector_import.write(out, progress)
    else:
        directory = SweepDirectory.open(out)
        found = result_survey.survey(inputs, all_digests(directory), progress)
        _warn([str(finding) for finding in found.findings()], strict)
    with directory.files.lock():
        directory.files.sweep_temporaries()
        done = import_results(directory, found, leave_open, progress)
    _say_results(directory, found, done, as_json)


def _require_place(out: Location) -> None:
    """Refuse a place that cannot take a sweep before gigabytes are read."""
    from farm.generation import require_usable
    from farm.store.directory import holds_sweep

    if not holds_sweep(out):
        require_usable(out)


def _vector_warnings(found: VectorSurvey) -> list[str]:
    if not found.n_foreign_ids:
        return []
    return [
        f"{found.n_foreign_ids:,} vectors have another id than their entries hash to: they were "
        f"edited, or written by another version; their ids are kept"
    ]


def _warn(warnings: list[str], is_strict: bool) -> None:
    if warnings and is_strict:
        lines = "\n".join(f"  {warning}" for warning in warnings)
        raise UsageError(f"--strict: nothing was imported:\n{lines}")
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def _say_vectors(
    directory: SweepDirectory, found: VectorSurvey, warnings: list[str], as_json: bool
) -> None:
    manifest = directory.manifest
    n_invalid = sum(n for n, _ in found.n_by_suite.values()) - manifest.n_vectors
    if as_json:
        facts = {
            "directory": str(directory.location),
            "sweep": manifest.sweep,
            "generation": found.first.generation,
            "n_files": len(found.files),
            "n_suites": len(manifest.suites),
            "n_vectors": manifest.n_vectors,
            "n_invalid": n_invalid,
            "warnings": warnings,
        }
        typer.echo(json.dumps(facts))
        return
    invalid = f", {n_invalid:,} more are marked INVALID" if n_invalid else ""
    typer.echo(
        f"{manifest.sweep}: {manifest.n_vectors:,} vectors in {len(manifest.suites):,} suites of "
        f"{len(found.files):,} files{invalid}, in {directory.location}"
    )
    can_run = manifest.source.partition(":")[2]
    action = f"farm run {directory.location}, or " if can_run else ""
    typer.echo(f"next: {action}farm import results PATH --out {directory.location}")


def _say_results(
    directory: SweepDirectory, found: ResultSurvey, done: Imported, as_json: bool
) -> None:
    manifest = directory.manifest
    if as_json:
        facts = {
            "directory": str(directory.location),
            "sweep": manifest.sweep,
            "generation": found.generation,
            "n_files": len(found.files),
            "n_results": len(found),
            "n_vectors": manifest.n_vectors,
            "n_committed": done.n_committed,
            "n_open": done.n_open,
            "n_committed_before": done.n_earlier,
            "counts": done.counts,
            "findings": [vars(finding) for finding in found.findings()],
        }
        typer.echo(json.dumps(facts))
        return
    typer.echo(
        f"{manifest.sweep}: {len(found):,} results of {len(found.files):,} files; "
        f"{done.n_committed:,} of {manifest.n_vectors:,} vectors committed, in {directory.location}"
    )
    for status, n in sorted(done.counts.items(), key=lambda item: -item[1]):
        typer.echo(f"  {n:>12,}  {status}")
    if done.n_earlier:
        typer.echo(f"  {done.n_earlier:>12,}  had been committed before, and stay as they were")
    if done.n_open:
        typer.echo(f"  {done.n_open:>12,}  stay open; farm run {directory.location} measures them")
    typer.echo(f"next: farm fit {directory.location} --over size-means")


def register(farm: typer.Typer) -> None:
    """Add the commands."""
    farm.add_typer(app)
