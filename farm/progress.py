"""What a running sweep looks like: bars on a terminal, plain lines elsewhere, JSON for machines."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from farm.store.journal import is_incident

Event = dict[str, Any]

_RATE_WINDOW_S = 20.0
_PLAIN_EVERY_S = 10.0
_FRAMES_PER_S = 4.0
_N_INCIDENTS_SHOWN = 5


@dataclass
class RunState:
    """The latest known state of a run, fed with the driver's events.

    Attributes
    ----------
    clock : Callable
        Monotonic time, seconds.
    latest : dict
        The last progress event.
    phase : str
        What the farm is doing.
    incidents : list of dict
        All journal records of this run.
    summary : dict
        The published models' summary, once there is one.
    error : str
        Why the run ended, if it did so for a fault.
    """

    clock: Callable[[], float] = time.monotonic
    latest: Event = field(default_factory=dict)
    phase: str = "starting"
    incidents: list[Event] = field(default_factory=list)
    summary: Event = field(default_factory=dict)
    error: str = ""
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def feed(self, event: Event) -> None:
        """Take in one event."""
        match event["event"]:
            case "progress":
                self.latest = event
                self.phase = "measuring"
                now_s = self.clock()
                self._samples.append((now_s, int(event["n_done"])))
                while self._samples[0][0] < now_s - _RATE_WINDOW_S:
                    self._samples.popleft()
            case "incident":
                self.incidents.append(event)
            case "fitted":
                self.summary = {k: v for k, v in event.items() if k != "event"}
            case "interrupt":
                self.phase = (
                    "stopping after the chunks in hand; Ctrl-C again stops at once"
                    if event["n"] == 1
                    else "stopping"
                )
            case "error":
                self.error = str(event["message"])
            case "starting" | "resume" | "fitting":
                self.phase = str(event["message"])
                self._samples.clear()
            case _:
                pass

    @property
    def rate(self) -> float:
        """Vectors per second over the last seconds; 0 if not known yet."""
        if len(self._samples) < 2:
            return 0.0
        (t0, n0), (t1, n1) = self._samples[0], self._samples[-1]
        return max(0.0, (n1 - n0) / (t1 - t0)) if t1 > t0 else 0.0

    @property
    def n_incidents(self) -> int:
        """Incidents of this run, without the records of how they ended."""
        return sum(is_incident(record) for record in self.incidents)

    @property
    def n_done(self) -> int:
        """Vectors with an outcome, committed or not."""
        return int(self.latest.get("n_done", 0))

    @property
    def n_vectors(self) -> int:
        """Vectors of the sweep."""
        return int(self.latest.get("n_vectors", 0))

    @property
    def eta_s(self) -> float | None:
        """Expected seconds to the end, or None if not known yet."""
        return (self.n_vectors - self.n_done) / self.rate if self.rate > 0 else None

    def line(self) -> str:
        """Describe the run in one line."""
        parts = [f"{self.n_done:,}/{self.n_vectors:,} vectors"]
        if self.rate:
            parts.append(f"{self.rate:,.3g}/s")
        if self.eta_s is not None:
            parts.append(f"ETA {duration(self.eta_s)}")
        parts += [f"{status} {n:,}" for status, n in sorted(self.latest.get("counts", {}).items())]
        if self.incidents:
            parts.append(f"incidents {self.n_incidents}")
        fits = self.latest.get("fits") or {}
        if fits.get("median_r2") is not None:
            parts.append(f"median R2 {fits['median_r2']:.4f} of {fits['n_fitted']:,} groups")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Write a duration as people do: ``8 s``, ``3:05 min``, ``2:01:10 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds_left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{seconds_left:02d} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds_left:02d} h"


def describe_incident(incident: Event) -> str:
    """Describe an incident in one line."""
    where = ", ".join(
        f"{name} {incident[key]}"
        for key, name in (("card", "card"), ("index", "vector"), ("chunk", "chunk"))
        if key in incident
    )
    lost = f" ({incident['lost_s']:.1f} s lost)" if "lost_s" in incident else ""
    return f"{incident['kind']} [{where}]: {incident.get('message', '')}{lost}"


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

    def __enter__(self) -> PlainView:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""

    def show(self, event: Event, state: RunState) -> None:
        """Write progress every ten seconds, everything else at once."""
        match event["event"]:
            case "progress":
                is_done = state.n_done == state.n_vectors
                is_due = state.clock() - self._last_s >= _PLAIN_EVERY_S
                if (is_due or is_done) and state.line() != self._last_line:
                    self._last_s, self._last_line = state.clock(), state.line()
                    self._write(state.line())
            case "incident":
                self._write(f"incident: {describe_incident(event)}")
            case "starting" | "resume" | "fitting" | "interrupt":
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

    @staticmethod
    def _draw(state: RunState) -> RenderableType:
        if not state.latest:
            return Text(state.phase + " ...", style="dim")
        bar = Table.grid(padding=(0, 1))
        eta = f"ETA {duration(state.eta_s)}" if state.eta_s is not None else ""
        rate = f"{state.rate:,.3g}/s" if state.rate else ""
        bar.add_row(
            ProgressBar(total=max(1, state.n_vectors), completed=state.n_done, width=40),
            f"{state.n_done:,}/{state.n_vectors:,} vectors",
            rate,
            eta,
        )
        return Group(bar, _cards(state), *_footer(state))


def _cards(state: RunState) -> Table:
    cards = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("card", "state"):
        cards.add_column(heading)
    for heading in ("done", "batch"):
        cards.add_column(heading, justify="right")
    colours = {"retired": "red", "recovering": "yellow", "idle": "dim", "finished": "dim"}
    for card, facts in sorted(state.latest.get("cards", {}).items()):
        doing = str(facts.get("state", ""))
        cards.add_row(
            card,
            Text(doing, style=colours.get(doing, "")),
            f"{facts.get('n_done', 0):,}",
            str(facts.get("batch_rows", "")),
        )
    return cards


def _footer(state: RunState) -> list[Text]:
    counts = state.latest.get("counts", {})
    outcomes = "  ".join(f"{status} {n:,}" for status, n in sorted(counts.items()))
    lines = [Text(f"committed: {outcomes or 'nothing yet'}")]
    fits = state.latest.get("fits") or {}
    if fits.get("median_r2") is not None:
        lines.append(
            Text(f"models: {fits['n_fitted']:,} groups, median R² {fits['median_r2']:.4f}")
        )
    if state.incidents:
        lines.append(Text(f"incidents: {state.n_incidents}", style="yellow"))
        lines += [
            Text(
                "  " + describe_incident(incident),
                style="yellow",
                overflow="ellipsis",
                no_wrap=True,
            )
            for incident in state.incidents[-_N_INCIDENTS_SHOWN:]
        ]
    if state.phase != "measuring":
        lines.append(Text(state.phase, style="bold"))
    return lines
