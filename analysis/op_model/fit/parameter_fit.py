"""Weights of parameter sets from measured rows: the linear regression behind parameter files.

The estimator's formulas are linear in their weights, so that a formula at one weight of 1 and all
others 0 is the column of the design matrix that belongs to that weight.  What is fitted is thereby
what will be estimated, with t, the depth of a reduction, formats and fidelity in it; where these
are 1, as in sweeps of old, it is the regression of `analysis.op_model.fit.reference_regression`.

Ordinary least squares with weights that are not negative, without intercept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.descriptor import Sizes, Traits
from analysis.op_model.error_measures import ErrorMeasures, measure_errors
from analysis.op_model.estimator.arithmetic import NormalColumn
from analysis.op_model.estimator.formulas import Formula, dense_formula, factors
from analysis.op_model.parameters.attribute_sets import arranged, file_order, fitted_set_name
from analysis.op_model.parameters.fit_record import FitRecord

if TYPE_CHECKING:
    import pandas as pd

    _Alike = tuple[Traits, pd.DataFrame]

Floats = npt.NDArray[np.float64]

_DECIMALS = 8


@dataclass(frozen=True, eq=False)
class SetFit:
    """The weights of one parameter set.

    Attributes
    ----------
    op, set_name : str
        Operation and attribute set.
    weights : dict
        Weight -> cycles.
    errors : ErrorMeasures
        Of the fitted rows.
    ranges : dict
        Size -> its least and largest value among the rows.
    """

    op: str
    set_name: str
    weights: dict[str, float]
    errors: ErrorMeasures
    ranges: dict[str, tuple[int, int]]

    def record(self, source: str) -> FitRecord:
        """Say what is known about the fit, for the record beside a parameter file."""
        return FitRecord(self.errors.n, self.errors.mape, False, source, self.ranges)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "op": self.op,
            "set": self.set_name,
            "weights": self.weights,
            "errors": self.errors.as_json(),
        }


def fit_sets(rows: pd.DataFrame) -> list[SetFit]:
    """Fit every parameter set that the rows belong to.

    Parameters
    ----------
    rows : DataFrame
        Measured rows in canonical columns, see `analysis.op_model.sweep_files.reader`.

    Returns
    -------
    list of SetFit
        By operation; the most special sets of each come last.
    """
    of_set: dict[tuple[str, str], list[_Alike]] = {}
    for values, own in rows.groupby(list(Traits._fields), sort=False):
        traits = Traits(*cast(tuple[Any, ...], values))
        of_set.setdefault((traits.op, fitted_set_name(traits)), []).append((traits, own))
    fits = [_fit(op, name, alike) for (op, name), alike in of_set.items()]
    ops = list(dict.fromkeys(fit.op for fit in fits))
    return sorted(fits, key=lambda fit: (ops.index(fit.op), file_order(fit.set_name)))


def operations_of(fits: Iterable[SetFit]) -> dict[str, dict[str, dict[str, float]]]:
    """Put fits into the form of a parameter file: operation, set, weights."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for fit in fits:
        found.setdefault(fit.op, {})[fit.set_name] = fit.weights
    return {op: arranged(op, sets) for op, sets in found.items()}


def _fit(op: str, set_name: str, alike: list[_Alike]) -> SetFit:
    import pandas as pd
    from scipy.optimize import nnls

    names = dense_formula(alike[0][0]).weights
    design = np.vstack([_design(traits, rows) for traits, rows in alike])
    rows = pd.concat([own for _, own in alike])
    cycles = rows["runtime_cycles"].to_numpy(np.float64)
    solution = np.round(nnls(design, cycles)[0], _DECIMALS)
    return SetFit(
        op,
        set_name,
        dict(zip(names, solution.tolist(), strict=True)),
        measure_errors(design @ solution, cycles),
        {name: (int(rows[name].min()), int(rows[name].max())) for name in Sizes._fields},
    )


def _design(traits: Traits, rows: pd.DataFrame) -> Floats:
    """How often each weight is paid, for rows with equal traits, shape (n, weights)."""
    formula, fixed = dense_formula(traits), factors(traits)
    sizes = Sizes(*(rows[name].to_numpy(np.float64) for name in Sizes._fields))
    columns = [
        formula.cycles(sizes, {**fixed, **_unit(formula, name)}, NormalColumn())
        for name in formula.weights
    ]
    return np.column_stack(columns)


def _unit(formula: Formula, wanted: str) -> Mapping[str, float]:
    return {name: float(name == wanted) for name in formula.weights}
