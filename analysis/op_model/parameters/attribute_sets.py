"""Attribute sets: which of an operation's parameter sets hold for a descriptor.

The name of a set is its predicates, joined by ``/``; all of them have to hold:

========== ==============================================
base       always
df_int8    the format that governs is Int8
df_int32   the format that governs is Int32
df_bfp     the format that governs is a block float
approx     approximate mode is on
vector_r   vector mode r
vector_c   vector mode c
l1_acc_en  accumulation in L1 is on
dim_c      ``reduce`` along c
========== ==============================================

The format that governs is the output's, for dequantisation and requantisation the input's.  This
module alone names sets, and says which one measured rows are fitted in and how a file orders them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from analysis.op_model.descriptors.descriptor import Traits
from analysis.op_model.descriptors.formats import BLOCK_FLOATS, DataFormat, VectorMode
from analysis.op_model.descriptors.ops import GOVERNED_BY_INPUT, Category, category
from sweeps.errors import did_you_mean

BASE = "base"
DATA_FORMAT_PREDICATES = ("df_int8", "df_int32", "df_bfp")
PREDICATES = (BASE, *DATA_FORMAT_PREDICATES, "approx", "vector_r", "vector_c", "l1_acc_en", "dim_c")
"""All predicates."""

_EXCLUSIVE = (frozenset(DATA_FORMAT_PREDICATES), frozenset({"vector_r", "vector_c"}))
_NAME_ORDER = ("l1_acc_en", *DATA_FORMAT_PREDICATES, "approx", "vector_r", "vector_c", "dim_c")
_Weights = TypeVar("_Weights")


def governing_format(traits: Traits) -> DataFormat:
    """Tell which of its two formats decides sets and weights of an operation."""
    is_input = traits.op in GOVERNED_BY_INPUT
    return DataFormat(traits.input_format if is_input else traits.output_format)


def predicates_of(traits: Traits) -> frozenset[str]:
    """List the predicates that hold."""
    data_format = governing_format(traits)
    holds = {
        "df_int8": data_format is DataFormat.INT8,
        "df_int32": data_format is DataFormat.INT32,
        "df_bfp": data_format in BLOCK_FLOATS,
        "approx": traits.approx,
        "vector_r": traits.vector_mode == VectorMode.R,
        "vector_c": traits.vector_mode == VectorMode.C,
        "l1_acc_en": traits.l1_accumulate,
        "dim_c": traits.attribute == "c",
    }
    return frozenset({BASE, *(name for name, is_true in holds.items() if is_true)})


def split_set_name(name: str) -> tuple[str, ...]:
    """Take the name of a set apart into its predicates.

    Raises
    ------
    ValueError
        If a predicate is unknown or given twice, or two can never hold together.
    """
    predicates = tuple(name.split("/"))
    for predicate in predicates:
        if predicate not in PREDICATES:
            hint = did_you_mean(predicate, PREDICATES)
            raise ValueError(
                f"unknown predicate {predicate!r}{hint}; there are {', '.join(PREDICATES)}"
            )
    if len(set(predicates)) < len(predicates):
        raise ValueError(f"a predicate of {name!r} is given twice")
    for group in _EXCLUSIVE:
        if len(group & set(predicates)) > 1:
            raise ValueError(f"{name!r} can never hold: {' and '.join(sorted(group))} exclude")
    return predicates


def fitted_set_name(traits: Traits) -> str:
    """Name the set that measured rows are fitted in: the one that says exactly what holds.

    Only products have weights of their own for block floats: elsewhere all floats share a set.
    """
    holds = predicates_of(traits)
    if category(traits.op) is not Category.MATMUL:
        holds -= {"df_bfp"}
    return "/".join(name for name in _NAME_ORDER if name in holds) or BASE


def file_order(set_name: str) -> tuple[int, list[int]]:
    """Sort the sets of an operation in a file: the most special last."""
    predicates = [name for name in split_set_name(set_name) if name != BASE]
    return len(predicates), [PREDICATES.index(name) for name in predicates]


def arranged(op: str, sets: Mapping[str, _Weights]) -> dict[str, _Weights]:
    """Order the sets of an operation as a file has them.

    Quantisation gets a base set, as other readers expect of every operation: the least special one
    again.  All questions to it are of whole numbers, so that it is never the answer.  Elsewhere a
    base set that nothing was measured for would answer what nobody knows.
    """
    own = dict(sets)
    if category(op) is Category.QUANTISATION:
        own[BASE] = own[min(own.keys() - {BASE}, key=file_order, default=BASE)]
    return {name: own[name] for name in sorted(own, key=file_order)}
