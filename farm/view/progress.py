"""What a running sweep looks like: bars on a terminal, plain lines elsewhere, JSON for machines."""

from __future__ import annotations

import json
from typing import Protocol, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from farm.store.live import Snapshot
from farm.view import live_view
from farm.view.run_state import Event, RunState, describe_incident

_PLAIN_EVERY_S = 10.0
_FRAMES_PER_S = 4.0


class View(Protocol):
    """Shows a run."""

    def __enter__(self) -> View:
        """Begin."""

    def __exit__(self, *exception: object) -> None:
        """End."""

    def show(self, event: Event, state: RunState) -> None:
        """React to an event that `state` has taken in."""


class JsonView:
    """One JSON object per event on the output.

    Parameters
    ----------
    output : TextIO
        Where to write.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def __enter__(self) -> JsonView:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""

    def show(self, event: Event, state: RunState) -> None:
        """Write the event."""
        if event["event"] != "tick":
            self._output.write(json.dumps({**event, "rate_hz": round(state.rate, 3)}) + "\n")
            self._output.flush()


class PlainView:
    """A line now and then, for logs.

    Parameters
    ----------
    output : TextIO
        Where to write.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._last_s = -_PLAIN_EVERY_S
        self._last_line = ""
        self._has_shown_end = False

    def __enter__(self) -> PlainView:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""

    def show(self, event: Event, state: RunState) -> None:
        """Write progress every ten seconds and when all is measured, everything else at once."""
        match event["event"]:
            case "progress":
                is_end = state.n_done == state.n_vectors and not self._has_shown_end
                is_due = state.clock() - self._last_s >= _PLAIN_EVERY_S
                if (is_due or is_end) and state.line() != self._last_line:
                    self._has_shown_end |= is_end
                    self._last_s, self._last_line = state.clock(), state.line()
                    self._write(state.line())
            case "incident":
                self._write(f"incident: {describe_incident(event)}")
            case "starting" | "resume" | "fitting" | "interrupt" | "waiting":
                self._write(state.phase)
            case _:
                pass

    def _write(self, text: str) -> None:
        self._output.write(text + "\n")
        self._output.flush()


class TerminalView:
    """Bars, cards and incidents, redrawn in place.

    Parameters
    ----------
    console : Console
        The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last_s = 0.0

    def __enter__(self) -> TerminalView:
        """Begin."""
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._live.stop()

    def show(self, event: Event, state: RunState) -> None:
        """Redraw, at most four times a second."""
        now_s = state.clock()
        if event["event"] in {"tick", "progress"} and now_s - self._last_s < 1 / _FRAMES_PER_S:
            return
        self._last_s = now_s
        self._live.update(self._draw(state), refresh=True)

    def _draw(self, state: RunState) -> RenderableType:
        if not state.latest:
            return Text(state.phase + " ...", style="dim")
        return live_view.draw(state.snapshot(Snapshot(run_id="")), self._live.console.height)
