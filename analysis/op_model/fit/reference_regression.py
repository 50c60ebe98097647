"""The regression that op parameter files have always been made with.

Ordinary least squares with coefficients that are not negative, without intercept and without
weights, on as few terms as the estimator has.  With B = m n blocks of r x c tiles, T = B r c,
K outer and k inner steps, U = K B and f fidelity phases:

=========== =====================================================================================
eltwise     w_ublock B + w_tile T
matmul V1   w_m_k (K - 1) + w_ublock U + w_tile U r c k                    (grayskull)
matmul V2   w_math U r c k f + w_spill (K - 1) T + w_ublocks U + w_tiles U k r (1 + c)
=========== =====================================================================================

Neither t nor the depth of a reduction is in it, so it holds where they are 1.  The vector modes of
a unary operation other than ``nop`` are fitted apart.  Values are rounded to eight decimals.
Source: the regression of tt-budabackend, ``perf_lib/op_model`` (commit 98e4252d).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.ops import CATEGORIES, Category
from analysis.op_model.error_measures import ErrorMeasures, measure_errors
from analysis.op_model.fit.coefficients import Coefficient, resampled_coefficients
from analysis.op_model.fit.features import phases
from analysis.op_model.fit.folds import configurations, folds
from analysis.op_model.parameters.weights import ELTWISE, MATMUL_V1, MATMUL_V2

if TYPE_CHECKING:
    import pandas as pd

    from analysis.op_model.sweep_files.reader import SweepTable

Floats = npt.NDArray[np.float64]

_DECIMALS = 8
_MATMULS = (Category.MATMUL, Category.DEPTHWISE)
_WITHOUT_VECTOR_MODES = frozenset({"nop"})


@dataclass(frozen=True, eq=False)
class ReferenceFit:
    """Weights of one parameter set.

    Attributes
    ----------
    op : str
        Operation; several joined by ``+`` where a file mixes them and they were fitted together.
    arch : str
        Architecture.
    vector_mode : str
        Which rows: ``rc``, ``r`` or ``c``; empty for all.
    weights : dict
        Name in parameter files -> cycles per unit.
    rows : DataFrame
        The rows that were fitted, in canonical columns.
    errors : ErrorMeasures
        Of the same rows.
    """

    op: str
    arch: str
    vector_mode: str
    weights: dict[str, float]
    rows: pd.DataFrame
    errors: ErrorMeasures

    @property
    def is_mixture(self) -> bool:
        """Whether several operations were fitted as if they were one."""
        return "+" in self.op


def fit_reference(table: SweepTable) -> list[ReferenceFit]:
    """Fit a sweep as the original does.

    A file with several operations is fitted as a whole first, which is what the original does, then
    one operation after the other, which is what parameter files need.  Sparse matmul has no such
    model: the list is empty.
    """
    ops = table.ops
    if any(CATEGORIES.get(op) is Category.SPARSE for op in ops):
        return []
    fits = _fit_op("+".join(ops), table.frame)
    if len(ops) > 1:
        for op in ops:
            fits += _fit_op(op, table.frame[table.frame["op"] == op])
    return fits


def assess_reference(
    fit: ReferenceFit, n_folds: int = 5, level: float = 0.9
) -> tuple[ErrorMeasures | None, tuple[Coefficient, ...]]:
    """Tell how good a fit is on rows that were held back, and how far its weights are determined.

    Parameters
    ----------
    fit : ReferenceFit
        The fit.
    n_folds : int
        Folds of the cross-validation, repeats of a configuration in one.
    level : float
        Of the intervals.

    Returns
    -------
    tuple
        Errors, None if there are fewer than two configurations, and one coefficient per weight.
    """
    names, design = reference_design(fit.rows)
    runtimes = fit.rows["runtime_cycles"].to_numpy(np.float64)
    units = configurations(fit.rows)
    validated = None
    if units.max() > 0:
        estimates = np.empty(len(runtimes))
        for learn, held in folds(units, n_folds, seed=0):
            estimates[held] = design[held] @ _solve(design[learn], runtimes[learn])
        validated = measure_errors(estimates, runtimes)
    coefficients = resampled_coefficients(
        names,
        np.array(list(fit.weights.values())),
        lambda part: _solve(design[part], runtimes[part]),
        units,
        level,
    )
    return validated, coefficients


def reference_design(rows: pd.DataFrame) -> tuple[tuple[str, ...], Floats]:
    """Names of the weights, and how often each is paid per row, shape (n, k)."""
    m, n, r, c, outer, inner = (
        rows[name].to_numpy(np.float64)
        for name in ("mblock_m", "mblock_n", "ublock_rt", "ublock_ct", "mblock_k", "ublock_kt")
    )
    blocks = m * n
    tiles = blocks * r * c
    kind = CATEGORIES.get(str(rows["op"].iloc[0]))
    if kind not in _MATMULS:
        return ELTWISE, np.column_stack([blocks, tiles])
    steps = outer * blocks
    if kind is Category.MATMUL and rows["arch"].iloc[0] == "grayskull":
        return MATMUL_V1, np.column_stack([outer - 1, steps, steps * r * c * inner])
    columns = [
        steps * r * c * inner * phases(rows),
        (outer - 1) * tiles,
        steps,
        steps * inner * r * (1 + c),
    ]
    return MATMUL_V2, np.column_stack(columns)


def _fit_op(op: str, rows: pd.DataFrame) -> list[ReferenceFit]:
    ops = op.split("+")
    is_unary = all(CATEGORIES.get(one) is Category.UNARY for one in ops)
    if not is_unary or _WITHOUT_VECTOR_MODES & set(ops):
        return [_fit_rows(op, "", rows)]
    modes = [mode for mode in ("rc", "r", "c") if (rows["vector_mode"] == mode).any()]
    return [_fit_rows(op, mode, rows[rows["vector_mode"] == mode]) for mode in modes]


def _fit_rows(op: str, vector_mode: str, rows: pd.DataFrame) -> ReferenceFit:
    names, design = reference_design(rows)
    runtimes = rows["runtime_cycles"].to_numpy(np.float64)
    solution = _solve(design, runtimes)
    weights = dict(zip(names, solution.tolist(), strict=True))
    arch = str(rows["arch"].iloc[0])
    errors = measure_errors(design @ solution, runtimes)
    return ReferenceFit(op, arch, vector_mode, weights, rows, errors)


def _solve(design: Floats, runtimes: Floats) -> Floats:
    from scipy.optimize import nnls

    return np.asarray(np.round(nnls(design, runtimes)[0], _DECIMALS))
