"""How many cards a run is worth: bounds, and whole runs on simulated time."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from farm.cluster.demand import FIRST_CARDS, Pace, Starts, Work, wanted_cards

COUNTS = st.integers(0, 10_000)
WORKS = st.builds(
    Work,
    n_left=COUNTS,
    n_at_work=st.integers(0, 300),
    chunk_s=st.none() | st.floats(0.0, 1e4),
    start_s=st.floats(0.0, 1e3),
    max_cards=st.none() | st.integers(0, 500),
    n_second_goes=st.integers(0, 5),
    n_places=st.none() | st.integers(0, 500),
)


@given(WORKS, st.integers(0, 500))
def test_never_more_than_there_is_work_for(work: Work, n_wanted: int) -> None:
    n_now = wanted_cards(work, n_wanted)
    assert 0 <= n_now <= (work.n_left + work.n_second_goes if work.n_left else 0)
    assert work.max_cards is None or n_now <= work.max_cards
    assert work.n_places is None or n_now <= work.n_places
    assert n_now <= max(n_wanted, work.n_at_work + max(FIRST_CARDS, work.n_at_work))
    if work.n_left and 0 not in (work.max_cards, work.n_places):
        assert n_now >= 1
    assert wanted_cards(work, n_now) == n_now


@given(WORKS, st.integers(0, 500))
def test_who_is_asked_for_finds_work_on_arrival(work: Work, n_wanted: int) -> None:
    n_now = wanted_cards(work, n_wanted)
    is_growing = n_now > max(n_wanted, 1 + work.n_second_goes, work.n_at_work)
    if not is_growing or not work.chunk_s:
        return
    # The cards at work have done this much by the time that the others start.
    n_left = work.n_left - work.n_at_work * work.start_s / work.chunk_s
    n_new = n_now - work.n_at_work
    assert n_new <= n_left * (1 + 1e-9)
    assert n_new * work.start_s <= n_left * work.chunk_s * (1 + 1e-9)


@given(st.integers(1, 5), st.integers(0, 4), st.floats(0.0, 1e3))
def test_a_straggler_in_the_tail_brings_another_card(
    n_left: int, n_second_goes: int, start_s: float
) -> None:
    # However long a start takes: what holds the last chunk up may do so for ever.
    work = Work(n_left, 1, 1.0, start_s, n_second_goes=n_second_goes)
    assert wanted_cards(work, 1) >= 1 + n_second_goes


@given(
    n_chunks=st.integers(1, 300),
    chunk_s=st.floats(0.5, 60.0),
    start_s=st.floats(0.0, 120.0),
    n_places=st.integers(1, 40),
    max_cards=st.none() | st.integers(1, 40),
)
def test_a_whole_run_grows_once_shrinks_once_and_ends_at_zero(
    n_chunks: int, chunk_s: float, start_s: float, n_places: int, max_cards: int | None
) -> None:
    """Cards come `start_s` after they are wanted, as long as the cluster has places."""
    now_s, n_left, n_wanted, step_s = 0.0, n_chunks, 0, chunk_s / 4
    arrivals: list[float] = []
    busy_until: list[float] = []
    pace = Pace()
    history: list[int] = []
    while n_left:
        done = [end_s for end_s in busy_until if end_s <= now_s]
        n_left -= len(done)
        n_cards = sum(at <= now_s for at in arrivals[:n_places])
        pace = pace.observed(now_s, len(busy_until), n_chunks - n_left)
        busy_until = [end_s for end_s in busy_until if end_s > now_s]
        work = Work(n_left, n_cards, pace.chunk_s, start_s, max_cards)
        n_wanted = wanted_cards(work, n_wanted)
        history.append(n_wanted)
        arrivals += [now_s + start_s] * (n_wanted - len(arrivals))
        del arrivals[n_wanted:]
        n_new = min(n_left, len(arrivals[:n_places]), n_cards) - len(busy_until)
        busy_until += [now_s + chunk_s] * n_new
        now_s += step_s
        assert now_s < (n_chunks + 2) * (chunk_s + start_s + step_s)
    falls = [i for i, (a, b) in enumerate(pairwise(history)) if b < a]
    if falls:
        assert history[falls[0] :] == sorted(history[falls[0] :], reverse=True)
    assert wanted_cards(Work(0, n_cards, pace.chunk_s, start_s, max_cards), n_wanted) == 0


@given(
    chunk_s=st.floats(0.5, 100.0),
    n_cards=st.integers(1, 20),
    n_looks=st.integers(100, 400),
)
def test_the_pace_is_the_time_of_one_card_per_chunk(
    chunk_s: float, n_cards: int, n_looks: int
) -> None:
    pace, step_s = Pace(), chunk_s / 10
    for look in range(n_looks):
        pace = pace.observed(look * step_s, n_cards, int(look * step_s * n_cards / chunk_s + 1e-9))
    assert pace.chunk_s is not None
    assert 0.5 * chunk_s < pace.chunk_s < 2 * chunk_s


def test_a_pace_that_faded_says_nothing() -> None:
    pace = Pace().observed(0.0, 0, 0).observed(1.0, 1, 4)
    assert pace.chunk_s is not None
    assert pace.observed(1000.0, 0, 4).chunk_s is None


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=30))
def test_the_expected_start_is_one_of_the_latest(seconds: list[float]) -> None:
    starts = Starts()
    for start_s in seconds:
        starts = starts.observed(start_s)
    assert starts.expected_s in seconds[-9:]
