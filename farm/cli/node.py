"""``farm node``: make this machine a node of a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.options import DeviceOptionsOption
from farm.cli.running import parse_options
from farm.errors import UsageError


def node(
    head: Annotated[
        bool, typer.Option("--head", help="Start a cluster: be the node that coordinates it.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Join the cluster whose head is there."),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="IP",
            help="Be reachable from other machines, at this address or host name; auto finds it. "
            "A head without it is reachable from this machine only.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="TCP port of a head.", min=1024, max=65535)] = 6379,
    device: Annotated[
        str | None,
        typer.Option(
            help="Offer the cards of this kind that the host has, such as cpu or sim:4; a head "
            "without it offers none.",
            show_default=False,
        ),
    ] = None,
    device_option: DeviceOptionsOption = [],  # noqa: B006 - typer needs a list
    cards: Annotated[
        int | None,
        typer.Option(help="Offer so many cards, whatever the host seems to have.", min=0),
    ] = None,
    ports: Annotated[
        str | None,
        typer.Option(metavar="FIRST-LAST", help="Ports of the other services, for a firewall."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve Prometheus metrics there. Who reaches the port reads them: no token.",
            min=1024,
            max=65535,
        ),
    ] = None,
    tls: Annotated[
        Path | None,
        typer.Option(help="Encrypt: folder with tls.crt and tls.key of this host, and ca.crt."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Start or join a cluster that lets anybody in.")
    ] = False,
    autoscaling_config: Annotated[
        Path | None, typer.Option(help="Of a head that [b]ray up[/b] starts.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return when the node is up.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop all nodes of yours on this host, and do no more.")
    ] = False,
    drain: Annotated[
        float, typer.Option(help="Seconds for chunks in hand after SIGTERM.", min=0.0)
    ] = 30.0,
    wait: Annotated[
        float, typer.Option(help="Seconds that the head may take to come up.", min=0.0)
    ] = 60.0,
) -> None:
    """Make this machine a node of a cluster, until SIGTERM or Ctrl-C.

    A cluster asks for a token: the head makes one, in ~/.ray/auth_token; copy it to the others.

    Example: [b]farm node --head --device sim:4[/b]

    Example: [b]farm node --head --listen 10.0.0.5[/b], and on every host with cards
    [b]farm node --address 10.0.0.5:6379 --device cpu[/b]
    """
    from farm.cluster import node_process
    from farm.cluster.node import NodeSettings, prepare

    if stop:
        typer.echo(f"stopped: {node_process.stop_all()}")
        return
    if head == (address is not None):
        raise UsageError("farm node: give either --head or --address HOST:PORT (or --stop)")
    settings = NodeSettings(
        n_cards=_n_cards(device, device_option, cards, head),
        head=address,
        listen=listen,
        port=port,
        ports=_port_range(ports),
        metrics_port=metrics_port,
        is_insecure=insecure,
        tls=tls,
        autoscaling_config=_for_a_head(autoscaling_config, head),
        drain_s=drain,
        wait_s=wait,
    )
    environment = dict(os.environ)
    start = prepare(settings, environment)
    typer.echo(start.announcement)
    if not detach:
        node_process.become(start, environment)
    log = node_process.detach(start, environment)
    typer.echo(f"{node_process.UP}, in the background; stop it with farm node --stop; log {log}")


def _n_cards(device: str | None, options: list[str], cards: int | None, is_head: bool) -> int:
    from farm.devices import registry

    if cards is not None:
        return cards
    if device is not None:
        return len(registry.cards(device, parse_options(options)))
    if not is_head:
        raise UsageError("farm node --address: say what it offers, with --device KIND or --cards N")
    return 0


def _port_range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal()):
        raise UsageError(f"--ports {text!r}: write FIRST-LAST, such as 20000-20999")
    return int(first), int(last)


def _for_a_head(path: Path | None, is_head: bool) -> Path | None:
    if path is not None and not is_head:
        raise UsageError("--autoscaling-config is for a head: leave it out, or give --head")
    return path


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(node)
