"""What is told of a running sweep."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from farm.view.progress import JsonView, PlainView
from farm.view.run_state import Event, RunState, describe_incident, duration


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def progress(n_done: int, **more: Any) -> Event:
    return {"event": "progress", "n_done": n_done, "n_vectors": 1000, **more}


def fed(state: RunState, clock: Clock, *events: Event, every_s: float = 1.0) -> RunState:
    for event in events:
        state.feed(event)
        clock.now_s += every_s
    return state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> RunState:
    return RunState(clock)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (185, "3:05 min"),
        (3599.6, "1:00:00 h"),
        (7270, "2:01:10 h"),
        (100 * 3600, "100:00:00 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nothing_is_known_at_first(state: RunState) -> None:
    assert (state.n_done, state.n_vectors, state.rate, state.eta_s) == (0, 0, 0.0, None)
    assert state.line() == "0/0 vectors"


def test_rate_and_end_from_the_last_seconds(state: RunState, clock: Clock) -> None:
    fed(state, clock, progress(0), progress(10), progress(20))
    assert state.rate == 10.0
    assert state.eta_s == 98.0
    assert state.line() == "20/1,000 vectors, 10/s, ETA 1:38 min"
    # What was slow long ago counts no more.
    clock.now_s += 60
    fed(state, clock, progress(100), progress(150))
    assert state.rate == 50.0


def test_a_rate_is_never_negative(state: RunState, clock: Clock) -> None:
    fed(state, clock, progress(100), progress(90))
    assert state.rate == 0.0
    assert state.eta_s is None


def test_two_events_at_the_same_instant(state: RunState, clock: Clock) -> None:
    fed(state, clock, progress(1), progress(5), every_s=0.0)
    assert state.rate == 0.0


def test_a_resumed_run_measures_its_rate_anew(state: RunState, clock: Clock) -> None:
    fed(state, clock, progress(0), progress(500), {"event": "resume", "message": "again"})
    assert (state.rate, state.phase) == (0.0, "again")
    fed(state, clock, progress(500), progress(501))
    assert (state.rate, state.phase) == (1.0, "measuring")


def test_phases_errors_incidents_and_summary(state: RunState, clock: Clock) -> None:
    events: list[Event] = [
        {"event": "starting", "message": "starting Ray"},
        {"event": "incident", "kind": "hang", "card": "sim:0"},
        {"event": "incident", "kind": "recovered", "card": "sim:0"},
        {"event": "fitted", "n_groups": 3},
        {"event": "error", "message": "no card is left"},
        {"event": "something new"},
    ]
    fed(state, clock, *events)
    assert state.phase == "starting Ray"
    assert (len(state.incidents), state.n_incidents) == (2, 1)
    assert state.summary == {"n_groups": 3}
    assert state.error == "no card is left"
    fed(state, clock, {"event": "interrupt", "n": 1})
    assert "Ctrl-C again stops at once" in state.phase
    fed(state, clock, {"event": "interrupt", "n": 2})
    assert state.phase == "stopping"


def test_the_line_says_everything(state: RunState, clock: Clock) -> None:
    counts = {"OK": 1200, "HANG": 1}
    event = progress(7, counts=counts, fits={"median_r2": 0.98765, "n_fitted": 1234})
    fed(state, clock, event, {"event": "incident", "kind": "hang"})
    assert state.line() == (
        "7/1,000 vectors, HANG 1, OK 1,200, incidents 1, median R2 0.9877 of 1,234 groups"
    )


def test_incidents_in_one_line() -> None:
    incident = {"kind": "hang", "card": "sim:0", "index": 7, "message": "slow", "lost_s": 2.04}
    assert describe_incident(incident) == "hang [card sim:0, vector 7]: slow (2.0 s lost)"
    assert describe_incident({"kind": "close"}) == "close []: "


def test_json_events_are_lines(state: RunState, clock: Clock) -> None:
    out = io.StringIO()
    with JsonView(out) as view:
        for event in (progress(0), {"event": "tick"}, progress(10)):
            fed(state, clock, event)
            view.show(event, state)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["n_done"], line["rate_hz"]) for line in lines] == [(0, 0.0), (10, 5.0)]


def test_plain_lines_are_few(state: RunState, clock: Clock) -> None:
    out = io.StringIO()
    with PlainView(out) as view:
        for n_done in range(0, 1001, 50):
            event = progress(n_done)
            fed(state, clock, event)
            view.show(event, state)
        # Commits and fits go on, and the rate falls, when all is measured.
        for _ in range(5):
            fed(state, clock, progress(1000))
            view.show(progress(1000), state)
    lines = out.getvalue().splitlines()
    # At 1 s, 11 s and 21 s, the last of which is also the end.
    assert [line.split()[0] for line in lines] == ["0/1,000", "500/1,000", "1,000/1,000"]
