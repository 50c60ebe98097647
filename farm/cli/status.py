"""``farm status``: how far a sweep is, from its directory alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.cli.options import JsonOption
from farm.errors import UsageError
from farm.store.directory import SweepDirectory
from farm.store.journal import is_incident
from farm.store.live import EVERY_S, Liveness, Watch, read_live
from farm.store.location import Location
from farm.store.overview import overview
from farm.view.run_state import describe_incident

_N_INCIDENTS_SHOWN = 10


def status(
    directory: Annotated[
        Location | None,
        typer.Argument(
            metavar="DIR",
            parser=Location.parse,
            help="Sweep directory, or [b]s3://BUCKET/PREFIX[/b]; none with --address.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Show the run at work, until Ctrl-C."),
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.2)] = EVERY_S,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="With --watch: end with the run's exit code.")
    ] = False,
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Ask the cluster whose head is there, or auto: the one of this machine.",
            show_default=False,
        ),
    ] = "",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Ask a cluster that lets anybody in.")
    ] = False,
    tls: Annotated[
        Path | None,
        typer.Option(
            help="Of a cluster that encrypts: folder with tls.crt, tls.key and ca.crt.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Say how far a sweep is, what became of its vectors, and what went wrong.

    Example: [b]farm status my-matmul[/b]

    Example: [b]farm status my-matmul --watch[/b]

    Example: [b]farm status --address auto[/b]
    """
    if address:
        from farm.cli.cluster_runs import show_runs

        return show_runs(address, directory, watch, every, until_end, insecure, tls, as_json)
    if directory is None:
        raise UsageError("name a sweep directory, or a cluster with --address")
    opened = SweepDirectory.open(directory)
    if watch:
        from farm.cli.watch import watch as show

        def at_rest() -> dict[str, Any]:
            return overview(opened).as_json()

        return show(lambda: read_live(opened.files), at_rest, every, as_json, until_end)
    _say_state(opened, directory, as_json)
    return 0


def _say_state(opened: SweepDirectory, directory: Location, as_json: bool) -> None:
    facts = overview(opened)
    if as_json:
        typer.echo(json.dumps(facts.as_json()))
        return
    done = facts.n_committed_vectors
    typer.echo(
        f"{facts.sweep} ({facts.op}): {done:,} of {facts.n_vectors:,} vectors committed "
        f"({100 * done / facts.n_vectors:.1f} %), {facts.n_committed_chunks:,} of "
        f"{facts.n_chunks:,} chunks"
    )
    for name, n in sorted(facts.counts.items(), key=lambda item: -item[1]):
        typer.echo(f"  {n:>12,}  {name}")
    for card, chunks in sorted(facts.chunks_by_card.items()):
        typer.echo(f"  card {card}: {chunks:,} chunks{_batch(facts.batch_by_card[card])}")
    if facts.incidents:
        n_incidents = sum(is_incident(record) for record in facts.incidents)
        typer.echo(f"incidents: {n_incidents}; more with farm incidents {directory}")
        for incident in facts.incidents[-_N_INCIDENTS_SHOWN:]:
            typer.echo(f"  {incident['time'][:19]} {describe_incident(incident)}")
    at_work = _run_at_work(opened)
    if at_work:
        typer.echo(at_work)
        typer.echo(f"to see it live: farm status {directory} --watch")
    elif done < facts.n_vectors:
        typer.echo(f"to go on: farm run {directory}")


def _run_at_work(opened: SweepDirectory) -> str:
    """Describe the run at work, as far as one look can tell."""
    seen = Watch()
    seen.see(read_live(opened.files), time.monotonic())
    if seen.latest is None or seen.liveness(time.monotonic()) is not Liveness.LIVE:
        return ""
    snapshot = seen.latest
    return (
        f"run {snapshot.run_id} is at work on {snapshot.host}: {snapshot.phase}, "
        f"{snapshot.n_done:,} vectors done"
    )


def _batch(choice: dict[str, Any]) -> str:
    """Describe the batch size that a card chose last."""
    if not choice:
        return ""
    text = f", batches of {choice['rows']:,} vectors ({choice['reason']}"
    if "fixed_s" in choice:
        text += (
            f"; read and messages cost {1e3 * choice['fixed_s']:.3g} ms per batch and "
            f"{1e6 * choice['launch_s']:.3g} us per launch, "
            f"the device {1e3 * choice['vector_s']:.3g} ms per vector"
        )
    return text + ")"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)
