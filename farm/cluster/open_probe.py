"""Who is let into a cluster, asked before this process gives it a token or takes work from it.

A Ray cluster without token authentication runs the code of anybody who reaches it.  The farm does
not join such a one unless told to, and says within seconds what is wrong where Ray would repeat a
warning for twenty.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path

from farm import access_token, ray_environment
from farm.cluster import address as addresses
from farm.cluster.address import Address
from farm.cluster.listeners import is_loopback
from farm.errors import AccessError

ADMITTED, TURNED_AWAY = "admitted", "turned away"
"""What a head says to a client, see `farm.cluster.gcs_answer`."""

LONGEST_ANSWER_S = 10.0
_CONNECT_S = 3.0
_RETRY_S = 0.5


def enter(
    environment: MutableMapping[str, str],
    text: str,
    is_insecure: bool = False,
    tls: Path | None = None,
    wait_s: float = 0.0,
) -> Address:
    """Make sure that a cluster is guarded and admits us, and set Ray's variables for joining it.

    Parameters
    ----------
    environment : MutableMapping
        Of the process that will import Ray; changed.
    text : str
        The cluster's address, see `farm.cluster.address.resolve`.
    is_insecure : bool
        Whether a cluster that lets anybody in is joined all the same.
    tls : Path or None
        Folder with certificates; None: as the environment says.
    wait_s : float
        How long the head may take to come up.

    Returns
    -------
    Address
        Of the head.

    Raises
    ------
    UsageError
        If the address, the token or the certificates cannot be used.
    AccessError
        If nobody answers there, the cluster lets anybody in, or it does not accept our token.
    """
    address = addresses.resolve(text, environment)
    if tls is not None:
        ray_environment.prepare_tls(environment, tls)
    _await_listener(address, wait_s)
    token = access_token.find(environment)  # now, for a head that has just started may have made it
    head = _ask(address, environment, None)
    is_open = head is not None
    if is_open and not is_insecure:
        raise AccessError(
            f"the cluster at {address} lets anybody in: it asks for no token, so whoever reaches "
            f"it runs code as you. Start it with farm node --head, or join it with --insecure"
        )
    if head is None:
        head = _require_admission(address, environment, token)
    if address.is_loopback and head and not is_loopback(head):
        # Asked on the head itself: the cluster knows this machine by its address in the network.
        address = Address(head, address.port)
    ray_environment.prepare_member(environment, address.is_loopback, None if is_open else token)
    environment["RAY_ADDRESS"] = str(address)
    return address


def _require_admission(
    address: Address, environment: MutableMapping[str, str], token: Path | None
) -> str:
    if token is None:
        place = access_token.default_path(environment)
        raise AccessError(
            f"the cluster at {address} asks for a token, and there is none here. Copy the head's "
            f"to {place} (mode 0600), or name its file in {access_token.PATH_VARIABLE}"
        )
    head = _ask(address, environment, token)
    if head is None:
        raise AccessError(
            f"the cluster at {address} does not accept the token in {token}. Copy the head's "
            f"token there, or name its file in {access_token.PATH_VARIABLE}"
        )
    return head


def _await_listener(address: Address, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            socket.create_connection((address.host, address.port), timeout=_CONNECT_S).close()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise AccessError(
                    f"no cluster answers at {address} ({error.strerror or error}). Start one with "
                    f"farm node --head, or check address, port and firewall"
                ) from error
            time.sleep(_RETRY_S)
        else:
            return


def _ask(address: Address, environment: MutableMapping[str, str], token: Path | None) -> str | None:
    """Ask the head, with a token or without: its address in its network, None if turned away."""
    asking = dict(environment)
    ray_environment.prepare_member(asking, address.is_loopback, token)
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-m", "farm.cluster.gcs_answer", str(address)],
            env=asking,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_ANSWER_S,
            check=False,
        )
        answer = asked.stdout.strip()
    except subprocess.TimeoutExpired:
        answer = ""
    if answer == TURNED_AWAY:
        return None
    if answer.startswith(ADMITTED):
        return answer.removeprefix(ADMITTED).strip()
    encryption = "with" if ray_environment.uses_tls(environment) else "without"
    raise AccessError(
        f"what listens at {address} does not answer as a Ray head does, asked {encryption} TLS. "
        f"Check the port; a cluster with TLS needs --tls DIR or RAY_USE_TLS and the certificates "
        f"of its own authority, and one without TLS needs neither"
    )
