from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farm.card.deadlines import MIN_SEEN, PATIENCE, DeadlineModel


def deadline(model: DeadlineModel, group: int, size: float, is_trial: bool = False) -> float:
    return float(model.deadlines_s(np.array([group]), np.array([size]), is_trial)[0])


def learned(
    model: DeadlineModel, group: int, n: int, size: float, wall_s: float, is_measured: bool = True
) -> DeadlineModel:
    every = np.full(n, is_measured)
    model.learn(np.full(n, group), np.full(n, size), np.full(n, wall_s), every)
    return model


def test_until_anything_is_known_the_timeout_holds() -> None:
    model = learned(DeadlineModel(30.0, 1.0, 10.0), 1, MIN_SEEN - 1, 10.0, 0.001)
    assert deadline(model, 1, 10.0) == 30.0


def test_a_known_group_has_the_floor_or_its_prediction() -> None:
    model = learned(DeadlineModel(30.0, 1.0, 10.0), 1, MIN_SEEN, 10.0, 0.2)
    assert deadline(model, 1, 10.0) == 2.0
    assert deadline(model, 1, 1.0) == 2.0  # never less than the longest that was seen
    assert deadline(model, 1, 50.0) == 10.0
    assert deadline(model, 1, 1e9) == 30.0
    fast = learned(DeadlineModel(30.0, 1.0, 10.0), 1, MIN_SEEN, 10.0, 1e-4)
    assert deadline(fast, 1, 10.0) == 1.0


def test_an_unknown_group_borrows_from_all_with_patience() -> None:
    model = learned(DeadlineModel(30.0, 1.0, 10.0), 1, MIN_SEEN, 10.0, 1e-4)
    assert deadline(model, 2, 10.0) == PATIENCE
    assert deadline(model, 1, 10.0, is_trial=True) == PATIENCE


def test_vectors_that_fail_at_once_do_not_tighten_deadlines() -> None:
    model = learned(DeadlineModel(30.0, 1.0, 10.0), 1, 5, 10.0, 1e-4, is_measured=False)
    assert deadline(model, 1, 10.0) == 30.0
    learned(model, 1, MIN_SEEN, 10.0, 0.2)
    assert deadline(model, 1, 10.0) == 2.0
    # One that failed late shows how long such a vector may take.
    learned(model, 1, 1, 10.0, 0.5, is_measured=False)
    assert deadline(model, 1, 10.0) == 5.0


@given(
    walls=st.lists(st.floats(1e-6, 100.0), min_size=1, max_size=20),
    size=st.floats(0.0, 1e6),
    floor_s=st.floats(0.01, 10.0),
)
def test_deadlines_stay_between_what_was_seen_and_the_timeout(
    walls: list[float], size: float, floor_s: float
) -> None:
    model = DeadlineModel(60.0, floor_s, 10.0)
    every = np.full(len(walls), True)
    model.learn(np.zeros(len(walls), int), np.full(len(walls), size), np.array(walls), every)
    found = deadline(model, 0, size)
    assert min(60.0, floor_s, 10.0 * max(walls)) <= found <= 60.0
    assert found >= min(60.0, max(walls))
