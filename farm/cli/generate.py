"""``farm generate``: make a sweep directory without running it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Annotated

import typer

from farm.cli.options import (
    ChunkOption,
    ForceOption,
    JsonOption,
    LimitOption,
    RepeatsOption,
    SweepArgument,
    TimeoutOption,
    YesOption,
    clean_if_asked,
    generation_progress,
    judging_progress,
)
from farm.cli.places import out_option
from farm.cli.tt_metal import (
    Choice,
    ModuleOption,
    RootOption,
    SuiteOption,
    TimeoutScanOption,
    targets,
)
from farm.generation import Plan, open_or_generate
from farm.store.location import Location


def generate(
    sweep: SweepArgument = None,
    out: Annotated[
        Location | None,
        out_option("Sweep directory, a path or s3://BUCKET/PREFIX; default: ./SWEEP-sweep."),
    ] = None,
    limit: LimitOption = [],  # noqa: B006 - typer needs a list
    repeats: RepeatsOption = None,
    timeout: TimeoutOption = None,
    chunk: ChunkOption = None,
    derive_ids: Annotated[
        bool,
        typer.Option(
            "--derive-ids", help="Store no ids; readers derive them (16 bytes less per vector)."
        ),
    ] = False,
    force_clean: ForceOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    tt_metal_root: RootOption = None,
    module: ModuleOption = [],  # noqa: B006 - typer needs a list
    suite: SuiteOption = [],  # noqa: B006 - typer needs a list
    timeout_scan: TimeoutScanOption = False,
) -> None:
    """Generate the vectors of a sweep: candidates, rules, shards.

    Example: [b]farm generate reshard --limit input_grid=1x1 --out my-reshard[/b]

    Example: [b]farm generate --tt-metal-root ~/tt-metal --module matmul.short.matmul[/b]
    """
    choice = Choice(sweep, tt_metal_root, module, suite, timeout_scan)
    for target in targets(choice, out, limit, repeats, timeout, chunk):
        clean_if_asked(target.place, force_clean, yes)
        _generate(target.place, replace(target.plan, stores_ids=not derive_ids), as_json)


def _generate(path: Location, plan: Plan, as_json: bool) -> None:
    began_s = time.monotonic()
    directory = open_or_generate(
        path, plan, on_progress=generation_progress(), on_judged=judging_progress()
    )
    with directory.files.lock():
        directory.files.sweep_temporaries()
    manifest = directory.manifest
    n_candidates = sum(int(suite["n_candidates"]) for suite in manifest.suites)
    n_valid = sum(int(suite["n_valid"]) for suite in manifest.suites)
    rejected: dict[str, int] = {}
    for suite in manifest.suites:
        for reason, n in suite["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + n
    n_bytes = sum(shard.bytes for shard in manifest.shards)
    if as_json:
        facts = {
            "directory": str(path),
            "sweep": manifest.sweep,
            "fingerprint": manifest.fingerprint,
            "n_suites": len(manifest.suites),
            "n_candidates": n_candidates,
            "n_valid": n_valid,
            "n_vectors": manifest.n_vectors,
            "n_bytes": n_bytes,
            "rejected": rejected,
        }
        typer.echo(json.dumps(facts))
        return
    typer.echo(
        f"{manifest.sweep}: {n_candidates:,} candidates in {len(manifest.suites):,} suites, "
        f"{n_valid:,} valid, {manifest.n_vectors:,} vectors in {len(manifest.chunks()):,} chunks "
        f"({n_bytes / manifest.n_vectors:.1f} bytes per vector, "
        f"{time.monotonic() - began_s:.2f} s)"
    )
    for reason, n in rejected.items():
        typer.echo(f"  {n:>14,}  {reason}")
    for reason, n in manifest.excluded_suites.items():
        typer.echo(f"  {n:>7,} suites  {reason}")
    typer.echo(f"next: farm run {path}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)
