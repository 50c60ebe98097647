"""Fits keep their promises whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

from analysis.op_model.error_measures import measure_errors
from analysis.op_model.fit.features import family_of
from analysis.op_model.fit.fitting import conformal_half_width
from analysis.op_model.fit.folds import folds
from analysis.op_model.fit.recipe_fit import Prepared
from analysis.op_model.fit.recipes import recipes_of
from analysis.op_model.fit.relative_least_squares import bootstrap, fit_relative
from analysis.op_model.fit.residual_process import _negative_log_density, fit_process
from tests.invented_sweeps import eltwise, matmul

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def problems(draw):
    generator = np.random.default_rng(draw(SEEDS))
    n, k = draw(st.integers(5, 40)), draw(st.integers(1, 6))
    design = generator.random((n, k)) * 10.0 ** generator.integers(-2, 4, k)
    runtimes = design @ generator.random(k) * np.exp(0.3 * generator.standard_normal(n)) + 1e-6
    return design, runtimes, np.full(k, 1e-7), generator


@given(problems())
def test_coefficients_are_never_negative_and_no_step_away_is_better(problem) -> None:
    design, runtimes, ridge, generator = problem
    found = fit_relative(design, runtimes, ridge)
    assert (found >= 0).all()

    def loss(coefficients):
        relative = design / runtimes[:, None]
        scale = np.sqrt(np.mean(relative**2, axis=0))
        return np.mean((1 - relative @ coefficients) ** 2) + np.sum(
            ridge * (scale * coefficients) ** 2
        )

    best = loss(found)
    for _ in range(20):
        step = np.maximum(found + 0.01 * generator.standard_normal(found.shape) * (found + 1e-3), 0)
        assert loss(step) >= best * (1 - 1e-9)


@given(problems(), st.floats(1e-3, 1e6))
def test_units_of_runtimes_and_terms_do_not_matter(problem, unit) -> None:
    design, runtimes, ridge, _ = problem
    found = fit_relative(design, runtimes, ridge)
    assert fit_relative(design, unit * runtimes, ridge) == pytest.approx(unit * found, rel=1e-6)
    assert fit_relative(unit * design, runtimes, ridge) == pytest.approx(found / unit, rel=1e-6)


@settings(max_examples=10)
@given(SEEDS, st.sampled_from(range(6)))
def test_the_order_of_rows_does_not_matter(seed, index) -> None:
    for rows in (eltwise(noise=0.05), matmul(noise=0.05)):
        recipe = recipes_of(family_of(rows), len(rows))[index]
        order = np.random.default_rng(seed).permutation(len(rows))
        everything = np.arange(len(rows))
        predictions = []
        for own in (rows, rows.iloc[order].reset_index(drop=True)):
            prepared = Prepared.of(recipe, own)
            fit = prepared.fit(own["runtime_cycles"].to_numpy(), everything)
            predictions.append(prepared.predict(fit, everything))
        assert predictions[1] == pytest.approx(predictions[0][order], rel=1e-3)


@given(SEEDS, st.integers(1, 3))
def test_gradient_of_the_density_is_its_derivative(seed, n_inputs) -> None:
    generator = np.random.default_rng(seed)
    points = generator.random((12, n_inputs)) * 4
    target = generator.standard_normal(12)
    squares = np.stack([(c[:, None] - c[None, :]) ** 2 for c in points.T]).reshape(n_inputs, -1)
    at = np.array([0.3, -2.0, *generator.normal(0.5, 0.5, n_inputs)])
    error = check_grad(
        lambda h: _negative_log_density(h, squares, target)[0],
        lambda h: _negative_log_density(h, squares, target)[1],
        at,
        epsilon=1e-6,
    )
    assert error < 1e-3 * (1 + np.linalg.norm(_negative_log_density(at, squares, target)[1]))


@given(SEEDS)
def test_a_process_without_noise_passes_through_its_data_and_ends_at_zero(seed) -> None:
    generator = np.random.default_rng(seed)
    points = generator.permutation(np.arange(12.0))[:, None]
    residuals = generator.standard_normal(12)
    process = fit_process(points, residuals, np.array([0.0, np.log(1e-7), 0.0]))
    assert process.mean(points) == pytest.approx(residuals, abs=1e-3)
    far = np.array([[1e4]])
    assert process.mean(far) == pytest.approx([0.0], abs=1e-9)
    assert process.deviation(far)[0] > 10 * process.deviation(points).max()


@given(st.lists(st.integers(0, 9), min_size=4, max_size=60), st.integers(2, 8), SEEDS)
def test_folds_partition_rows_and_split_no_unit(units, n_folds, seed) -> None:
    units = np.array([*units, 10, 11])
    held_back = []
    for learn, held in folds(units, n_folds, seed % 1000):
        assert not set(units[learn]) & set(units[held])
        assert len(learn) + len(held) == len(units)
        assert len(learn) > 0
        held_back += held.tolist()
    assert sorted(held_back) == list(range(len(units)))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=80), st.floats(0.05, 0.99))
def test_the_interval_covers_its_own_residuals_at_the_level(residuals, level) -> None:
    width = conformal_half_width(np.array(residuals), level)
    assert np.mean(np.abs(residuals) <= width) >= min(level, 1.0) - 1e-12


@given(problems())
def test_error_measures_against_their_definitions(problem) -> None:
    design, runtimes, ridge, _ = problem
    estimates = design @ fit_relative(design, runtimes, ridge)
    errors = measure_errors(estimates, runtimes)
    relative = [abs(p - y) / y for p, y in zip(estimates, runtimes, strict=True)]
    assert errors.mape == pytest.approx(100 * sum(relative) / len(relative))
    assert errors.rmsre >= errors.mape * (1 - 1e-12)
    assert errors.r2 <= 1


@settings(max_examples=10)
@given(problems())
def test_resamples_have_the_same_seed_and_never_split_a_unit(problem) -> None:
    design, runtimes, ridge, _ = problem
    units = np.arange(len(runtimes)) // 2
    drawn = []

    def solve(part):
        drawn.append(part)
        return fit_relative(design[part], runtimes[part], ridge)

    first, second = (bootstrap(solve, units, 5) for _ in range(2))
    assert first.tolist() == second.tolist()
    for part in drawn:
        for unit in np.unique(units[part]):
            rows = np.flatnonzero(units == unit)
            counts = [np.sum(part == row) for row in rows]
            assert len(set(counts)) == 1
