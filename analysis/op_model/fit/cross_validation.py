"""Nested cross-validation: the error of the whole procedure, its choice of a recipe included.

The outer folds hold rows back that nothing has seen: neither the fit nor the choice.  Within the
rest, inner folds choose the recipe.  Rows are dealt out singly (``rows``), or with all repeats of
their configuration in one fold (``configurations``): where a file measures configurations
repeatedly, only the latter says how well a configuration is known that was never measured.

References
----------
Varma and Simon, Bias in error estimation when using cross-validation for model selection, BMC
Bioinformatics 7:91, 2006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.op_model.fit.folds import folds
from analysis.op_model.fit.recipe_fit import Prepared, RecipeFit

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

N_INNER_FOLDS = 4
_FEW_ROWS = 64
_TOLERANCE = 1.02
_NEGLIGIBLE_MAPE = 0.005  # percent


@dataclass(frozen=True, eq=False)
class Choice:
    """The recipe that the inner folds chose.

    Attributes
    ----------
    index : int
        Which of the recipes.
    mape : Mapping
        Name of each recipe -> its inner error in percent.
    fits : tuple of RecipeFit
        Each recipe fitted on all rows that the choice was made from.
    """

    index: int
    mape: Mapping[str, float]
    fits: tuple[RecipeFit, ...]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Predictions of rows that were held back.

    Attributes
    ----------
    predictions : ndarray
        Cycles by the chosen recipe, shape (n,).
    by_recipe : Mapping
        Name of each recipe -> its predictions, shape (n,).
    chosen : tuple of str
        The recipe chosen in each outer fold.
    """

    predictions: Floats
    by_recipe: Mapping[str, Floats]
    chosen: tuple[str, ...]


def choose(recipes: Sequence[Prepared], runtimes: Floats, part: Indices, units: Indices) -> Choice:
    """Choose a recipe by cross-validation within a part of the rows.

    The plainest of those within 2 % of the best, or a negligible error, wins.  Of few rows, each is
    held back once on its own: with a quarter of them gone, the plain recipes would win that the
    whole does not need.  A process takes its hyperparameters from the whole part: tuning them anew
    in each fold costs most of the time.
    """
    fits = tuple(recipe.fit(runtimes, part) for recipe in recipes)
    n_folds = N_INNER_FOLDS if len(part) >= _FEW_ROWS else len(part)
    errors = np.zeros(len(recipes))
    for learn, held in folds(units[part], n_folds, seed=0):
        for i, recipe in enumerate(recipes):
            fit = recipe.fit(runtimes, part[learn], like=fits[i])
            predicted = recipe.predict(fit, part[held])
            errors[i] += np.abs(predicted / runtimes[part[held]] - 1.0).sum()
    mape = 100 * errors / len(part)
    index = int(np.argmax(mape <= _TOLERANCE * mape.min() + _NEGLIGIBLE_MAPE))
    names = [recipe.recipe.name for recipe in recipes]
    return Choice(index, dict(zip(names, mape.tolist(), strict=True)), fits)


def cross_validate(
    recipes: Sequence[Prepared], runtimes: Floats, units: Indices, n_folds: int = 5, seed: int = 0
) -> CrossValidation:
    """Predict every row by a model that has seen nothing of its fold."""
    by_recipe = np.empty((len(recipes), len(runtimes)))
    predictions = np.empty(len(runtimes))
    chosen = []
    for learn, held in folds(units, n_folds, seed):
        choice = choose(recipes, runtimes, learn, units)
        for i, (recipe, fit) in enumerate(zip(recipes, choice.fits, strict=True)):
            by_recipe[i, held] = recipe.predict(fit, held)
        predictions[held] = by_recipe[choice.index, held]
        chosen.append(recipes[choice.index].recipe.name)
    names = [recipe.recipe.name for recipe in recipes]
    return CrossValidation(predictions, dict(zip(names, by_recipe, strict=True)), tuple(chosen))
