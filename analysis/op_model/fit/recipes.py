"""Recipes of a fit: which physical terms, and whether a process models what they leave over.

A recipe is chosen by cross-validation, so each is a claim about an operation that its data may
refuse: that the estimator's own terms suffice, that a few more do, that all are needed, that there
are smooth deviations besides.  They are in order of complexity.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.op_model.fit.features import Family


@dataclass(frozen=True)
class Recipe:
    """How to fit the operations of a family.

    Attributes
    ----------
    name : str
        Name, such as ``compact`` or ``full + process``.
    terms : tuple of str
        Names of the terms; empty for all of the family.
    has_process : bool
        Whether a `analysis.op_model.fit.residual_process.ResidualProcess` models the residuals.
    least_rows : int
        Rows that it needs to be tried at all.
    """

    name: str
    terms: tuple[str, ...]
    has_process: bool
    least_rows: int = 0


_FORMULA = {
    Family.ELTWISE: ("B", "T"),
    Family.REDUCE_Z: ("z B", "z T", "z - 1", "z"),
    Family.MATMUL: ("K - 1", "U", "U r c k f", "(K - 1) T", "U k r (1 + c)"),
    Family.DEPTHWISE: ("U", "U r c k f", "(K - 1) T", "U k r (1 + c)"),
}

_COMPACT = {
    Family.ELTWISE: ("1", "B", "T", "B (r c - 2)+"),
    Family.MATMUL: (
        *("1", "B", "T", "U", "U r c k f", "(K - 1) T", "U k r (1 + c)"),
        *("U k", "U r c"),
    ),
    Family.DEPTHWISE: ("1", "T", "U r c k", "U r c k m", "U r c k (m - 2)+"),
}

# On the bare formula a process has to find the shape of small operations all by itself.
_ROWS_TO_LEARN_SHAPES = 48

COPIED_TERMS = {Family.SPARSE: ("Z n", "Z n c", "u n", "u n r", "u n c r", "t n m c r")}
"""Terms with a coefficient of their own for each format and fidelity; all, where none is named."""


def recipes_of(family: Family, n_rows: int) -> tuple[Recipe, ...]:
    """List the recipes of a family that a number of rows can bear, the plainest first."""
    bases: dict[str, tuple[str, ...]] = {}
    if family in _FORMULA:
        bases["formula"] = _FORMULA[family]
    if family in _COMPACT:
        bases["compact"] = _COMPACT[family]
    bases["full"] = ()
    plain = [Recipe(name, terms, has_process=False) for name, terms in bases.items()]
    with_process = [
        Recipe(
            f"{recipe.name} + process",
            recipe.terms,
            has_process=True,
            least_rows=_ROWS_TO_LEARN_SHAPES if recipe.name == "formula" else 0,
        )
        for recipe in plain
    ]
    return tuple(recipe for recipe in (*plain, *with_process) if n_rows >= recipe.least_rows)
