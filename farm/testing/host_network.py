"""A private network of pretended hosts: one network namespace each, with cables that can be cut.

The namespaces hang on processes that do nothing, so the machine's own network is never touched and
nothing is left when they end.  Needs the right to make network namespaces, see `is_possible`.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_SUBNET = "10.77.0"


@dataclass(frozen=True)
class PretendedHost:
    """A network namespace with one address.

    Attributes
    ----------
    address : str
        Its IP address.
    holder_pid : int
        The process on which the namespace hangs.
    cable : str
        The hub's end of its cable; empty for the hub.
    """

    address: str
    holder_pid: int
    cable: str = ""

    @property
    def entrance(self) -> tuple[str, ...]:
        """Command that runs a command on the host."""
        return ("nsenter", f"--target={self.holder_pid}", "--net")


def is_possible() -> bool:
    """Whether this user may make network namespaces here."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return False
    try:
        HostNetwork().close()
    except subprocess.CalledProcessError:
        return False
    return True


class HostNetwork:
    """A hub with a bridge, and hosts on cables."""

    def __init__(self) -> None:
        self._holders: list[subprocess.Popen[bytes]] = []
        self.hub = PretendedHost(f"{_SUBNET}.1", self._new_namespace())
        try:
            self._on_hub("link set lo up")
            self._on_hub("link add bridge type bridge")
            self._on_hub(f"address add {self.hub.address}/24 dev bridge")
            self._on_hub("link set bridge up")
        except subprocess.CalledProcessError:
            self.close()
            raise

    def add_host(self) -> PretendedHost:
        """Connect one more host."""
        number = len(self._holders) + 1
        host = PretendedHost(f"{_SUBNET}.{number}", self._new_namespace(), f"cable{number}")
        self._on_hub(f"link add {host.cable} type veth peer name far netns {host.holder_pid}")
        self._on_hub(f"link set {host.cable} master bridge up")
        for command in (
            "link set lo up",
            f"address add {host.address}/24 dev far",
            "link set far up",
            f"route add default via {self.hub.address}",
        ):
            _run([*host.entrance, "ip", *command.split()])
        return host

    def cut(self, host: PretendedHost) -> None:
        """Cut the cable: nothing gets through either way, and nobody is told."""
        self._on_hub(f"link set {host.cable} nomaster")

    def mend(self, host: PretendedHost) -> None:
        """Connect a host again."""
        self._on_hub(f"link set {host.cable} master bridge")

    def close(self) -> None:
        """Let go of all namespaces."""
        for holder in self._holders:
            holder.kill()
            holder.wait()
            if holder.stdout is not None:
                holder.stdout.close()
        self._holders = []

    def _new_namespace(self) -> int:
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._holders.append(holder)
        if holder.stdout is not None and not holder.stdout.readline():
            raise subprocess.CalledProcessError(holder.wait(), "unshare")
        return holder.pid

    def _on_hub(self, command: str) -> None:
        _run([*self.hub.entrance, "ip", *command.split()])


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
