"""The statistics, however the points are split and merged, give scikit-learn's line and errors."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from analysis.linear import LinearFit, solve
from analysis.moments import LineMoments
from analysis.size_means import SizeMeans

TOLERANCE = 1e-9


@st.composite
def point_sets(draw):
    """Points of a few groups: sizes near an offset, durations about a line or anywhere."""
    n = draw(st.integers(1, 60))
    offset = draw(st.sampled_from([0, 1, 1 << 20, 1 << 30]))
    spread = draw(st.sampled_from([0, 1, 3, 199, 60_000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = rng.integers(0, draw(st.integers(1, 4)), n) * 7_919_000_000_000_000_001 % 2**62
    size = (offset + rng.integers(0, spread + 1, n)).astype(float)
    slope = draw(st.sampled_from([0.0, 3e-9, 0.25, 36.6, 4e3]))
    base = draw(st.sampled_from([1.0, 612.8, 1e7]))
    noise = draw(st.sampled_from([0.0, 1e-6, 0.02, 0.5]))
    duration = base + slope * (size - offset)
    duration *= 1 + noise * rng.uniform(-1, 1, n)
    return groups.astype(np.int64), size, duration


@st.composite
def partitioned(draw):
    points = draw(point_sets())
    n = len(points[0])
    parts = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n).map(np.array))
    return points, parts


def exact_fit(x, y):
    """Ordinary least squares in rational arithmetic: slope, intercept, r2, rrmse, rmsre."""
    x, y = [Fraction(v) for v in x], [Fraction(v) for v in y]
    n = len(x)
    mx, my = sum(x) / n, sum(y) / n
    sxx = sum((a - mx) ** 2 for a in x)
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sxx
    intercept = my - slope * mx
    residuals = [b - intercept - slope * a for a, b in zip(x, y, strict=True)]
    sse, syy = sum(r * r for r in residuals), sum((b - my) ** 2 for b in y)
    r2 = 1 - sse / syy if syy else Fraction(1)
    relative = sum((r / b) ** 2 for r, b in zip(residuals, y, strict=True))
    return (
        float(slope),
        float(intercept),
        float(r2),
        sqrt(sse / n) / float(my),
        sqrt(relative / n),
    )


def scales(x, y):
    """Natural scale of each figure: its size for points that lie on no line at all."""
    slope = np.ptp(y) / np.ptp(x) or abs(y).max() / np.ptp(x)
    spread = np.ptp(y)
    return (
        slope,
        abs(y).max() + slope * abs(x).max(),
        1.0,
        spread / y.mean(),
        spread / y.min(),
    )


def figures(fit: LinearFit):
    return (fit.coefficient, fit.intercept_ns, fit.r2, fit.rrmse, fit.rmsre)


def merged(points, parts, order) -> LineMoments:
    groups, x, y = points
    return LineMoments.merge(
        [LineMoments.from_arrays(groups[parts == p], x[parts == p], y[parts == p]) for p in order]
    )


@given(partitioned(), st.permutations(range(6)))
def test_merged_moments_give_the_exact_line(case, order):
    points, parts = case
    groups, x, y = points
    moments = merged(points, parts, order)
    fits = dict(zip(moments.group_ids.tolist(), solve(moments).fits(), strict=True))
    assert set(fits) == set(groups.tolist())
    for group, fit in fits.items():
        here = groups == group
        assert fit.n == here.sum()
        assert (fit.size_min, fit.size_max) == (x[here].min(), x[here].max())
        assert fit.is_fitted == (np.ptp(x[here]) > 0)
        if not fit.is_fitted:
            assert fit.reason
            assert figures(fit) == (None,) * 5
            continue
        wanted = exact_fit(x[here], y[here])
        for value, true, scale in zip(figures(fit), wanted, scales(x[here], y[here]), strict=True):
            assert value == pytest.approx(true, rel=TOLERANCE, abs=TOLERANCE * scale)


@given(partitioned())
def test_merged_moments_equal_scikit_learn(case):
    points, parts = case
    groups, x, y = points
    moments = merged(points, parts, range(6))
    for group, fit in zip(moments.group_ids, solve(moments).fits(), strict=True):
        here = groups == group
        if not fit.is_fitted or np.ptp(y[here]) == 0:
            continue
        a, b = x[here].reshape(-1, 1), y[here]
        model = LinearRegression().fit(a, b)
        predicted = model.predict(a)
        wanted = (
            model.coef_[0],
            model.intercept_,
            r2_score(b, predicted),
            np.sqrt(np.mean((b - predicted) ** 2)) / b.mean(),
            np.sqrt(np.mean(((b - predicted) / b) ** 2)),
        )
        for value, theirs, scale in zip(figures(fit), wanted, scales(x[here], b), strict=True):
            # scikit-learn's own predictions round to the spacing of intercept and slope * x.
            largest = max(abs(model.coef_[0] * a).max(), b.max())
            rounding = 8 * np.finfo(float).eps * largest / np.ptp(b)
            limit = (TOLERANCE + rounding) * scale
            assert value == pytest.approx(theirs, rel=TOLERANCE, abs=limit)


@given(partitioned())
def test_merging_depends_neither_on_nesting_nor_on_other_groups(case):
    points, parts = case
    groups = points[0]
    flat = merged(points, parts, range(6))
    nested = LineMoments.merge(
        [merged(points, parts, range(2)), merged(points, parts, range(2, 6))]
    )
    np.testing.assert_allclose(nested.sxx, flat.sxx, rtol=1e-12)
    np.testing.assert_array_equal(nested.n, flat.n)
    own = groups == groups[0]
    alone = merged(tuple(column[own] for column in points), parts[own], range(6))
    position = flat.group_ids.tolist().index(int(groups[0]))
    assert alone.sse[0] == flat.sse[position]
    assert alone.relative[:, 0].tolist() == flat.relative[:, position].tolist()
    assert alone.mean_dx[0] == flat.mean_dx[position]


@given(partitioned())
def test_size_means_are_the_means_of_each_distinct_size(case):
    points, parts = case
    groups, x, y = points
    means = SizeMeans.merge(
        [SizeMeans.from_arrays(groups[parts == p], x[parts == p], y[parts == p]) for p in range(6)]
    )
    pairs = sorted(set(zip(groups.tolist(), x.tolist(), strict=True)))
    assert list(zip(means.group_ids.tolist(), means.sizes.tolist(), strict=True)) == pairs
    for i, (group, size) in enumerate(pairs):
        here = (groups == group) & (x == size)
        assert means.n[i] == here.sum()
        assert means.mean_ns[i] == pytest.approx(y[here].mean(), rel=1e-12)
    moments = means.line_moments()
    assert moments.n.sum() == len(pairs)
