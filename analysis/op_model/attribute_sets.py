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

The format that governs is the output's, for dequantisation and requantisation the input's.
"""

from __future__ import annotations

import difflib

from analysis.op_model.descriptor import Traits
from analysis.op_model.formats import BLOCK_FLOATS, DataFormat, VectorMode
from analysis.op_model.ops import GOVERNED_BY_INPUT

BASE = "base"
DATA_FORMAT_PREDICATES = ("df_int8", "df_int32", "df_bfp")
PREDICATES = (BASE, *DATA_FORMAT_PREDICATES, "approx", "vector_r", "vector_c", "l1_acc_en", "dim_c")
"""All predicates."""

_EXCLUSIVE = (frozenset(DATA_FORMAT_PREDICATES), frozenset({"vector_r", "vector_c"}))


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
            close = difflib.get_close_matches(predicate, PREDICATES, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ValueError(
                f"unknown predicate {predicate!r}{hint}; there are {', '.join(PREDICATES)}"
            )
    if len(set(predicates)) < len(predicates):
        raise ValueError(f"a predicate of {name!r} is given twice")
    for group in _EXCLUSIVE:
        if len(group & set(predicates)) > 1:
            raise ValueError(f"{name!r} can never hold: {' and '.join(sorted(group))} exclude")
    return predicates


def set_name_of(traits: Traits) -> str:
    """Name the set that says exactly what holds, in the order that parameter files use."""
    holds = predicates_of(traits)
    named = [p for p in _NAME_ORDER if p in holds]
    return "/".join(named) or BASE


_NAME_ORDER = ("l1_acc_en", *DATA_FORMAT_PREDICATES, "approx", "vector_r", "vector_c", "dim_c")
