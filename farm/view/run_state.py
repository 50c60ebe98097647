"""The latest known state of a run, made from the events of its driver."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from farm.card_state import is_busy, is_gone
from farm.store.control import Request, Wanted
from farm.store.journal import is_incident
from farm.store.live import End, Snapshot

Event = dict[str, Any]

_RATE_WINDOW_S = 20.0
_CARD_SAMPLE_S = 2.0
_N_INCIDENTS_KEPT = 20

_CARD_FACTS = ("state", "n_done", "batch_rows", "node", "age_s", "log")


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
    metrics : list of str
        Addresses of the run's metrics.
    """

    clock: Callable[[], float] = time.monotonic
    latest: Event = field(default_factory=dict)
    phase: str = "starting"
    incidents: list[Event] = field(default_factory=list)
    summary: Event = field(default_factory=dict)
    error: str = ""
    metrics: list[str] = field(default_factory=list)
    _ending: str = ""
    _samples: deque[tuple[float, int]] = field(default_factory=deque)
    _card_samples: deque[tuple[float, dict[str, int]]] = field(default_factory=deque)
    _last_of_card: dict[str, Event] = field(default_factory=dict)

    def feed(self, event: Event) -> None:
        """Take in one event."""
        match event["event"]:
            case "progress":
                self._progress(event)
            case "incident":
                self.incidents.append(event)
                if "card" in event:
                    self._last_of_card[event["card"]] = event
            case "fitted":
                self.summary = {k: v for k, v in event.items() if k != "event"}
            case "interrupt":
                self._ending = self.phase = (
                    "stopping after the chunks in hand; Ctrl-C again stops at once"
                    if event["n"] == 1
                    else "stopping"
                )
            case "error":
                self.error = str(event["message"])
            case "metrics":
                self.metrics = list(event["addresses"])
            case "starting" | "resume" | "fitting" | "waiting":
                self.phase = str(event["message"])
                self._samples.clear()
                self._card_samples.clear()
            case _:
                pass

    def _progress(self, event: Event) -> None:
        self.latest = event
        self.phase = self._ending or phase_of(self.control, event)
        now_s = self.clock()
        self._samples.append((now_s, int(event["n_done"])))
        while self._samples[0][0] < now_s - _RATE_WINDOW_S:
            self._samples.popleft()
        if not self._card_samples or now_s - self._card_samples[-1][0] >= _CARD_SAMPLE_S:
            self._card_samples.append((now_s, self._done_by_card()))
            while self._card_samples[0][0] < now_s - _RATE_WINDOW_S:
                self._card_samples.popleft()

    def _done_by_card(self) -> dict[str, int]:
        cards = self.latest.get("cards", {})
        return {card: int(facts.get("n_done", 0)) for card, facts in cards.items()}

    @property
    def control(self) -> Wanted:
        """The requests that the run has taken in."""
        return Wanted.from_json(self.latest.get("control") or {})

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
        """Expected seconds to the end, or None if not known yet, or as long as it is paused."""
        is_known = self.rate > 0 and not self.latest.get("is_paused")
        return (self.n_vectors - self.n_done) / self.rate if is_known else None

    def snapshot(self, base: Snapshot, end: End | None = None) -> Snapshot:
        """Describe the run at this moment.

        Parameters
        ----------
        base : Snapshot
            What does not change while the run lasts.
        end : End or None
            How the run ended, if it has.
        """
        latest = self.latest
        return replace(
            base,
            phase=end.state if end else self.phase,
            n_vectors=self.n_vectors,
            n_done=self.n_done,
            n_committed=int(latest.get("n_committed", 0)),
            n_chunks=int(latest.get("n_chunks", 0)),
            n_chunks_committed=int(latest.get("n_chunks_committed", 0)),
            counts=dict(latest.get("counts", {})),
            rate_hz=0.0 if end else round(self.rate, 3),
            eta_s=None if end or self.eta_s is None else round(self.eta_s, 1),
            cards=self._cards(end is not None),
            incidents=[_without_event(record) for record in self.incidents[-_N_INCIDENTS_KEPT:]],
            n_incidents=self.n_incidents,
            fits=dict(latest.get("fits") or {}),
            cluster=latest.get("cluster"),
            metrics=list(self.metrics),
            control=self.control,
            end=end,
        )

    def _cards(self, has_ended: bool) -> dict[str, dict[str, Any]]:
        now_s = self.clock()
        earlier_s, earlier = self._card_samples[0] if self._card_samples else (now_s, {})
        described = {}
        for card, facts in sorted(self.latest.get("cards", {}).items()):
            known = {name: facts[name] for name in _CARD_FACTS if facts.get(name) is not None}
            if has_ended and not is_gone(facts):
                known["state"] = "finished"
            n_new = int(facts.get("n_done", 0)) - earlier.get(card, 0)
            is_known = card in earlier and now_s > earlier_s
            known["rate_hz"] = round(max(0.0, n_new / (now_s - earlier_s)), 3) if is_known else 0.0
            if card in self._last_of_card:
                known["incident"] = _without_event(self._last_of_card[card])
            described[card] = known
        return described

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


def phase_of(control: Wanted, progress: Event) -> str:
    """Say what a run that makes progress is doing, and who asked for it."""
    n_busy = sum(is_busy(facts) for facts in progress.get("cards", {}).values())
    if control.stop is not None:
        how = "at once" if control.stop.is_at_once else "after the chunks in flight"
        return f"stopping {how}, asked by {_asked(control.stop)}"
    if control.pause is not None:
        doing = _finishing(n_busy) if n_busy else "cards stay claimed, idle"
        return f"paused by {_asked(control.pause)}; {doing}"
    return "measuring"


def _finishing(n_busy: int) -> str:
    return "1 card finishes its chunk" if n_busy == 1 else f"{n_busy} cards finish their chunks"


def _asked(request: Request) -> str:
    return f"{request.by} since {request.at[:19].replace('T', ' ')} UTC"


def _without_event(record: Event) -> Event:
    # Stacks are long, and in the journal.
    return {key: value for key, value in record.items() if key not in {"event", "stack"}}


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
    ) or str(incident.get("node") or incident.get("host") or "")
    lost = f" ({incident['lost_s']:.1f} s lost)" if "lost_s" in incident else ""
    return f"{incident['kind']} [{where}]: {incident.get('message', '')}{lost}"
