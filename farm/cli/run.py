"""``farm run``: sweep, commit, fit."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated

import typer

from farm import logs
from farm.cli.card_choice import chosen_cards, cluster_arguments
from farm.cli.options import (
    ChunkOption,
    DeviceOptionsOption,
    ForceOption,
    JsonOption,
    LimitOption,
    RepeatsOption,
    SweepArgument,
    TimeoutOption,
    YesOption,
    clean_if_asked,
)
from farm.cli.places import out_option
from farm.cli.running import (
    device_arguments,
    new_run_id,
    require_runnable,
    run_plan,
)
from farm.cli.tt_metal import (
    Choice,
    ModuleOption,
    RootOption,
    SuiteOption,
    Target,
    TimeoutScanOption,
    run_each,
    targets,
)
from farm.errors import UsageError
from farm.settings import RunSettings
from farm.store.directory import holds_sweep
from farm.store.location import Location
from farm.supervisor import enter_cluster

_WATCHED = "Logs and metrics"
_CLUSTER = "Cards of a cluster"
FIT_CONVENTIONS = ("vectors", "size-means")


def run(
    sweep: SweepArgument = None,
    out: Annotated[
        Location | None,
        out_option(
            "Sweep directory, a path or s3://BUCKET/PREFIX; default: ./SWEEP-sweep. It is resumed "
            "if it exists."
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="Device kind and number of cards, such as cpu or sim:4; see farm devices"
        ),
    ] = "cpu",
    device_option: DeviceOptionsOption = [],  # noqa: B006 - typer needs a list
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
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Run on the cluster whose head is there, or auto: the one of this machine.",
            rich_help_panel=_CLUSTER,
            show_default=False,
        ),
    ] = "",
    max_cards: Annotated[
        int | None,
        typer.Option(
            help="Most cards of the cluster at a time; default: as many as there is work for.",
            min=1,
            rich_help_panel=_CLUSTER,
        ),
    ] = None,
    require: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=PATTERN",
            help="Use only cards whose kind, arch, firmware or driver is such, for example "
            "arch=wormhole*. May be repeated.",
            rich_help_panel=_CLUSTER,
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    wait_cards: Annotated[
        float,
        typer.Option(
            help="Seconds to wait for a card of the cluster before giving up.",
            min=1,
            rich_help_panel=_CLUSTER,
        ),
    ] = 1800.0,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Join a cluster that lets anybody in.",
            rich_help_panel=_CLUSTER,
        ),
    ] = False,
    tls: Annotated[
        Path | None,
        typer.Option(
            help="Of a cluster that encrypts: folder with tls.crt, tls.key and ca.crt.",
            rich_help_panel=_CLUSTER,
            show_default=False,
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Port of the Prometheus endpoint of a run on this machine (loopback only).",
            min=1024,
            max=65535,
            rich_help_panel=_WATCHED,
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            help="What the run's processes log: debug, info, warning (default) or error.",
            rich_help_panel=_WATCHED,
            show_default=False,
        ),
    ] = None,
    force_clean: ForceOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    tt_metal_root: RootOption = None,
    module: ModuleOption = [],  # noqa: B006 - typer needs a list
    suite: SuiteOption = [],  # noqa: B006 - typer needs a list
    timeout_scan: TimeoutScanOption = False,
) -> int:
    """Run a sweep: generate it if needed, measure what is missing, fit models.

    Run the same command again after an interruption: it goes on where it stopped.

    Example: [b]farm run matmul --device cpu --limit M=64..256 --out my-matmul[/b]

    Example: [b]farm run reshard --device sim:4 --limit input_grid=2x3..2x8[/b]

    Example: [b]farm run matmul --device sim --address auto --max-cards 16[/b]

    Example: [b]farm run --tt-metal-root ~/tt-metal --module matmul.short.matmul --device ttnn[/b]
    """
    if fit_over not in FIT_CONVENTIONS:
        raise UsageError(f"--fit-over {fit_over!r}: write one of {', '.join(FIT_CONVENTIONS)}")
    level = logs.level_of(log_level)
    require_metrics(metrics_port, address)
    if tls is not None and not address:
        raise UsageError("--tls is for a cluster: name one with --address")
    cards = chosen_cards(device, device_option, address, max_cards, require)
    choice = Choice(sweep, tt_metal_root, module, suite, timeout_scan)
    found = targets(choice, out, limit, repeats, timeout, chunk)
    for target in found:
        require_runnable(target.plan, cards.example)

    def run_target(target: Target) -> int:
        place = target.place
        settings = RunSettings(
            directory=str(place.absolute()),
            run_id=new_run_id(),
            slots=cards.slots,
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
            address=address,
            device_kind=cards.example.kind,
            device_options=cards.example.options,
            max_cards=cards.max_cards,
            requires=cards.requires,
            wait_cards_s=wait_cards,
            allows_open_cluster=insecure,
            tls=str(tls or ""),
            log_level=level,
            metrics_port=metrics_port,
        )
        if address and (force_clean or not holds_sweep(place)):
            enter_cluster(settings, dict(os.environ))  # before anything is deleted or generated
        clean_if_asked(place, force_clean, yes)
        again = ["farm", "run", str(place), *device_arguments(device, device_option)]
        again += cluster_arguments(address, max_cards, require, insecure, tls)
        return run_plan(target.plan, place, settings, device, as_json, again)

    return run_each(found, run_target)


def require_metrics(port: int | None, address: str) -> None:
    """Check that a port of metrics can be had where one was asked for.

    Raises
    ------
    UsageError
        If not.
    """
    if port is None:
        return
    if address:
        raise UsageError(
            "--metrics-port is for a run on this machine; in a cluster, farm node --metrics-port "
            "opens the endpoint of a node"
        )
    if not all(importlib.util.find_spec(name) for name in ("aiohttp", "prometheus_client")):
        raise UsageError(
            "--metrics-port: Ray's metrics need more of Ray than is installed; "
            "pip install 'sweepfarm[metrics]'"
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)
