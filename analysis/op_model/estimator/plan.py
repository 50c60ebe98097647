"""How to estimate: formula, parameter set and warnings, the same for all that differ in sizes only.

Parity refuses what the original refuses: architectures, versions and integer formats it has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from analysis.op_model.descriptors.descriptor import Traits
from analysis.op_model.descriptors.formats import INTEGERS
from analysis.op_model.estimator.formulas import (
    PHASES,
    SPARSE_FIRST,
    SPARSE_SECOND,
    WORD_FACTOR,
    Formula,
    dense_formula,
    factors,
    no_second_formula,
)
from analysis.op_model.estimator.selection import Choice, Mode, choose
from analysis.op_model.parameters.attribute_sets import governing_format
from analysis.op_model.parameters.parameter_file import Parameters
from analysis.op_model.parameters.yaml_mapping import Number
from farm.errors import UsageError

PARITY_VERSIONS: Mapping[str, int] = MappingProxyType(
    {"grayskull": 2, "wormhole_b0": 3, "blackhole": 1}
)
"""Architectures of the original, and the newest version of each."""

_PARITY_INTEGER_ARCH = "wormhole_b0"


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One way to estimate.

    Attributes
    ----------
    formula : Formula
        How to compute.
    choice : Choice
        Which parameter set.
    numbers : Mapping
        Weights and factors, as the mode computes with them.
    warnings : tuple of str
        What limits the worth of its estimates.
    table : int
        Which of the sparse tables: 0 for LoFi, 1 for the others.
    """

    formula: Formula
    choice: Choice
    numbers: Mapping[str, Any]
    warnings: tuple[str, ...]
    table: int


def make_plan(
    parameters: Parameters,
    traits: Traits,
    mode: Mode,
    *,
    may_fall_back: bool,
    has_counts: bool,
    has_tables: bool,
) -> Plan:
    """Choose formula and parameter set.

    Parameters
    ----------
    parameters : Parameters
        Parameter file.
    traits : Traits
        What is to be estimated, but for its sizes.
    mode : Mode
        Decides which set is taken, and how numbers are kept.
    may_fall_back : bool
        Whether ``nop`` may stand in.
    has_counts : bool
        Whether non-zero blocks and strips are known.
    has_tables : bool
        Whether there are tables for the second sparse formula.

    Raises
    ------
    UsageError
        If there is no set, the set has no weight of the formula, or parity knows no such case.
    """
    traits = traits._replace(arch=traits.arch or parameters.arch)
    if mode is Mode.PARITY:
        _check_parity(traits, parameters.version)
    choice = choose(parameters, traits, mode, may_fall_back)
    formula, remark = _formula(traits, mode, has_counts, has_tables)
    present = [name for name in formula.weights if name in choice.weights]
    if not present:
        raise UsageError(
            f"{choice.source}: the set {choice.set_name} of {choice.op} has no weight of the "
            f"{formula.name} formula of {traits.op}"
        )
    missing = [name for name in formula.weights if name not in choice.weights]
    numbers = factors(traits)
    warnings = []
    if choice.is_fallback:
        warnings.append(choice.reason)
    if remark:
        warnings.append(remark)
    if choice.uncovered:
        warnings.append(
            f"the set {choice.set_name} of {choice.op} does not cover {', '.join(choice.uncovered)}"
        )
    if missing:
        warnings.append(
            f"the set {choice.set_name} of {choice.op} has no {', '.join(missing)}: taken as 0"
        )
    if WORD_FACTOR in formula.factors and numbers[WORD_FACTOR] > 1:
        warnings.append(
            f"tiles of {governing_format(traits)} are taken to cost {numbers[WORD_FACTOR]} times "
            f"as much as those of block floats: a rule that was never measured"
        )
    return Plan(
        formula,
        choice,
        _as_computed(formula, choice, numbers, mode),
        tuple(warnings),
        0 if numbers[PHASES] == 1 else 1,
    )


def _as_computed(
    formula: Formula, choice: Choice, numbers: Mapping[str, Number], mode: Mode
) -> Mapping[str, Any]:
    weights = {name: float(choice.weights.get(name, 0.0)) for name in formula.weights}
    own = {name: numbers[name] for name in formula.factors}
    if mode is Mode.NORMAL:
        return {**weights, **own}
    # Whole factors stay whole: they are multiplied with sizes, which wrap.
    return {
        name: value if isinstance(value, int) else np.float32(value)
        for name, value in {**weights, **own}.items()
    }


def _formula(traits: Traits, mode: Mode, has_counts: bool, has_tables: bool) -> tuple[Formula, str]:
    """Return the formula, and what to say about it."""
    formula = dense_formula(traits)
    if formula is not SPARSE_FIRST or not has_counts:
        return formula, ""
    if not has_tables or (mode is Mode.PARITY and traits.arch != _PARITY_INTEGER_ARCH):
        reason = f"there are no sparse tables for {traits.arch}"
    else:
        reason = no_second_formula(traits)
    if not reason:
        return SPARSE_SECOND, ""
    return formula, f"the first sparse formula, which knows no non-zero blocks: {reason}"


def _check_parity(traits: Traits, version: int) -> None:
    newest = PARITY_VERSIONS.get(traits.arch)
    if newest is None:
        raise UsageError(
            f"parity knows no architecture {traits.arch!r}, only {', '.join(PARITY_VERSIONS)}; "
            f"use --mode normal"
        )
    if version > newest:
        raise UsageError(
            f"parity knows {traits.arch} up to version {newest}, not {version}; use --mode normal"
        )
    data_format = governing_format(traits)
    if data_format in INTEGERS and traits.arch != _PARITY_INTEGER_ARCH:
        raise UsageError(
            f"parity knows {data_format} on {_PARITY_INTEGER_ARCH} only; use --mode normal"
        )
