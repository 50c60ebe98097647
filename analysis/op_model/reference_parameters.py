"""From regressions of recorded sweeps to a parameter file that loads: operation, set, weights.

Rows of several files that belong to one attribute set are fitted together.  Where t or the depth of
a reduction is not 1, the regression that knows them (`analysis.op_model.parameter_fit`) is taken;
elsewhere both are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from analysis.op_model.attribute_sets import BASE, set_name_of, split_set_name
from analysis.op_model.descriptor import Traits
from analysis.op_model.fit_record import FitRecord
from analysis.op_model.ops import CATEGORIES, Category
from analysis.op_model.parameter_fit import fit_sets, specificity

if TYPE_CHECKING:
    import pandas as pd

    from analysis.op_model.parameters import Operations
    from analysis.op_model.reference_regression import ReferenceFit

_BLOCK_FLOATS = "df_bfp"


def reference_parameters(
    fits: Iterable[ReferenceFit], source: str
) -> tuple[Operations, dict[tuple[str, str], FitRecord]]:
    """Make parameters of the fits of one architecture, and the record of where they come from.

    Fits of mixed operations, and of operations that parameter files do not know, are left out.  An
    operation without general rows has its least special set as base, which has to exist.
    """
    of_set: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for fit in fits:
        if fit.op not in CATEGORIES:
            continue
        for values, own in fit.rows.groupby(list(Traits._fields), sort=False):
            traits = Traits(*cast(tuple[Any, ...], values))
            of_set.setdefault((fit.op, _set_name(traits)), []).append(own)
    operations: dict[str, dict[str, dict[str, float]]] = {}
    records = {}
    for (op, name), weights, record in _fitted(of_set, source):
        operations.setdefault(op, {})[name] = weights
        records[op, name] = record
    return {op: _ordered(sets) for op, sets in operations.items()}, records


def _fitted(
    of_set: dict[tuple[str, str], list[pd.DataFrame]], source: str
) -> Iterable[tuple[tuple[str, str], dict[str, float], FitRecord]]:
    import pandas as pd

    for key, parts in of_set.items():
        fit = fit_sets(pd.concat(parts))[0]
        errors = fit.errors
        record = FitRecord(errors.n, errors.mape, False, source, fit.ranges)
        yield key, fit.weights, record


def _set_name(traits: Traits) -> str:
    # Only products have weights of their own for block floats: elsewhere all floats share a set.
    name = set_name_of(traits)
    if CATEGORIES[traits.op] is Category.MATMUL:
        return name
    return "/".join(part for part in split_set_name(name) if part != _BLOCK_FLOATS) or BASE


def _ordered(sets: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    names = sorted(sets, key=specificity)
    return {BASE: sets[names[0]]} | {name: sets[name] for name in names}
