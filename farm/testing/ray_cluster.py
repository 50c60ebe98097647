"""A cluster of real Ray nodes on this machine, for tests and benchmarks of losses.

Every node is a session of processes with its own raylet, see `farm.testing.ray_node`.  The cluster
has its own temporary folder with a short path, its own ports and token authentication, and leaves
no process behind.  Its nodes share the loopback interface, or each has a pretended host of its own
whose cable can be cut, see `farm.testing.host_network`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from farm import ray_environment
from farm.access_token import HOME_KEPT
from farm.testing.host_network import HostNetwork, PretendedHost
from farm.testing.ray_node import RayNode, start_node, wait_until_up

RAY_ON_LOOPBACK = (sys.executable, "-m", "farm.testing.ray_command")
RAY = (sys.executable, "-m", "ray.scripts.scripts")
OBJECT_STORE_BYTES = 80 << 20
HEALTH_CHECKS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}
"""Node deaths are noticed in about three seconds rather than fifteen."""


class RayCluster:
    """A head without cards, and nodes with cards that come and go.

    Parameters
    ----------
    environment : Mapping or None
        Variables for all nodes, over those of a safe local cluster.
    network : HostNetwork or None
        Where each node gets a host of its own, the head the hub; None: all share loopback.
    """

    _AUTOSCALER: tuple[str, ...] = ("--no-monitor",)

    def __init__(
        self, environment: Mapping[str, str] | None = None, network: HostNetwork | None = None
    ) -> None:
        self._network = network
        self._hosts: dict[str, PretendedHost] = {"head": network.hub} if network else {}
        self.folder = Path(tempfile.mkdtemp(prefix="sfc-", dir="/tmp"))
        self.environment = dict(os.environ)
        ray_environment.prepare(self.environment)
        if network:
            del self.environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]
        # Locks and logs of cards: a host of its own, as far as the cards can tell.
        (self.folder / "tmp").mkdir(mode=0o700)
        self.environment["TMPDIR"] = str(self.folder / "tmp")
        self.environment.update(environment or {})
        self.port = free_port()
        self.nodes: list[RayNode] = []
        self.head: RayNode | None = None
        self._n_started = 0

    def __enter__(self) -> RayCluster:
        try:
            self.start_head()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where the head listens, ``IP:PORT``."""
        return f"{self._host_address('head')}:{self.port}"

    @property
    def entrance(self) -> tuple[str, ...]:
        """Command that runs a command where the head is."""
        return self._entrance("head")

    @property
    def client_environment(self) -> dict[str, str]:
        """Environment of a process that is to join: the user's HOME, but the cluster's token."""
        home = self.environment.get(HOME_KEPT, self.environment["HOME"])
        return {**self.environment, "HOME": home}

    def start_head(self) -> RayNode:
        """Start the head, or start it again on the same port."""
        # Ray refuses to start a second head beside what it takes for a living one.
        (self.folder / "head" / "ray_current_cluster").unlink(missing_ok=True)
        self.head = start_node(
            [*self._start_command("head", 0), *self._head_arguments()],
            {**self.environment, **self._head_environment()},
            "head",
            self._log_path("head"),
            self._head_id(),
            self.entrance,
        )
        wait_until_up(self.head)
        return self.head

    def _head_arguments(self) -> list[str]:
        return [
            "--head",
            f"--port={self.port}",
            "--include-dashboard=false",
            "--disable-usage-stats",
            f"--system-config={json.dumps(HEALTH_CHECKS)}",
            *self._AUTOSCALER,
        ]

    def _head_environment(self) -> dict[str, str]:
        return {}

    def _head_id(self) -> str:
        return ""

    def add_nodes(self, n_nodes: int, n_cards: int = 1) -> list[RayNode]:
        """Start nodes side by side and wait for them."""
        new = [self.begin_node(n_cards) for _ in range(n_nodes)]
        for node in new:
            wait_until_up(node)
        return new

    def add_node(self, n_cards: int = 1) -> RayNode:
        """Start a node and wait for it."""
        return self.add_nodes(1, n_cards)[0]

    def begin_node(self, n_cards: int = 1) -> RayNode:
        """Start a node without waiting for it."""
        self._n_started += 1
        name = f"node{self._n_started}"
        if self._network:
            self._hosts[name] = self._network.add_host()
        node = start_node(
            [*self._start_command(name, n_cards), f"--address={self.address}"],
            self.environment,
            name,
            self._log_path(name),
            secrets.token_hex(28),
            self._entrance(name),
        )
        self.nodes.append(node)
        return node

    def cut_off(self, node: RayNode) -> None:
        """Cut the cable of a node's host."""
        if self._network:
            self._network.cut(self._hosts[node.name])

    def reconnect(self, node: RayNode) -> None:
        """Mend the cable of a node's host."""
        if self._network:
            self._network.mend(self._hosts[node.name])

    def drain(self, node: RayNode, deadline_s: int) -> subprocess.Popen[bytes]:
        """Warn a node that it will be preempted in `deadline_s` seconds; does not wait."""
        command = [
            *self.entrance, *self._ray, "drain-node",
            "--address", self.address, "--node-id", node.node_id,
            "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "preempted",
            "--deadline-remaining-seconds", str(deadline_s),
        ]  # fmt: skip
        with self._log_path("drain").open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )

    def remove_nodes(self) -> None:
        """SIGKILL every process of every node with cards."""
        for node in self.nodes:
            node.kill()
        self.nodes.clear()

    def kill_head(self) -> None:
        """SIGKILL every process of the head."""
        if self.head is not None:
            self.head.kill()

    def close(self) -> None:
        """Kill every process of the cluster and remove its folder."""
        self.remove_nodes()
        self.kill_head()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _ray(self) -> tuple[str, ...]:
        return RAY if self._network else RAY_ON_LOOPBACK

    def _host_address(self, name: str) -> str:
        return self._hosts[name].address if self._network else "127.0.0.1"

    def _entrance(self, name: str) -> tuple[str, ...]:
        return self._hosts[name].entrance if self._network else ()

    def _start_command(self, name: str, n_cards: int) -> list[str]:
        return [
            *self._ray, "start", "--block", f"--node-name={name}", "--num-cpus=0",
            f"--resources={json.dumps({'card': n_cards} if n_cards else {})}",
            f"--node-ip-address={self._host_address(name)}",
            f"--object-store-memory={OBJECT_STORE_BYTES}", f"--temp-dir={self.folder / name}",
            "--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0",
            "--include-log-monitor=false",
        ]  # fmt: skip

    def card_logs(self) -> str:
        """Return what the cards of all runs have logged."""
        logs = sorted(self.folder.glob("tmp/*/logs/*/*.log"))
        return "".join(log.read_text(errors="replace") for log in logs)

    def _log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def free_port() -> int:
    """Find a TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
