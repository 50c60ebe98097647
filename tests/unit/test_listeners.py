"""What processes really listen on: this one's sockets, and a child's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from farm.cluster.listeners import Listener, is_loopback, listeners, outbound, require_loopback
from farm.errors import ExposedError

CHILD = """
import socket, sys
listening = socket.create_server(("0.0.0.0", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("::ffff:10.0.0.5", False),
        ("fe80::1%eth0", False),
    ],
)
def test_loopback_is_known_in_every_spelling(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_a_loopback_listener_of_this_process_is_found_and_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        mine = [one for one in listeners(os.getpid()) if one.port == port]
    assert [(one.pid, one.address) for one in mine] == [(os.getpid(), "127.0.0.1")]
    require_loopback(mine)
    assert port not in {one.port for one in listeners(os.getpid())}


def test_a_childs_open_port_is_named_and_refused() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with pytest.raises(ExposedError, match=rf"process {child.pid}\) on 0.0.0.0:{port}"):
            require_loopback(listeners(os.getpid()))
        child.communicate("end\n")
    require_loopback(listeners(child.pid))


def test_every_exposed_listener_is_named() -> None:
    found = [
        Listener("raylet", 7, "::ffff:127.0.0.1", 1),
        Listener("agent", 8, "::", 2),
        Listener("metrics", 9, "0.0.0.0", 3),
    ]
    with pytest.raises(ExposedError) as caught:
        require_loopback(found)
    assert "agent (process 8) on [::]:2; metrics (process 9) on 0.0.0.0:3" in str(caught.value)
    assert "raylet" not in str(caught.value)


def test_connections_on_this_machine_are_not_outbound() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        assert outbound(os.getpid()) == []
