"""What a family of processes really listens on, whatever it was configured to.

Ray binds every address unless it is told otherwise in a way that it does not document, so a run
that is meant for this machine alone looks at the kernel's tables.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from farm.errors import ExposedError


@dataclass(frozen=True, order=True)
class Listener:
    """One listening TCP socket.

    Attributes
    ----------
    process : str
        Name of the process.
    pid : int
        Its number.
    address : str
        What it is bound to; ``0.0.0.0`` and ``::`` are every address of the host.
    port : int
        TCP port.
    """

    process: str
    pid: int
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.address)

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.process} (process {self.pid}) on {host}:{self.port}"


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is that of the loopback interface.

    Parameters
    ----------
    address : str
        IPv4 or IPv6; an IPv4 address may be mapped into IPv6.

    Returns
    -------
    bool
        False also for the wildcard addresses.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def listeners(pid: int) -> list[Listener]:
    """Find the listening TCP sockets of a process and of all that it started, sorted."""
    found: set[Listener] = set()
    for process in _family(pid):
        try:
            name = process.name()
            sockets = process.net_connections(kind="tcp")
        except psutil.Error:
            continue  # it has ended meanwhile
        found |= {
            Listener(name, process.pid, socket.laddr.ip, socket.laddr.port)
            for socket in sockets
            if socket.status == psutil.CONN_LISTEN
        }
    return sorted(found)


def outbound(pid: int) -> list[str]:
    """Remote ends, as ``address:port``, of a family's connections that leave this machine."""
    found: set[str] = set()
    for process in _family(pid):
        try:
            sockets = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        found |= {
            f"{socket.raddr.ip}:{socket.raddr.port}"
            for socket in sockets
            if socket.status == psutil.CONN_ESTABLISHED and not is_loopback(socket.raddr.ip)
        }
    return sorted(found)


def require_loopback(found: Iterable[Listener]) -> None:
    """Check that only this machine reaches any of the listeners.

    Raises
    ------
    ExposedError
        If one is bound to another address; the message names every one.
    """
    exposed = [listener for listener in found if not listener.is_loopback]
    if exposed:
        named = "; ".join(map(str, exposed))
        raise ExposedError(
            f"meant for this machine alone, but others can reach {named}. Nothing was run. Is "
            f"another version of Ray installed, or RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER set?"
        )


def _family(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
