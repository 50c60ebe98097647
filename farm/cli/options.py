"""Options that several commands share, and how they become a plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from farm.catalog import load_sweep, resolve_source
from farm.errors import UsageError
from farm.generation import Plan, overridden, plan_of
from farm.store.directory import OWN_ENTRIES, SweepDirectory, holds_sweep, remove_sweep, run_lock
from farm.store.files import open_files
from farm.store.location import Location
from farm.store.manifest import FILE_NAME
from sweeps.limits import limited

SweepArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP",
        help="A built-in sweep (reshard, matmul, eltwise, memcpy, soc-design), a module, a .py "
        "file, or the directory of a sweep to go on with.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    list[str],
    typer.Option(
        "--limit",
        "-l",
        metavar="AXIS=VALUES",
        help="Restrict an axis: a list and ranges, such as [b]M=64,256..1024[/b] or "
        "[b]input_grid=2x3..2x8[/b]. [b]AXIS:=VALUES[/b] replaces its values, such as "
        "[b]M:=log(64,4096,7)[/b]. May be repeated.",
        show_default=False,
    ),
]
DeviceOptionsOption = Annotated[
    list[str],
    typer.Option(
        "--device-option",
        "-o",
        metavar="KEY=VALUE",
        help="Option of the device kind; see [b]farm devices[/b]. May be repeated.",
        show_default=False,
    ),
]
RepeatsOption = Annotated[
    int | None, typer.Option(help="Measured launches per vector; default: the sweep's.", min=1)
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", help="Longest time of one vector, s; default: the sweep's."),
]
ChunkOption = Annotated[
    int | None,
    typer.Option("--chunk", help="Vectors per chunk; default: the sweep's.", min=1),
]
ForceOption = Annotated[
    bool, typer.Option("--force-clean", help="Delete what the directory holds and start over.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]


def make_plan(
    sweep: str,
    limits: list[str],
    repeats: int | None,
    timeout_s: float | None,
    chunk_rows: int | None,
) -> tuple[Plan, Location | None]:
    """Turn arguments into a plan.

    Returns
    -------
    tuple
        The plan, and the directory if `sweep` named one: then everything comes from its sweep.json.

    Raises
    ------
    UsageError
        If the sweep is unknown, or a directory is given with options that only a new sweep has.
    """
    if holds_sweep(sweep):
        manifest = SweepDirectory.open(sweep).manifest
        if limits or repeats or chunk_rows:
            raise UsageError(
                f"{sweep} holds a generated sweep; --limit, --repeats and --chunk cannot change it"
            )
        return plan_of(manifest, timeout_s), Location.parse(sweep)
    source = resolve_source(sweep)
    declared = limited(load_sweep(source), limits)
    return Plan(overridden(declared, repeats, timeout_s, chunk_rows), source, tuple(limits)), None


def clean_if_asked(place: Location, is_forced: bool, is_sure: bool) -> None:
    """Remove an existing sweep for ``--force-clean``, after asking.

    Raises
    ------
    UsageError
        If the directory is not a sweep's, or a run is at work in it.
    """
    if not is_forced:
        return
    names = set(open_files(place).entries())
    if not names:
        return
    if not names & {FILE_NAME, "vectors"}:
        raise UsageError(f"--force-clean: {place} is no sweep directory; nothing was deleted")
    kept = sorted(names - set(OWN_ENTRIES))
    if not is_sure:
        also = f" ({', '.join(kept)} will stay)" if kept else ""
        typer.confirm(f"Delete the sweep in {place} with all its results{also}?", abort=True)
    with run_lock(place):
        remove_sweep(place)


def generation_progress() -> Callable[[int, int], None]:
    """Make a reporter that says now and then how far a long generation is, on stderr."""
    return _now_and_then(
        lambda n_suites, n_vectors: f"generating: {n_suites:,} suites, {n_vectors:,} vectors"
    )


def judging_progress() -> Callable[[int, int], None]:
    """Make a reporter that says now and then how many candidates were judged, on stderr."""
    return _now_and_then(lambda n_judged, n: f"judging: {n_judged:,} of {n:,} candidates")


def bytes_progress() -> Callable[[int, int], None]:
    """Make a reporter that says now and then how much of large files was read, on stderr."""
    return _now_and_then(
        lambda n_read, n: (
            f"read {n_read / 1e6:,.0f} of {n / 1e6:,.0f} MB ({100 * n_read / n:.0f} %)"
        )
    )


def _now_and_then(
    text: Callable[[int, int], str], every_s: float = 5.0
) -> Callable[[int, int], None]:
    next_s = time.monotonic() + every_s

    def report(first: int, second: int) -> None:
        nonlocal next_s
        if time.monotonic() > next_s:
            next_s = time.monotonic() + every_s
            typer.echo(text(first, second), err=True)

    return report
