"""A real S3 service on loopback, in a process of its own, that can be told to misbehave.

The store behind it is moto's, which a lock lets handle one request at a time, so that a conditional
put is atomic as it is on the real service.  In front of it: a log of requests, and faults.  Run as
``python -m tests.bucket_server``: it prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BUCKET = "sweeps"
_CONTROL = "/-/"


@dataclass
class Fault:
    """What goes wrong with some requests.

    Attributes
    ----------
    action : str
        ``refuse``: answer with `status` and do nothing; ``lose``: do it and answer with `status`;
        ``drop``: do nothing and hang up; ``cut``: do it and hang up; ``stall``: wait first.
    method, path : str
        Of the requests meant; `path` is a part of it.
    n_times : int
        How many.
    status : int
        Of the answer.
    wait_s : float
        Of a stall.
    """

    action: str
    method: str = "PUT"
    path: str = ""
    n_times: int = 1
    status: int = 503
    wait_s: float = 0.0


@dataclass
class Server:
    """A running service, as tests see it."""

    endpoint: str
    bucket: str = BUCKET
    _faults: list[Fault] = field(default_factory=list)

    def location(self, prefix: str) -> str:
        """Return a location in the bucket."""
        return f"s3://{self.bucket}/{prefix}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which the service is found."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "us-east-1",
        }

    def requests(self) -> list[str]:
        """Requests since the last call, as ``METHOD /path?query``."""
        found: list[str] = self._ask("log")["requests"]
        return found

    def most_at_a_time(self) -> int:
        """Requests that were in flight together at most, since the last call."""
        return int(self._ask("most")["most"])

    def fail(self, *faults: Fault) -> None:
        """Have the next requests fail; without faults: none any more."""
        self._ask("faults", [asdict(fault) for fault in faults])

    def kinds(self) -> Counter[str]:
        """Count the requests since the last call by what they are."""
        return Counter(map(_kind, self.requests()))

    def _ask(self, what: str, data: Any = None) -> Any:
        content = json.dumps(data).encode()
        request = urllib.request.Request(f"{self.endpoint}{_CONTROL}{what}", data=content)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())


def _kind(request: str) -> str:
    method, _, path = request.partition(" ")
    if "list-type" in path:
        return "list"
    return {"GET": "get", "HEAD": "head", "PUT": "put", "POST": "delete", "DELETE": "delete"}[
        method
    ]


@contextmanager
def bucket_server() -> Iterator[Server]:
    """Run the service for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bucket_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the service did not start"
        server = Server(f"http://127.0.0.1:{port}")
        request = urllib.request.Request(f"{server.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()
        yield server
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


class _Front:
    """WSGI application in front of the store."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._store_lock, self._lock = threading.Lock(), threading.Lock()
        self._requests: list[str] = []
        self._faults: list[Fault] = []
        self._n_now = self._n_most = 0

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith(_CONTROL):
            return self._control(path.removeprefix(_CONTROL), environ, start)
        query = environ.get("QUERY_STRING", "")
        with self._lock:
            self._n_now += 1
            self._n_most = max(self._n_most, self._n_now)
            name = f"{environ['REQUEST_METHOD']} {path}" + (f"?{query}" if query else "")
            self._requests.append(name)
            fault = self._fault(environ["REQUEST_METHOD"], path)
        try:
            return self._answer(environ, start, fault)
        finally:
            with self._lock:
                self._n_now -= 1

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.n_times and fault.method == method and fault.path in path:
                fault.n_times -= 1
                return fault
        return None

    def _answer(self, environ: dict[str, Any], start: Any, fault: Fault | None) -> Any:
        action = fault.action if fault else "serve"
        if fault and action == "stall":
            time.sleep(fault.wait_s)
        served: tuple[Any, list[bytes]] | None = None
        if action in {"serve", "lose", "cut", "stall"}:
            served = self._serve(environ)
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if action in {"drop", "cut"}:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        if fault and action in {"refuse", "lose"}:
            start(f"{fault.status} Fault", [("Content-Length", "0")])
            return []
        assert served is not None
        start(*served[0])
        return served[1]

    def _serve(self, environ: dict[str, Any]) -> tuple[Any, list[bytes]]:
        head: list[Any] = []
        with self._store_lock:
            body = list(self._store(environ, lambda *given: head.append(given[:2])))
        return head[0], body

    def _control(self, what: str, environ: dict[str, Any], start: Any) -> list[bytes]:
        given = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        with self._lock:
            answer: dict[str, Any] = {}
            if what == "log":
                answer, self._requests = {"requests": self._requests}, []
            elif what == "most":
                answer, self._n_most = {"most": self._n_most}, 0
            else:
                self._faults = [Fault(**fault) for fault in given]
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]


def main() -> None:
    """Serve until standard input ends."""
    from moto.server import create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, _Front(create_backend_app("s3")), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)  # noqa: T201 - what the parent reads
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
