"""Lines and the reasons why there is none."""

import numpy as np
import pytest

from analysis.linear import solve
from analysis.moments import LineMoments


def fit(x, y):
    x, y = np.array(x, float), np.array(y, float)
    return solve(LineMoments.from_arrays(np.zeros(len(x), np.int64), x, y)).fits()[0]


def test_two_points_fit_exactly():
    line = fit([10, 20], [105, 205])
    assert (line.coefficient, line.intercept_ns) == (10.0, 5.0)
    assert (line.r2, line.rrmse, line.rmsre, line.reason) == (1.0, 0.0, 0.0, "")
    assert line.predict_ns(30) == 305.0


def test_raw_sums_would_be_wrong_by_percents_here():
    x = 2.0**30 + np.arange(200)
    line = fit(x, 5.0 + 3e-9 * (x - 2.0**30))
    assert line.coefficient == pytest.approx(3e-9, rel=1e-6)  # what the sums in y can resolve
    assert line.r2 > 1 - 1e-6


def test_a_constant_duration_is_a_perfect_flat_line():
    line = fit([1, 2, 3], [7, 7, 7])
    assert (line.coefficient, line.intercept_ns, line.r2, line.rrmse) == (0.0, 7.0, 1.0, 0.0)


def test_one_point_gives_a_reason():
    line = fit([64], [100])
    assert line.reason == "1 point: a line needs at least 2"
    assert (line.coefficient, line.r2, line.n, line.size_min) == (None, None, 1, 64.0)
    with pytest.raises(ValueError, match="needs at least 2"):
        line.predict_ns(1)


def test_constant_size_gives_a_reason():
    assert fit([64] * 12, range(1, 13)).reason == "all 12 points have size 64"


def test_a_zero_duration_has_no_relative_error_but_a_line():
    line = fit([1, 2, 3], [0, 1, 2])
    assert line.coefficient == 1.0
    assert line.rmsre is None
    assert "relative error" in line.reason
    assert line.rrmse == 0.0


def test_relative_errors_follow_their_formulas():
    line = fit([1, 2, 3, 4], [2, 3, 7, 6])
    # By hand: slope 8/5... mean x 2.5, mean y 4.5, sxx 5, sxy 8, so p = 0.5 + 1.6 x.
    residuals = np.array([2 - 2.1, 3 - 3.7, 7 - 5.3, 6 - 6.9])
    assert line.coefficient == pytest.approx(1.6)
    assert line.intercept_ns == pytest.approx(0.5)
    assert line.rrmse == pytest.approx(np.sqrt(np.mean(residuals**2)) / 4.5)
    assert line.rmsre == pytest.approx(np.sqrt(np.mean((residuals / [2, 3, 7, 6]) ** 2)))
    assert line.r2 == pytest.approx(1 - (residuals**2).sum() / 17)
