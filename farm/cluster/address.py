"""Where a cluster's head is: ``HOST:PORT``, or ``auto`` on a machine that belongs to it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.cluster.listeners import is_loopback
from farm.errors import AccessError, UsageError
from farm.ray_environment import session_folder

DEFAULT_PORT = 6379
AUTO = "auto"
_RAYS_OWN_FOLDER = Path("/tmp/ray")


@dataclass(frozen=True)
class Address:
    """Of the head.

    Attributes
    ----------
    host : str
        An IP address.
    port : int
        TCP port of the head's control service.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether the cluster is on this machine alone."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def resolve(text: str, environment: Mapping[str, str]) -> Address:
    """Find the head.

    Parameters
    ----------
    text : str
        ``HOST:PORT``, ``HOST`` or ``auto``: what ``RAY_ADDRESS`` says, else the cluster that this
        machine joined last.
    environment : Mapping
        Of this process.

    Raises
    ------
    UsageError
        If the text is no address.
    AccessError
        If this machine belongs to no cluster, or the host has no address.
    """
    if text != AUTO:
        return _parse(text)
    named = environment.get("RAY_ADDRESS")
    if named and named != AUTO:
        return _parse(named)
    for folder in (session_folder("node"), _RAYS_OWN_FOLDER):
        note = folder / "ray_current_cluster"
        if note.is_file() and (noted := note.read_text().strip()):
            return _parse(noted)
    raise AccessError(
        "--address auto: this machine belongs to no cluster. Start one (farm node --head) or join "
        "one (farm node --address HOST:PORT), or write the head's HOST:PORT"
    )


def _parse(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or host.endswith(":") or (":" in host and not host.startswith("[")):
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
    if not host or not is_port or "/" in text:
        raise UsageError(f"address {text!r}: write HOST:PORT, such as 10.0.0.5:{DEFAULT_PORT}")
    return Address(host_address(host), int(port))


def host_address(host: str) -> str:
    """IP address of a host; IPv4 where it has both.

    Raises
    ------
    AccessError
        If it has none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AccessError(f"host {host!r} has no address: {error.strerror}") from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0])
