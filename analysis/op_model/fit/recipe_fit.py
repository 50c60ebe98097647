"""Fit one recipe to some rows: coefficients of the terms, and the process of what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.op_model.fit.basis import Basis
from analysis.op_model.fit.recipes import Recipe
from analysis.op_model.fit.relative_least_squares import fit_relative
from analysis.op_model.fit.residual_process import ResidualProcess, fit_process

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_LEAST_SHARE = 0.01  # of the shortest runtime: what no estimate falls below


@dataclass(frozen=True, eq=False)
class RecipeFit:
    """A fitted recipe, apart from where its numbers come from.

    Attributes
    ----------
    coefficients : ndarray
        Cycles per unit of each term, shape (k,).
    floor_cycles : float
        Least value of the linear part.
    process : ResidualProcess or None
        Of the logarithmic residuals.
    """

    coefficients: Floats
    floor_cycles: float
    process: ResidualProcess | None

    def predict(self, design: Floats, points: Floats | None) -> Floats:
        """Cycles of rows with terms (n, k) and inputs (n, d), shape (n,)."""
        cycles = np.maximum(design @ self.coefficients, self.floor_cycles)
        if self.process is None or points is None:
            return cycles
        return np.asarray(cycles * np.exp(self.process.mean(points)))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A recipe's numbers of all rows, to be fitted on many parts of them.

    Attributes
    ----------
    recipe : Recipe
        The recipe.
    basis : Basis
        What it looks at.
    design : ndarray
        Terms, shape (n, k).
    points : ndarray or None
        Inputs of the process, shape (n, d).
    """

    recipe: Recipe
    basis: Basis
    design: Floats
    points: Floats | None

    @classmethod
    def of(cls, recipe: Recipe, rows: pd.DataFrame) -> Prepared:
        """Compute the numbers of all rows."""
        basis = Basis.of(recipe, rows)
        points = basis.points(rows) if recipe.has_process else None
        return cls(recipe, basis, basis.design(rows), points)

    def fit(self, runtimes: Floats, part: Indices, like: RecipeFit | None = None) -> RecipeFit:
        """Fit on a part of the rows.

        Parameters
        ----------
        runtimes : ndarray
            Of all rows, shape (n,).
        part : ndarray
            Indices of the rows to learn from.
        like : RecipeFit, optional
            Take over the hyperparameters of its process.
        """
        design, target = self.design[part], runtimes[part]
        coefficients = fit_relative(design, target, self.basis.ridge)
        floor_cycles = _LEAST_SHARE * float(target.min())
        if self.points is None:
            return RecipeFit(coefficients, floor_cycles, None)
        residuals = np.log(target / np.maximum(design @ coefficients, floor_cycles))
        known = like.process.hyperparameters if like is not None and like.process else None
        process = fit_process(self.points[part], residuals, known)
        return RecipeFit(coefficients, floor_cycles, process)

    def predict(self, fit: RecipeFit, part: Indices) -> Floats:
        """Cycles of a part of the rows."""
        points = None if self.points is None else self.points[part]
        return fit.predict(self.design[part], points)
