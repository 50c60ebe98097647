"""How far estimates are from measured runtimes.

With estimates p_i, runtimes y_i > 0 and relative errors e_i = (p_i - y_i) / y_i:

===== ====================================================================
MAPE  mean abs e
RRMSE sqrt(mean (p - y)^2) / mean y
RMSRE sqrt(mean e^2)
R2    1 - sum (p - y)^2 / sum (y - mean y)^2; where all y are equal: 1 if exact, else 0
===== ====================================================================

All but R2 are in percent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ErrorMeasures:
    """Errors of n estimates, see the module's text.

    Attributes
    ----------
    mape, rrmse, rmsre : float
        In percent.
    r2 : float
        Share of the variance that is explained; may be negative.
    n : int
        How many estimates.
    """

    mape: float
    rrmse: float
    rmsre: float
    r2: float
    n: int

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


def measure_errors(estimates: Floats, runtimes: Floats) -> ErrorMeasures:
    """Compare estimates with runtimes, both of shape (n,) and in the same unit.

    Raises
    ------
    ValueError
        If there are none, the shapes differ, or a runtime is not positive.
    """
    if estimates.shape != runtimes.shape or runtimes.size == 0 or not (runtimes > 0).all():
        raise ValueError("errors need as many estimates as positive runtimes, and at least one")
    error = estimates - runtimes
    relative = error / runtimes
    variation = float(np.sum((runtimes - runtimes.mean()) ** 2))
    residual = float(np.sum(error**2))
    r2 = 1 - residual / variation if variation > 0 else float(residual == 0)
    return ErrorMeasures(
        mape=100 * float(np.mean(np.abs(relative))),
        rrmse=100 * float(np.sqrt(np.mean(error**2)) / runtimes.mean()),
        rmsre=100 * float(np.sqrt(np.mean(relative**2))),
        r2=r2,
        n=len(runtimes),
    )
