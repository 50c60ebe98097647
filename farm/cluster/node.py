"""A node of a cluster: the safe environment and the command line of its ``ray start``.

Everything is decided here, without Ray, see `farm.cluster.node_process`.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

from farm import access_token, ray_environment
from farm.cluster import open_probe
from farm.cluster.address import DEFAULT_PORT, Address, host_address
from farm.cluster.listeners import is_loopback
from farm.errors import UsageError

LOOPBACK = "127.0.0.1"
DISCOVER = "auto"
OBJECT_STORE_BYTES = 200 << 20
"""Only control messages and committed rows pass through it; Ray would take a third of the RAM."""

_N_SERVICE_PORTS = 5
_FEWEST_PORTS = 50
_NO_PORT = "65536"  # cannot be bound: the head's own metrics, which ask for no token, stay shut


@dataclass(frozen=True)
class NodeSettings:
    """What `farm node` was told.

    Attributes
    ----------
    n_cards : int
        Cards that this node offers.
    head : str or None
        Address of the head to join; None: this node is the head.
    listen : str or None
        Address to listen on: an IP address, a host name, or ``auto``. None: a head listens on
        loopback, and another node there as well if that is where its head is.
    port : int
        TCP port of a head.
    ports : tuple of int or None
        First and last port that the node's other services may use; None: any.
    metrics_port : int or None
        Port of the Prometheus endpoint, which asks for no token; None: none, but on loopback any.
    is_insecure : bool
        Whether anybody may be let in, or a cluster that lets anybody in be joined.
    tls : Path or None
        Folder with certificates; None: as the environment says.
    autoscaling_config : Path or None
        For a head that ``ray up`` starts.
    drain_s : float
        How long chunks in hand may take after SIGTERM.
    wait_s : float
        How long the head may take to come up.
    """

    n_cards: int
    head: str | None = None
    listen: str | None = None
    port: int = DEFAULT_PORT
    ports: tuple[int, int] | None = None
    metrics_port: int | None = None
    is_insecure: bool = False
    tls: Path | None = None
    autoscaling_config: Path | None = None
    drain_s: float = 30.0
    wait_s: float = 60.0


@dataclass(frozen=True)
class Start:
    """How a node is to be started.

    Attributes
    ----------
    is_loopback : bool
        Whether only this machine is to reach it.
    arguments : tuple of str
        Of ``ray start``.
    announcement : str
        One line: what becomes reachable and how it is protected.
    drain_s : float
        How long it takes at most to end after SIGTERM.
    """

    is_loopback: bool
    arguments: tuple[str, ...]
    announcement: str
    drain_s: float


def prepare(settings: NodeSettings, environment: MutableMapping[str, str]) -> Start:
    """Decide how a node starts, and set the environment in which it does.

    Parameters
    ----------
    settings : NodeSettings
        What was asked for.
    environment : MutableMapping
        Of the process that becomes the node; changed.

    Returns
    -------
    Start
        Of the node.

    Raises
    ------
    UsageError
        If token, certificates or addresses cannot be used.
    AccessError
        If the head does not answer or does not admit this node, or lets anybody in.
    """
    if settings.head is None:
        start = _prepare_head(settings, environment)
    else:
        start = _prepare_worker(settings, settings.head, environment)
    environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = f"{settings.drain_s:g}"
    if not start.is_loopback and settings.metrics_port is None:
        environment.update(
            RAY_enable_metrics_collection="0",
            DASHBOARD_METRIC_PORT=_NO_PORT,
            AUTOSCALER_METRIC_PORT=_NO_PORT,
        )
    return start


def _prepare_head(settings: NodeSettings, environment: MutableMapping[str, str]) -> Start:
    listen = settings.listen or LOOPBACK
    host = listen if listen == DISCOVER else host_address(listen)
    on_loopback = host != DISCOVER and is_loopback(host)
    _require_free(host, settings.port)
    token = None
    if not settings.is_insecure:
        token = access_token.find(environment)
        token = token or access_token.ensure(access_token.default_path(environment))
    if settings.tls is not None:
        ray_environment.prepare_tls(environment, settings.tls)
    ray_environment.prepare_member(environment, on_loopback, token)
    environment.pop("RAY_ADDRESS", None)
    arguments = ["--head", f"--port={settings.port}", "--include-dashboard=false"]
    if settings.autoscaling_config is None:
        arguments.append("--no-monitor")
    else:
        path = settings.autoscaling_config.expanduser().absolute()
        if not path.is_file():
            raise UsageError(f"--autoscaling-config {path}: there is no such file")
        arguments.append(f"--autoscaling-config={path}")
    if not on_loopback and host != DISCOVER:
        arguments.append(f"--node-ip-address={host}")
    arguments += _shared_arguments(settings)
    announcement = _announcement(host, settings, environment, token)
    return Start(on_loopback, tuple(arguments), announcement, settings.drain_s)


def _require_free(host: str, port: int) -> None:
    try:
        socket.create_server(("" if host == DISCOVER else host, port)).close()
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"--listen {host}: this host has no such address") from error
        raise UsageError(
            f"port {port} cannot be listened on at {host} ({os.strerror(error.errno or 0)}). Is a "
            f"head running here already? Write another --port, or stop it with farm node --stop"
        ) from error


def _prepare_worker(
    settings: NodeSettings, head: str, environment: MutableMapping[str, str]
) -> Start:
    address = open_probe.enter(
        environment, head, settings.is_insecure, settings.tls, settings.wait_s
    )
    host = _worker_host(settings, address)
    arguments = [f"--address={address}"]
    if not address.is_loopback and host != DISCOVER:
        arguments.append(f"--node-ip-address={host}")
    arguments += _shared_arguments(settings)
    named = environment.get(access_token.PATH_VARIABLE)
    token = Path(named) if named else None
    announcement = _announcement(host, settings, environment, token)
    return Start(address.is_loopback, tuple(arguments), announcement, settings.drain_s)


def _worker_host(settings: NodeSettings, head: Address) -> str:
    if settings.listen in {None, DISCOVER}:
        return LOOPBACK if head.is_loopback else DISCOVER
    host = host_address(str(settings.listen))
    if is_loopback(host) != head.is_loopback:
        raise UsageError(
            f"--listen {settings.listen} with a head at {head}: either both are on loopback, or "
            f"neither; nodes talk to each other in both directions"
        )
    return host


def _shared_arguments(settings: NodeSettings) -> list[str]:
    folder = ray_environment.session_folder("node")
    ray_environment.prune_sessions(folder)
    arguments = [
        f"--temp-dir={folder}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--disable-usage-stats",
    ]
    if settings.n_cards:
        arguments.append("--resources=" + json.dumps({"card": settings.n_cards}))
    if settings.metrics_port is not None:
        arguments.append(f"--metrics-export-port={settings.metrics_port}")
    if settings.ports is not None:
        arguments += _port_arguments(*settings.ports)
    return arguments


def _port_arguments(first: int, last: int) -> list[str]:
    if not 1024 <= first <= last < 1 << 16 or last - first + 1 < _FEWEST_PORTS:
        raise UsageError(
            f"--ports {first}-{last}: write at least {_FEWEST_PORTS} between 1024 and "
            f"65535, such as 20000-20999"
        )
    services = (
        "node-manager-port",
        "object-manager-port",
        "dashboard-agent-grpc-port",
        "dashboard-agent-listen-port",
        "runtime-env-agent-port",
    )
    named = [f"--{service}={first + i}" for i, service in enumerate(services)]
    return [*named, f"--min-worker-port={first + len(services)}", f"--max-worker-port={last}"]


def _announcement(
    host: str, settings: NodeSettings, environment: MutableMapping[str, str], token: Path | None
) -> str:
    guard = f"token {token}" if token else "NO token: whoever reaches it runs code as you"
    cards = f"{settings.n_cards} card{'' if settings.n_cards == 1 else 's'}"
    place = f"port {settings.port}" if settings.head is None else f"cluster {settings.head}"
    if host != DISCOVER and is_loopback(host):
        return f"node with {cards}, {place}, reachable from this machine only; {guard}"
    encryption = (
        "TLS" if ray_environment.uses_tls(environment) else "no TLS, so keep to a private network"
    )
    metrics = (
        ""
        if settings.metrics_port is None
        else f"; metrics without token on {settings.metrics_port}"
    )
    return (
        f"node with {cards}, {place}: Ray's services become reachable on every interface of this "
        f"host; {guard}; {encryption}; no dashboard, no job server{metrics}"
    )
