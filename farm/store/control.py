"""``control.json``: what people ask of the run at work in a sweep directory.

Whoever can write to the sweep directory can steer its run, from any machine; the run reads the
file every few seconds and says in ``live.json`` (`farm.store.live`) what it has taken in.  One JSON
object::

    {"format": 1,
     "run_id": "20261121T175216Z",
     "requests": [
       {"sequence": 1, "token": "9f2c41d07a6b", "action": "pause", "by": "ann@head",
        "at": "2026-11-21T18:02:11+00:00"},
       {"sequence": 2, "token": "0b7e88c2d913", "action": "max_cards", "by": "bob@desk",
        "at": "2026-11-21T18:05:40+00:00", "n_cards": 4},
       {"sequence": 3, "token": "55d0c9a1e2f4", "action": "stop", "by": "ann@head",
        "at": "2026-11-21T18:30:02+00:00", "is_at_once": false}]}

``run_id``
    The run that all the requests are meant for: another run takes no notice of them, so an old
    request never stops a later run.
``sequence``
    Grows with every request, over all runs of the directory.
``token``
    Tells a request from one that somebody else wrote at the same time under the same number: the
    file that is written last stands, and who finds the own token missing asks again.
``action``
    ``stop`` (with ``is_at_once``), ``pause``, ``resume``, ``max_cards`` (with ``n_cards``).  Of
    pause and resume, and of several ``max_cards``, the last one holds; a stop is never taken back.

The file is written with `farm.store.files.Files.replace` and holds the last `MOST_KEPT` requests.
It is a message, not a record: what cannot be read counts as no request.
"""

from __future__ import annotations

import getpass
import json
import logging
import secrets
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from farm.store.files import Files

CONTROL_FILE = "control.json"
FORMAT = 1
MOST_KEPT = 64

STOP, PAUSE, RESUME, MAX_CARDS = "stop", "pause", "resume", "max_cards"
ACTIONS = frozenset({STOP, PAUSE, RESUME, MAX_CARDS})

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One request to a run.

    Attributes
    ----------
    sequence : int
        Its number.
    token : str
        Tells it from all others.
    action : str
        ``stop``, ``pause``, ``resume`` or ``max_cards``.
    by, at : str
        Who asked (user@host), and when (ISO, UTC).
    is_at_once : bool
        Of a stop: whether chunks in flight are given up.
    n_cards : int or None
        Of ``max_cards``: how many cards the run may have; None: as many as it can use.
    """

    sequence: int
    token: str
    action: str
    by: str
    at: str
    is_at_once: bool = False
    n_cards: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What all requests to a run amount to.

    Attributes
    ----------
    pause, stop, max_cards : Request or None
        The request that holds, of each kind.
    sequence : int
        Number of the last request; 0 if there was none.
    tokens : tuple of str
        Tokens of all requests taken in.
    """

    pause: Request | None = None
    stop: Request | None = None
    max_cards: Request | None = None
    sequence: int = 0
    tokens: tuple[str, ...] = ()

    @property
    def is_paused(self) -> bool:
        """Whether the run is to grant nothing for the time being."""
        return self.pause is not None

    def as_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> Wanted:
        """Read what `as_json` wrote; unknown keys are left out."""
        requests = {name: content.get(name) for name in ("pause", "stop", "max_cards")}
        return Wanted(
            **{name: _request_of(found) if found else None for name, found in requests.items()},
            sequence=int(content.get("sequence", 0)),
            tokens=tuple(content.get("tokens", ())),
        )


def wanted(requests: Iterable[Request]) -> Wanted:
    """Fold requests, in the order of their numbers, into what they amount to."""
    ordered = sorted(requests, key=lambda request: request.sequence)
    held: dict[str, Request | None] = {}
    for request in ordered:
        match request.action:
            case "pause":
                # Who asks again for what is already so does not change since when.
                held["pause"] = held.get("pause") or request
            case "resume":
                held["pause"] = None
            case "stop":
                known = held.get("stop")
                if known is None or (request.is_at_once and not known.is_at_once):
                    held["stop"] = request
            case "max_cards":
                held["max_cards"] = request
            case _:
                pass
    return Wanted(
        **held,
        sequence=max((request.sequence for request in ordered), default=0),
        tokens=tuple(request.token for request in ordered),
    )


@dataclass(frozen=True)
class ControlFile:
    """Content of control.json.

    Attributes
    ----------
    run_id : str
        The run that the requests are meant for.
    requests : tuple of Request
        In the order of their numbers.
    """

    run_id: str = ""
    requests: tuple[Request, ...] = ()

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = {
            "format": FORMAT,
            "run_id": self.run_id,
            "requests": [asdict(request) for request in self.requests],
        }
        return json.dumps(content, indent=1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes) -> ControlFile:
        """Read what `encode` wrote.

        Raises
        ------
        ValueError
            If it is no control file of a format that is known.
        """
        content = json.loads(data)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError("it is no control file of this version of the farm")
        try:
            requests = tuple(_request_of(found) for found in content["requests"])
            return ControlFile(str(content["run_id"]), requests)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is incomplete: {error}") from error

    def with_request(self, run_id: str, action: str, by: str, **more: Any) -> ControlFile:
        """Add a request to a run; those to other runs are dropped."""
        sequence = 1 + max((request.sequence for request in self.requests), default=0)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        added = Request(sequence, secrets.token_hex(6), action, by, at, **more)
        kept = self.requests if self.run_id == run_id else ()
        return ControlFile(run_id, (*kept, added)[-MOST_KEPT:])


def _request_of(content: dict[str, Any]) -> Request:
    if content["action"] not in ACTIONS:
        raise ValueError(f"{content['action']!r} is no known request")
    n_cards = content.get("n_cards")
    return Request(
        int(content["sequence"]),
        str(content["token"]),
        str(content["action"]),
        str(content["by"]),
        str(content["at"]),
        bool(content.get("is_at_once", False)),
        None if n_cards is None else int(n_cards),
    )


def read_control(files: Files) -> ControlFile:
    """Read control.json; what is not there or cannot be understood counts as no request.

    Raises
    ------
    StoreAccessError
        If the store cannot be reached.
    """
    content = files.read_if_exists(CONTROL_FILE)
    if content is None:
        return ControlFile()
    try:
        return ControlFile.decode(content)
    except ValueError as error:
        logger.warning("%s of %s counts as no request: %s", CONTROL_FILE, files.location, error)
        return ControlFile()


def wanted_of(files: Files, run_id: str) -> Wanted:
    """Read what is asked of one run.

    Raises
    ------
    StoreAccessError
        If the store cannot be reached.
    """
    found = read_control(files)
    return wanted(found.requests) if found.run_id == run_id else Wanted()


def ask(files: Files, run_id: str, action: str, **more: Any) -> Request:
    """Write a request to a run.

    Parameters
    ----------
    files : Files
        Of the sweep directory.
    run_id : str
        The run, as live.json names it.
    action : str
        ``stop``, ``pause``, ``resume`` or ``max_cards``.
    **more : Any
        ``is_at_once`` or ``n_cards``.

    Returns
    -------
    Request
        As it was written.

    Raises
    ------
    StoreAccessError
        If the store refuses.
    """
    content = read_control(files).with_request(run_id, action, who_asks(), **more)
    files.replace(CONTROL_FILE, content.encode())
    return content.requests[-1]


def who_asks() -> str:
    """Name the user and the host of this process: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"  # a container's user may have no name
    return f"{user}@{socket.gethostname()}"
