"""Calibration against machines whose factors are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.soc.measured.calibration import BOUNDS, Calibration, IdealTimes, calibrate
from farm.errors import UsageError

TRUTH = {"compute": 0.7, "memory": 0.8, "cache": 1.9, "overhead": 3e-6}


def ops(rng: np.random.Generator, n: int) -> IdealTimes:
    """Ops of all kinds: ideal times from well below the overhead to a thousand times above."""
    compute_s = 10.0 ** rng.uniform(-8, -3, n)
    traffic_s = compute_s * 10.0 ** rng.uniform(-1.5, 1.5, n)
    return IdealTimes(compute_s, traffic_s, traffic_s < 2e-5)


def times(ideal: IdealTimes, truth: dict[str, float]) -> np.ndarray:
    factors = np.array([truth[name] for name in BOUNDS[:3]])
    return truth["overhead"] + (ideal.terms_s / factors[:, None]).max(axis=0)


def values(found: Calibration) -> dict[str, float]:
    return {name: factor.value for name, factor in found.factors.items()}


@given(
    compute=st.floats(0.05, 1.0),
    memory=st.floats(0.05, 1.0),
    cache=st.floats(0.3, 5.0),
    overhead=st.floats(1e-7, 2e-5),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40)
def test_the_factors_of_an_undisturbed_machine_are_found(
    compute: float, memory: float, cache: float, overhead: float, seed: int
) -> None:
    truth = {"compute": compute, "memory": memory, "cache": cache, "overhead": overhead}
    ideal = ops(np.random.default_rng(seed), 600)
    found = calibrate(ideal, times(ideal, truth))
    for name, factor in found.factors.items():
        assert factor.value == pytest.approx(truth[name], rel=5e-3), name
    assert set(found.factors) | set(found.reasons) == set(BOUNDS)


@given(seed=st.integers(0, 10_000), noise=st.floats(0.01, 0.3))
@settings(max_examples=30)
def test_noise_and_stragglers_move_the_factors_little(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    ideal = ops(rng, 2000)
    time_s = times(ideal, TRUTH) * np.exp(noise * rng.standard_normal(2000))
    time_s[rng.random(2000) < 0.03] *= 10
    found = calibrate(ideal, time_s)
    for name, factor in found.factors.items():
        assert factor.value == pytest.approx(TRUTH[name], rel=0.05 + noise / 2), name
        assert factor.low <= factor.value <= factor.high


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
@settings(max_examples=20)
def test_a_machine_that_is_slower_throughout_has_smaller_factors(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    ideal = ops(rng, 300)
    time_s = times(ideal, TRUTH) * np.exp(0.05 * rng.standard_normal(300))
    one, other = values(calibrate(ideal, time_s)), values(calibrate(ideal, scale * time_s))
    assert one.keys() == other.keys()
    for name, value in one.items():
        expected = value * scale if name == "overhead" else value / scale
        assert other[name] == pytest.approx(expected, rel=1e-2), name


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    n_trials, held = 150, dict.fromkeys(BOUNDS, 0)
    for seed in range(n_trials):
        rng = np.random.default_rng(seed)
        ideal = ops(rng, 400)
        found = calibrate(ideal, times(ideal, TRUTH) * np.exp(0.1 * rng.standard_normal(400)))
        for name, factor in found.factors.items():
            held[name] += factor.low <= TRUTH[name] <= factor.high
    # 95 % of 150 with a binomial standard error of 2.7: below 88 % would be a wrong interval.
    assert min(held.values()) >= 0.88 * n_trials, held


def test_intervals_of_clustered_ops_are_wider() -> None:
    rng = np.random.default_rng(3)
    ideal = ops(rng, 60)
    repeated = IdealTimes(
        *(np.repeat(c, 20) for c in (ideal.compute_s, ideal.traffic_s, ideal.is_resident))
    )
    # The ops of a cluster share their deviation: twenty of them know no more than one.
    deviation = np.repeat(np.exp(0.2 * rng.standard_normal(60)), 20)
    time_s = times(repeated, TRUTH) * deviation
    cluster = np.repeat(np.arange(60), 20)
    naive, honest = calibrate(repeated, time_s), calibrate(repeated, time_s, cluster)
    assert values(naive) == values(honest)
    for name in naive.factors:
        widths = [found.factors[name].high / found.factors[name].low for found in (naive, honest)]
        assert np.log(widths[1]) > 2 * np.log(widths[0])


def test_what_the_ops_do_not_tell_is_missing_with_a_reason() -> None:
    n = 50
    rng = np.random.default_rng(1)
    compute_s = 10.0 ** rng.uniform(-4, -2, n)
    ideal = IdealTimes(compute_s, compute_s / 100, np.zeros(n, bool))
    found = calibrate(ideal, compute_s / 0.6)
    assert values(found) == {"compute": pytest.approx(0.6)}
    assert found.reasons.keys() == {"memory", "cache", "overhead"}
    assert "it binds 0 ops" in found.reasons["memory"]
    assert "1 %" in found.reasons["overhead"]
    assert found.n_bound == {"compute": n, "memory": 0, "cache": 0, "overhead": 0}


def test_predictions_are_the_model() -> None:
    ideal = ops(np.random.default_rng(5), 500)
    time_s = times(ideal, TRUTH)
    found = calibrate(ideal, time_s)
    np.testing.assert_allclose(found.predicted_s(ideal), time_s, rtol=1e-3)
    expected = np.vstack(
        [
            ideal.terms_s / np.array([TRUTH[name] for name in BOUNDS[:3]])[:, None],
            np.full(500, TRUTH["overhead"]),
        ]
    ).argmax(axis=0)
    assert np.mean(found.bounds(ideal) == expected) > 0.99


@pytest.mark.parametrize("n", [1, 9])
def test_too_few_ops_are_refused(n: int) -> None:
    ideal = ops(np.random.default_rng(0), n)
    with pytest.raises(UsageError, match=f"{n} measured ops are too few"):
        calibrate(ideal, times(ideal, TRUTH))
