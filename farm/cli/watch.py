"""The live view of ``farm status --watch``: the run at work, from its snapshots alone."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from farm.store.live import Liveness, Snapshot, Watch
from farm.view import live_view
from farm.view.run_state import duration

Source = Callable[[], Snapshot | None]
"""Reads the latest snapshot of a run."""

AtRest = Callable[[], dict[str, Any]]
"""Reads how far a sweep is from its directory, where no run is at work."""

_AT_REST_EVERY_S = 30.0


class Output(Protocol):
    """Shows what is known of a run."""

    def show(self, watch: Watch, liveness: Liveness, at_rest: dict[str, Any] | None) -> None:
        """Show it; `at_rest` is there where no run is at work."""


def follow(
    source: Source,
    at_rest: AtRest | None,
    output: Output,
    every_s: float,
    until_end: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Show a run again and again; ends with Ctrl-C, or with the run if told so.

    Returns
    -------
    int
        Exit code of the run if it has ended; 4 if it was lost.
    """
    watch = Watch()
    known: dict[str, Any] | None = None
    known_for, read_s = "", -_AT_REST_EVERY_S
    while True:
        now_s = clock()
        watch.see(source(), now_s)
        liveness, latest = watch.liveness(now_s), watch.latest
        is_at_work = liveness in {Liveness.LIVE, Liveness.UNSURE}
        key = f"{liveness} {latest.run_id if latest else ''}"
        if is_at_work or at_rest is None:
            known = None
        elif key != known_for or now_s - read_s >= _AT_REST_EVERY_S:
            known, read_s = at_rest(), now_s
        known_for = key
        output.show(watch, liveness, known)
        if until_end and not is_at_work:
            ended = latest.end if latest is not None else None
            return ended.exit_code if ended else 4 if liveness is Liveness.LOST else 0
        sleep(every_s)


def heading(watch: Watch, liveness: Liveness) -> str:
    """Say which run it is, and whether it lives."""
    snapshot = watch.latest
    if snapshot is None:
        return "no run is at work"
    age = duration(watch.age_s(time.monotonic()))
    run = f"run {snapshot.run_id} on {snapshot.host}"
    match liveness:
        case Liveness.LIVE:
            return f"{snapshot.sweep} on {snapshot.device}: {run}, as of {age} ago"
        case Liveness.UNSURE:
            return f"{run}: last heard of {age} ago by its clock; waiting for a sign of life"
        case Liveness.LOST:
            return (
                f"{run}: no sign of life for {age}: its process is gone or its host is cut off; "
                f"what was committed is safe"
            )
        case _:
            end = snapshot.end
            why = f": {end.message}" if end is not None and end.message else ""
            return f"{run} has {end.state if end else 'ended'}{why}"


def at_rest_line(facts: dict[str, Any]) -> str:
    """Say how far a sweep is of which no run is at work."""
    counts = sorted(facts["counts"].items(), key=lambda item: -item[1])
    parts = [
        f"{facts['n_committed_vectors']:,} of {facts['n_vectors']:,} vectors committed",
        *(f"{status} {n:,}" for status, n in counts),
    ]
    return ", ".join(parts)


class TerminalOutput:
    """Redrawn in place.

    Parameters
    ----------
    live : Live
        The terminal.
    """

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, watch: Watch, liveness: Liveness, at_rest: dict[str, Any] | None) -> None:
        """Redraw."""
        self._live.update(self._draw(watch, liveness, at_rest), refresh=True)

    def _draw(
        self, watch: Watch, liveness: Liveness, at_rest: dict[str, Any] | None
    ) -> RenderableType:
        title, snapshot = heading(watch, liveness), watch.latest
        if snapshot is not None and liveness in {Liveness.LIVE, Liveness.UNSURE}:
            return live_view.draw(snapshot, self._live.console.height, title)
        lines = [Text(title, style="bold")]
        if at_rest is not None:
            lines.append(Text(at_rest_line(at_rest)))
        return Group(*lines)


class PlainOutput:
    """One line at a time; the same line is not said twice.

    Parameters
    ----------
    stream : TextIO
        Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def show(self, watch: Watch, liveness: Liveness, at_rest: dict[str, Any] | None) -> None:
        """Write a line."""
        snapshot = watch.latest
        if snapshot is not None and liveness is Liveness.LIVE:
            text = live_view.line(snapshot)
        elif liveness is Liveness.UNSURE:
            text = "waiting for a sign of life of the run"
        else:
            text = heading(watch, liveness).partition("; what")[0]
            text += f"; {at_rest_line(at_rest)}" if at_rest is not None else ""
            if liveness is Liveness.LOST and self._last.startswith("run"):
                return
        if text != self._last:
            self._last = text
            self._stream.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
            self._stream.flush()


class JsonOutput:
    """One JSON object per look.

    Parameters
    ----------
    stream : TextIO
        Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, watch: Watch, liveness: Liveness, at_rest: dict[str, Any] | None) -> None:
        """Write the snapshot, with ``liveness`` and ``age_s``; or the directory's state."""
        facts: dict[str, Any] = {"liveness": liveness.value}
        if watch.latest is not None:
            age_s = round(watch.age_s(time.monotonic()), 1)
            facts |= {"age_s": age_s, **watch.latest.as_json()}
        if at_rest is not None:
            facts["directory"] = at_rest
        self._stream.write(json.dumps(facts) + "\n")
        self._stream.flush()


def watch(
    source: Source, at_rest: AtRest | None, every_s: float, as_json: bool, until_end: bool
) -> int:
    """Show a run on standard output until Ctrl-C."""
    is_terminal = sys.stdout.isatty() and not as_json
    live = Live(console=Console(), auto_refresh=False) if is_terminal else None
    output: Output
    if live is not None:
        output = TerminalOutput(live)
    else:
        output = JsonOutput(sys.stdout) if as_json else PlainOutput(sys.stdout)
    try:
        with live or nullcontext():
            return follow(source, at_rest, output, every_s, until_end)
    except KeyboardInterrupt:
        return 0
