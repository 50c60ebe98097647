"""Pareto fronts against the definition: a point is on the front if no other dominates it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.soc.explore.pareto import RunningFront, front, is_dominated


def dominates(a, b):
    return bool((a >= b).all() and (a > b).any())


def brute_front(values):
    return [
        i for i, point in enumerate(values) if not any(dominates(other, point) for other in values)
    ]


def shapes(most_rows=40):
    return st.tuples(st.integers(0, most_rows), st.integers(1, 5))


# Few distinct values: ties and copies in every column.
tied = hnp.arrays(np.float64, shapes(), elements=st.integers(-2, 2).map(float))
spread = hnp.arrays(np.float64, shapes(), elements=st.floats(-1e300, 1e300))


@given(tied)
def test_the_front_with_ties(values):
    assert front(values).tolist() == brute_front(values)


@given(spread)
def test_the_front_of_any_finite_points(values):
    assert front(values).tolist() == brute_front(values)


@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("is_balanced", [False, True])
def test_the_front_where_dividing_pays(n_columns, is_balanced):
    values = np.random.default_rng(n_columns).random((2500, n_columns)).round(2)
    if is_balanced:  # what one column gains the others lose: most points are on the front
        values = (values - values.mean(axis=1, keepdims=True)).round(3)
    on_front = [
        i
        for i, point in enumerate(values)
        if not ((values >= point).all(axis=1) & (values > point).any(axis=1)).any()
    ]
    assert front(values).tolist() == on_front


@given(tied, st.integers(0, 40))
def test_dominated_by_a_front(values, n_by):
    by, points = values[:n_by], values[n_by:]
    by = by[front(by)]
    expected = [any(dominates(a, b) for a in by) for b in points]
    assert is_dominated(by, points).tolist() == expected


@given(tied, st.lists(st.integers(1, 9), max_size=20))
def test_a_front_in_pieces_is_the_front_of_the_whole(values, sizes):
    running = RunningFront(values.shape[1], 1)
    labels = np.arange(len(values), dtype=float)[:, None]
    start = 0
    for size in [*sizes, len(values)]:
        running.add(values[start : start + size], labels[start : start + size])
        start += size
    points, kept = running.result()
    assert sorted(kept[:, 0].tolist()) == brute_front(values)
    assert np.array_equal(points, values[kept[:, 0].astype(int)])


@pytest.mark.parametrize("values", [np.array([[np.nan, 1.0]]), np.empty((3, 0)), np.zeros(3)])
def test_points_that_cannot_be_compared_are_refused(values):
    with pytest.raises(ValueError, match="finite"):
        front(values)
