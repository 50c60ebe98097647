"""Least squares of relative errors with coefficients that are not negative.

The coefficients b minimise

    mean_i (1 - x_i b / y_i)^2 + sum_j ridge_j (s_j b_j)^2,    b >= 0,

with the root mean squares s_j of the columns x_ij / y_i: every row counts by its relative error,
and neither the unit of the runtimes nor of a term changes the fit.  Solved by the active-set method
of Lawson and Hanson (Solving Least Squares Problems, 1974, ch. 23).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_ITERATIONS_PER_COLUMN = 50


def fit_relative(design: Floats, runtimes: Floats, ridge: Floats) -> Floats:
    """Fit coefficients, shape (k,).

    Parameters
    ----------
    design : ndarray
        Terms, not negative, shape (n, k).
    runtimes : ndarray
        Positive, shape (n,).
    ridge : ndarray
        Penalty of each coefficient, shape (k,).
    """
    from scipy.optimize import nnls

    relative = design / runtimes[:, None]
    scale = np.sqrt(np.mean(relative**2, axis=0))
    used = scale > 0
    scale[~used] = 1.0
    n, k = design.shape
    penalty = np.diag(np.sqrt(n * ridge))
    system = np.vstack([relative / scale, penalty])[:, used]
    target = np.concatenate([np.ones(n), np.zeros(k)])
    coefficients = np.zeros(k)
    coefficients[used] = nnls(system, target, maxiter=_ITERATIONS_PER_COLUMN * k)[0]
    return np.asarray(coefficients / scale)


def bootstrap(
    solve: Callable[[Indices], Floats], units: Indices, n_resamples: int, seed: int = 0
) -> Floats:
    """Fit resamples of the data, to see how far its coefficients are determined.

    Parameters
    ----------
    solve : Callable
        From the indices of some rows, which may repeat, to coefficients of shape (k,).
    units : ndarray
        Which rows belong together, shape (n,): repeats of one configuration are drawn as one.
    n_resamples : int
        How many.
    seed : int
        Of the draws.

    Returns
    -------
    ndarray
        Coefficients of each resample, shape (n_resamples, k).

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 9 (bootstrapping pairs).
    """
    generator = np.random.default_rng(seed)
    rows_of_unit = [np.flatnonzero(units == unit) for unit in np.unique(units)]
    fits = []
    for _ in range(n_resamples):
        drawn = generator.integers(len(rows_of_unit), size=len(rows_of_unit))
        fits.append(solve(np.concatenate([rows_of_unit[i] for i in drawn])))
    return np.array(fits)
