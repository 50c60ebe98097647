"""A Gaussian process on what physical terms leave over.

The logarithmic residuals e = log(y / p) of a linear model p are taken for draws of a process with
mean 0, a Matérn-5/2 kernel with one length per input, and independent noise:

    k(a, b) = v (1 + d + d^2 / 3) exp(-d),    d^2 = 5 sum_j (a_j - b_j)^2 / l_j^2

(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.17 and 2.23 to 2.26).
The logarithms of v, the noise and the lengths maximise the marginal likelihood (ibid. eq. 5.8, with
its gradient 5.9) times a broad prior on the lengths, which inputs are in octaves.  Away from the
data the process returns to 0, so the model returns to its physical terms.

A process is data: points, residuals and hyperparameters; its matrices follow from one Cholesky
factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MOST_TUNING_POINTS = 400
_MOST_POINTS = 1000
_MOST_ITERATIONS = 60
_JITTER = 1e-10
_START = (0.0, np.log(1e-2), np.log(3.0))  # of log variance, log noise, log lengths
_LENGTH_PRIOR = (1.0, 2.0)  # mean and standard deviation of a log length
_BOUNDS = (
    (np.log(1e-3), np.log(1e5)),
    (np.log(1e-7), np.log(1.0)),
    (np.log(0.05), np.log(1e3)),
)


@dataclass(frozen=True, eq=False)
class ResidualProcess:
    """A process and the data that it was conditioned on.

    Attributes
    ----------
    points : ndarray
        Inputs, shape (n, d).
    residuals : ndarray
        Logarithmic residuals, shape (n,).
    hyperparameters : ndarray
        Logarithms of variance, noise (both of residuals with standard deviation 1) and d lengths.
    """

    points: Floats
    residuals: Floats
    hyperparameters: Floats

    @cached_property
    def _unit(self) -> float:
        return float(self.residuals.std()) or 1.0

    @cached_property
    def _factor(self) -> Any:
        from scipy.linalg import cho_factor

        covariance = self._covariance(self.points)
        covariance[np.diag_indices(len(covariance))] += self._noise
        return cho_factor(covariance, lower=True)

    @cached_property
    def _solved(self) -> Floats:
        from scipy.linalg import cho_solve

        return np.asarray(cho_solve(self._factor, self.residuals / self._unit))

    @property
    def _noise(self) -> float:
        variance, noise = np.exp(self.hyperparameters[:2])
        return float(noise + _JITTER * variance)

    def _covariance(self, points: Floats) -> Floats:
        from scipy.spatial.distance import cdist

        lengths = np.exp(self.hyperparameters[2:])
        squared = cdist(points / lengths, self.points / lengths, "sqeuclidean")
        return np.asarray(np.exp(self.hyperparameters[0]) * _matern(squared))

    def mean(self, points: Floats) -> Floats:
        """Return the expected logarithmic residual at points (q, d), shape (q,)."""
        return self._unit * (self._covariance(points) @ self._solved)

    def deviation(self, points: Floats) -> Floats:
        """Return the standard deviation of a measured residual at points (q, d), shape (q,)."""
        from scipy.linalg import solve_triangular

        cross = self._covariance(points)
        explained = solve_triangular(self._factor[0], cross.T, lower=True)
        variance = np.exp(self.hyperparameters[0]) - np.sum(explained**2, axis=0)
        return np.asarray(self._unit * np.sqrt(np.maximum(variance, 0.0) + self._noise))


def fit_process(
    points: Floats, residuals: Floats, hyperparameters: Floats | None = None, seed: int = 0
) -> ResidualProcess:
    """Condition a process on data, and find its hyperparameters where they are not given.

    Of very many points, a random part is used: the cost grows with the cube of their number.

    Parameters
    ----------
    points : ndarray
        Inputs, shape (n, d).
    residuals : ndarray
        Logarithmic residuals, shape (n,).
    hyperparameters : ndarray, optional
        As in `ResidualProcess`.
    seed : int
        Of the random part.
    """
    order = np.random.default_rng(seed).permutation(len(points))
    if hyperparameters is None:
        tuning = np.sort(order[:_MOST_TUNING_POINTS])
        hyperparameters = _tune(points[tuning], residuals[tuning])
    kept = np.sort(order[:_MOST_POINTS])
    return ResidualProcess(points[kept], residuals[kept], hyperparameters)


def _matern(squared: Floats) -> Floats:
    d = np.sqrt(5.0 * squared)
    return (1.0 + d + d * d / 3.0) * np.exp(-d)


def _tune(points: Floats, residuals: Floats) -> Floats:
    """Hyperparameters of the largest posterior density, shape (2 + d,)."""
    from scipy.optimize import minimize

    n, n_inputs = points.shape
    unit = float(residuals.std())
    start = np.array([_START[0], _START[1], *[_START[2]] * n_inputs])
    if unit == 0.0:
        return start
    target = residuals / unit
    squares = np.stack([(column[:, None] - column[None, :]) ** 2 for column in points.T])
    bounds = (_BOUNDS[0], _BOUNDS[1], *[_BOUNDS[2]] * n_inputs)
    found = minimize(
        _negative_log_density,
        start,
        args=(squares.reshape(n_inputs, n * n), target),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _MOST_ITERATIONS},
    )
    return np.asarray(found.x)


def _negative_log_density(
    hyperparameters: Floats, squares: Floats, target: Floats
) -> tuple[float, Floats]:
    """Negative log posterior density and its gradient; `squares` has shape (d, n * n)."""
    from scipy.linalg import cho_factor, cho_solve

    n = len(target)
    variance, noise = np.exp(hyperparameters[:2])
    weights = np.exp(-2.0 * hyperparameters[2:])
    d = np.sqrt(5.0 * (weights @ squares).reshape(n, n))
    decay = np.exp(-d)
    kernel = (1.0 + d + d * d / 3.0) * decay
    covariance = variance * kernel
    covariance[np.diag_indices(n)] += noise + _JITTER * variance
    try:
        factor = cho_factor(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e25, np.zeros_like(hyperparameters)
    solved = cho_solve(factor, target, check_finite=False)
    density = 0.5 * target @ solved + np.log(np.diag(factor[0])).sum()
    inner = cho_solve(factor, np.eye(n), check_finite=False) - np.outer(solved, solved)
    gradient = np.empty_like(hyperparameters)
    gradient[0] = 0.5 * np.sum(inner * kernel) * variance
    gradient[1] = 0.5 * np.trace(inner) * noise
    by_distance = (inner * (5.0 / 3.0 * variance) * (1.0 + d) * decay).ravel()
    gradient[2:] = 0.5 * weights * (squares @ by_distance)
    mean, spread = _LENGTH_PRIOR
    offset = (hyperparameters[2:] - mean) / spread
    gradient[2:] += offset / spread
    return float(density + 0.5 * offset @ offset), gradient
