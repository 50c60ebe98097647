"""One run of one sweep directory, as ``farm run`` and commands built on it do it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from farm import plugins
from farm.cli.options import generation_progress, judging_progress
from farm.devices import registry
from farm.devices.device import CardSlot, SelectiveKind, SettledKind
from farm.errors import DifferentSweepError, UsageError
from farm.generation import Plan, open_or_generate
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory, holds_sweep
from farm.store.files import RunLock
from farm.store.live import EVERY_S, EVERY_S_REMOTE
from farm.store.location import Location, LocationLike
from farm.supervisor import EXIT_INTERRUPTED, EXIT_STOPPED, Supervisor
from farm.view.live_writer import LiveWriter, end_of
from farm.view.progress import JsonView, PlainView, TerminalView, View
from farm.view.run_state import RunState, describe_incident


def new_run_id() -> str:
    """Name a run after the time at which it begins."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def device_arguments(device: str, device_options: Sequence[str]) -> list[str]:
    """Write the arguments that choose the same cards again."""
    return ["--device", device, *(part for option in device_options for part in ("-o", option))]


def run_plan(
    plan: Plan,
    place: LocationLike,
    settings: RunSettings,
    device: str,
    as_json: bool,
    again: Sequence[str],
) -> int:
    """Generate a sweep if needed, measure what is missing, fit models, and say so.

    Parameters
    ----------
    plan : Plan
        What the directory holds or is to hold.
    place : str, Path or Location
        The sweep directory.
    settings : RunSettings
        Of the run.
    device : str
        Device kind and number of cards as the user wrote them.
    as_json : bool
        Whether events are printed as JSON.
    again : Sequence of str
        The command that goes on after an interruption.

    Returns
    -------
    int
        Exit code, see `farm.cli.app`.

    Raises
    ------
    FarmError
        If the directory holds something else, is in use or damaged.
    """
    require_runnable(plan, settings.example_slot)
    is_new = not holds_sweep(place)
    directory = open_or_generate(
        place, plan, on_progress=generation_progress(), on_judged=judging_progress()
    )
    require_same_device(directory, settings.example_slot)
    path = directory.location
    with directory.files.lock() as lock:
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
        return _supervise(settings, directory, device, as_json, shlex.join(again), lock)


def _fit_only(settings: RunSettings, path: Location, as_json: bool) -> int:
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


def _supervise(
    settings: RunSettings,
    directory: SweepDirectory,
    device: str,
    as_json: bool,
    again: str,
    lock: RunLock,
) -> int:
    state, path = RunState(), directory.location
    view = _view(as_json)
    every_s = EVERY_S if directory.location.is_local else EVERY_S_REMOTE
    live = LiveWriter(directory.files, settings.run_id, directory.manifest.sweep, device, every_s)

    def on_event(event: dict[str, object]) -> None:
        state.feed(event)
        view.show(event, state)
        live.show(state)

    exit_code = EXIT_STOPPED
    try:
        with view:
            exit_code = Supervisor(settings, on_event, lock).run()
    finally:
        live.end(state, end_of(exit_code, state))
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
        stop = state.control.stop
        how = f"stopped by {stop.by}" if stop is not None else "interrupted"
        typer.echo(f"{how}; what was committed is safe. To go on: {again}")
    elif exit_code != 2:
        typer.echo(f"stopped before the end. To go on: {again}")
    return exit_code


def _print_models(summary: dict[str, object], path: Location) -> None:
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


def require_runnable(plan: Plan, slot: CardSlot) -> None:
    """Check that a kind of device can run a sweep at all.

    Raises
    ------
    UsageError
        If not.
    """
    kind = registry.kind(slot.kind)
    if isinstance(kind, SelectiveKind):
        kind.require_runnable(plan.sweep)


def require_same_device(directory: SweepDirectory, slot: CardSlot) -> None:
    """Check that results of a directory come from such a device as is to be used.

    Raises
    ------
    DifferentSweepError
        If not.
    """
    committed = directory.committed()
    if not committed:
        return
    info = directory.result_meta(min(committed)).device
    known = info.get("kind", slot.kind)
    if known != slot.kind:
        raise DifferentSweepError(
            f"{directory.location} holds results of device kind {known!r}, not {slot.kind!r}; one "
            f"sweep directory holds one kind. Use --device {known}, or another --out"
        )
    kind, details = registry.kind(slot.kind), info.get("details", {})
    settled = kind.settled(slot) if isinstance(kind, SettledKind) else {}
    for name, value in settled.items():
        if details.get(name, value) != value:
            raise DifferentSweepError(
                f"{directory.location} holds results with {name}={details[name]}, not {value}; "
                f"what one sweep directory holds was measured alike. Give the same device options "
                f"as before, or another --out"
            )
