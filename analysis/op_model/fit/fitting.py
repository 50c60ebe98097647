"""Fit a model of one operation to its sweep, and find out how good it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.op_model.error_measures import measure_errors
from analysis.op_model.fit.coefficients import Coefficient, resampled_coefficients
from analysis.op_model.fit.cross_validation import CrossValidation, choose, cross_validate
from analysis.op_model.fit.features import SIZES, family_of
from analysis.op_model.fit.fitted_model import FittedModel, Validation, digest_of
from analysis.op_model.fit.folds import configurations
from analysis.op_model.fit.recipe_fit import Prepared, RecipeFit
from analysis.op_model.fit.recipes import recipes_of
from analysis.op_model.fit.relative_least_squares import fit_relative
from farm.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

LEAST_ROWS = 10
LEVEL = 0.9


def fit_model(
    rows: pd.DataFrame, source: str = "", n_folds: int = 5, recipe: str | None = None
) -> FittedModel:
    """Fit the rows of one operation on one architecture.

    Parameters
    ----------
    rows : DataFrame
        Canonical columns with `runtime_cycles`, see `analysis.op_model.sweep_files.reader`.
    source : str
        Where they came from, for the model's file.
    n_folds : int
        Outer folds of the cross-validation.
    recipe : str, optional
        Take this recipe instead of choosing one.

    Raises
    ------
    UsageError
        If there are several operations or architectures, too few rows or configurations, or no
        recipe of that name.
    """
    from threadpoolctl import threadpool_limits

    # Matrices of some hundred rows: threads of the linear algebra only wait for each other.
    with threadpool_limits(1):
        return _fit(rows, source, n_folds, recipe)


def _fit(rows: pd.DataFrame, source: str, n_folds: int, recipe: str | None) -> FittedModel:
    op, arch = _only(rows, "op"), _only(rows, "arch")
    units = configurations(rows)
    n_units = int(units.max()) + 1 if len(rows) else 0
    if n_units < max(LEAST_ROWS, n_folds):
        raise UsageError(
            f"{n_units} measured configurations of {op}: a fit that can be checked needs at least "
            f"{max(LEAST_ROWS, n_folds)}"
        )
    runtimes = rows["runtime_cycles"].to_numpy(np.float64)
    recipes = _prepare(rows, recipe)
    singly = cross_validate(recipes, runtimes, np.arange(len(rows)), n_folds)
    repeats = n_units < len(rows)
    together = cross_validate(recipes, runtimes, units, n_folds) if repeats else singly
    everything = np.arange(len(rows))
    choice = choose(recipes, runtimes, everything, units)
    chosen, fitted = recipes[choice.index], choice.fits[choice.index]
    predicted = chosen.predict(fitted, everything)
    return FittedModel(
        op=op,
        arch=arch,
        source=source,
        rows_digest=digest_of(rows),
        recipe=chosen.recipe.name,
        basis=chosen.basis,
        fit=fitted,
        coefficients=_coefficients(chosen, fitted, runtimes, units),
        level=LEVEL,
        log_half_width=conformal_half_width(np.log(runtimes / together.predictions), LEVEL),
        typical_deviation=_typical_deviation(fitted),
        training=measure_errors(predicted, runtimes),
        validation=_validation(singly, together, runtimes, n_folds),
        ranges={name: (int(rows[name].min()), int(rows[name].max())) for name in SIZES},
    )


def conformal_half_width(residuals: Floats, level: float) -> float:
    """Half width that covers a further residual with at least the level.

    Parameters
    ----------
    residuals : ndarray
        Of n rows that were held back, shape (n,).
    level : float
        Coverage, below 1.

    Returns
    -------
    float
        The ``ceil((n + 1) level)``-th smallest absolute residual, or the largest where n is too
        small for the level.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, ch. 2; with folds:
    Barber et al., Predictive inference with the jackknife+, Annals of Statistics 49, 2021.
    """
    n = len(residuals)
    rank = min(math.ceil((n + 1) * level), n)
    return float(np.sort(np.abs(residuals))[rank - 1])


def _only(rows: pd.DataFrame, column: str) -> str:
    values = list(dict.fromkeys(rows[column]))
    if len(values) != 1:
        named = ", ".join(map(str, values)) or "none"
        raise UsageError(f"a model is of one {column}, and these rows have {named}: split them")
    return str(values[0])


def _prepare(rows: pd.DataFrame, name: str | None) -> list[Prepared]:
    recipes = recipes_of(family_of(rows), len(rows))
    wanted = [recipe for recipe in recipes if name is None or recipe.name == name]
    if not wanted:
        raise UsageError(
            f"no recipe {name!r} for these rows; there are "
            f"{', '.join(recipe.name for recipe in recipes)}"
        )
    return [Prepared.of(recipe, rows) for recipe in wanted]


def _coefficients(
    prepared: Prepared, fitted: RecipeFit, runtimes: Floats, units: Indices
) -> tuple[Coefficient, ...]:
    def solve(part: Indices) -> Floats:
        return fit_relative(prepared.design[part], runtimes[part], prepared.basis.ridge)

    found = resampled_coefficients(
        prepared.basis.names, fitted.coefficients, solve, units, level=LEVEL
    )
    return tuple(coefficient for coefficient in found if coefficient.cycles > 0)


def _typical_deviation(fitted: RecipeFit) -> float:
    if fitted.process is None:
        return 0.0
    return float(np.median(fitted.process.deviation(fitted.process.points)))


def _validation(
    singly: CrossValidation, together: CrossValidation, runtimes: Floats, n_folds: int
) -> Validation:
    return Validation(
        n_folds=n_folds,
        rows=measure_errors(singly.predictions, runtimes),
        configurations=measure_errors(together.predictions, runtimes),
        by_recipe={
            name: measure_errors(predictions, runtimes).mape
            for name, predictions in singly.by_recipe.items()
        },
        chosen=singly.chosen,
    )
