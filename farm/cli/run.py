"""``farm run``: sweep, commit, fit."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from farm import plugins
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
    make_plan,
)
from farm.devices import registry
from farm.errors import DifferentSweepError, UsageError
from farm.generation import open_or_generate
from farm.progress import JsonView, PlainView, RunState, TerminalView, View, describe_incident
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory, run_lock
from farm.supervisor import EXIT_INTERRUPTED, Supervisor

FIT_CONVENTIONS = ("vectors", "size-means")


def run(
    sweep: SweepArgument,
    out: Annotated[
        Path | None,
        typer.Option(help="Sweep directory; default: ./SWEEP-sweep. It is resumed if it exists."),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="Device kind and number of cards, such as cpu or sim:4; see farm devices"
        ),
    ] = "cpu",
    device_option: Annotated[
        list[str],
        typer.Option(
            "--device-option",
            "-o",
            metavar="KEY=VALUE",
            help="Option of the device kind; see [b]farm devices[/b]. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    limit: LimitOption = [],  # noqa: B006 - typer needs a list
    repeats: RepeatsOption = None,
    timeout: TimeoutOption = None,
    chunk: ChunkOption = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Vectors per profiler read; default: adapted to the device.", min=1),
    ] = None,
    max_strikes: Annotated[
        int, typer.Option(help="Hangs or crashes after which a vector is given up.", min=1)
    ] = 2,
    fit_over: Annotated[
        str,
        typer.Option(help="Fit over all vectors, or over the mean of each size: size-means."),
    ] = "vectors",
    grace: Annotated[
        float, typer.Option(help="Seconds that cards may go on with their chunk after Ctrl-C.")
    ] = 10.0,
    open_timeout: Annotated[float, typer.Option(help="Longest opening of a card, s.")] = 120.0,
    read_timeout: Annotated[float, typer.Option(help="Longest profiler read, s.")] = 60.0,
    reset_timeout: Annotated[float, typer.Option(help="Longest reset of a card, s.")] = 180.0,
    reset_shared: Annotated[
        bool, typer.Option("--reset-shared", help="Reset a card even if other processes use it.")
    ] = False,
    deadline_floor: Annotated[
        float,
        typer.Option(help="Learned deadlines are never below this, s (nor above the timeout)."),
    ] = 1.0,
    deadline_factor: Annotated[
        float, typer.Option(help="Learned deadline over predicted time of a vector.", min=1.0)
    ] = 10.0,
    force_clean: ForceOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run a sweep: generate it if needed, measure what is missing, fit models.

    Run the same command again after an interruption: it goes on where it stopped.

    Example: [b]farm run matmul --device cpu --limit M=64..256 --out my-matmul[/b]

    Example: [b]farm run reshard --device sim:4 --limit input_grid=2x3..2x8[/b]
    """
    if fit_over not in FIT_CONVENTIONS:
        raise UsageError(f"--fit-over {fit_over!r}: write one of {', '.join(FIT_CONVENTIONS)}")
    slots = tuple(registry.cards(device, parse_options(device_option)))
    plan, existing = make_plan(sweep, limit, repeats, timeout, chunk)
    path = existing or out or Path(f"{plan.sweep.name}-sweep")
    clean_if_asked(path, force_clean, yes)
    is_new = not (path / "sweep.json").exists()
    directory = open_or_generate(path, plan, on_progress=generation_progress())
    require_same_device(directory, slots[0].kind)
    settings = RunSettings(
        directory=str(path.resolve()),
        run_id=datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        slots=slots,
        fit_over=fit_over,
        max_strikes=max_strikes,
        batch_rows=batch,
        grace_s=grace,
        resets_shared_cards=reset_shared,
        open_timeout_s=open_timeout,
        read_timeout_s=read_timeout,
        reset_timeout_s=reset_timeout,
        deadline_floor_s=deadline_floor,
        deadline_factor=deadline_factor,
    )
    with run_lock(path):
        directory.files.sweep_temporaries()
        n_chunks, n_committed = len(directory.chunks()), len(directory.committed())
        if not as_json:
            state = "new" if is_new else f"{n_committed:,} committed"
            typer.echo(
                f"{directory.manifest.sweep}: {directory.manifest.n_vectors:,} vectors in "
                f"{n_chunks:,} chunks ({state}) on {device}, in {path}"
            )
        if n_committed == n_chunks:
            return _fit_only(settings, path, as_json)
        again = shlex.join(
            ["farm", "run", str(path), "--device", device]
            + [part for option in device_option for part in ("-o", option)]
        )
        return _supervise(settings, path, as_json, again)


def _fit_only(settings: RunSettings, path: Path, as_json: bool) -> int:
    """Refresh the models of a sweep with nothing left to measure: no Ray is needed."""
    fitter = plugins.load(plugins.ANALYSIS, "linear")
    tables = [fitter(settings.directory, settings.fit_over).fits()]
    summary = fitter.publish(settings.directory, settings.fit_over, tables)
    if as_json:
        typer.echo(json.dumps({"event": "fitted", **summary}))
    else:
        typer.echo("nothing is left to measure")
        _print_models(summary, path)
        typer.echo(f"every vector is accounted for; next: farm report {path}")
    return 0


def _supervise(settings: RunSettings, path: Path, as_json: bool, again: str) -> int:
    state = RunState()
    view = _view(as_json)

    def on_event(event: dict[str, object]) -> None:
        state.feed(event)
        view.show(event, state)

    with view:
        exit_code = Supervisor(settings, on_event).run()
    if as_json:
        return exit_code
    for incident in state.incidents if isinstance(view, TerminalView) else ():
        typer.echo(f"incident: {describe_incident(incident)}")
    if state.error:
        typer.echo(f"error: {state.error}", err=True)
    if state.latest:
        typer.echo(state.line())
    if state.summary:
        _print_models(state.summary, path)
    if exit_code == 0:
        typer.echo(f"every vector is accounted for; next: farm report {path}")
    elif exit_code == EXIT_INTERRUPTED:
        typer.echo(f"interrupted; what was committed is safe. To go on: {again}")
    elif exit_code != 2:
        typer.echo(f"stopped before the end. To go on: {again}")
    return exit_code


def _print_models(summary: dict[str, object], path: Path) -> None:
    median = summary.get("median_r2")
    quality = f", median R² {median:.4f}" if isinstance(median, float) else ""
    typer.echo(
        f"models: {summary.get('n_fitted'):,} of {summary.get('n_groups'):,} groups fitted"
        f"{quality}, in {path / 'models'}"
    )


def _view(as_json: bool) -> View:
    if as_json:
        return JsonView(sys.stdout)
    if sys.stdout.isatty():
        from rich.console import Console

        return TerminalView(Console())
    return PlainView(sys.stdout)


def parse_options(texts: list[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` options.

    Raises
    ------
    UsageError
        If one has no ``=`` or is given twice.
    """
    options: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--device-option {text!r}: write KEY=VALUE")
        if key in options:
            raise UsageError(f"--device-option {key} is given twice")
        options[key] = value
    return options


def require_same_device(directory: SweepDirectory, kind: str) -> None:
    """Check that results of a directory come from the kind of device to be used.

    Raises
    ------
    DifferentSweepError
        If not.
    """
    committed = directory.committed()
    if not committed:
        return
    known = directory.result_meta(min(committed)).device.get("kind", kind)
    if known != kind:
        raise DifferentSweepError(
            f"{directory.path} holds results of device kind {known!r}, not {kind!r}; one sweep "
            f"directory holds one kind. Use --device {known}, or another --out"
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)
