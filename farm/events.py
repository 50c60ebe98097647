"""What the driver tells the supervisor."""

from __future__ import annotations

import json
import threading
from typing import Any, BinaryIO


class Events:
    """Writes events to the supervisor, one JSON object per line.

    Parameters
    ----------
    stream : BinaryIO
        The write end of the pipe.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, event: str, **facts: Any) -> None:
        """Send one event."""
        with self._lock:
            self._stream.write(json.dumps({"event": event, **facts}).encode() + b"\n")
            self._stream.flush()
