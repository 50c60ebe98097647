"""Operations that have a parameter model: category, and codes in sweep configurations."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from farm.errors import UsageError


class Category(StrEnum):
    """Decides the formula of an operation."""

    UNARY = "unary"
    BINARY = "binary"
    QUANTISATION = "quantisation"
    NARY = "nary"
    REDUCE = "reduce"
    MATMUL = "matmul"
    DEPTHWISE = "depthwise"
    SPARSE = "sparse"
    OTHER = "other"


UNARY_CODES = {
    1: "exp",
    2: "log",
    3: "sqrt",
    4: "gelu",
    5: "reciprocal",
    6: "sigmoid",
    7: "gelu_derivative",
    8: "nop",
    9: "tanh",
    10: "square",
    11: "power",
    12: "sine",
    13: "cosine",
    14: "lrelu",
    15: "abs",
    16: "dropout",
}
"""Code in sweep configurations -> unary operation."""

BINARY_CODES = {1: "add", 2: "subtract", 3: "multiply", 4: "maximum"}
"""Code in sweep configurations -> binary operation."""

QUANTISATION_CODES = {1: "quantization", 2: "dequantization", 3: "requantization"}
"""Code in sweep configurations -> quantisation operation."""

CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        **dict.fromkeys(UNARY_CODES.values(), Category.UNARY),
        "ethernet_datacopy": Category.UNARY,
        "tilizer": Category.UNARY,
        **dict.fromkeys(BINARY_CODES.values(), Category.BINARY),
        **dict.fromkeys(QUANTISATION_CODES.values(), Category.QUANTISATION),
        "splice": Category.NARY,
        "reduce": Category.REDUCE,
        "reduce_z": Category.REDUCE,
        "matmul": Category.MATMUL,
        "matmul_sparse": Category.SPARSE,
        "depthwise": Category.DEPTHWISE,
        "embedding": Category.OTHER,
        "topk": Category.OTHER,
        "fused_op": Category.OTHER,
    }
)
"""Operation, as parameter files name it -> category.  The others have no formula of their own."""

GOVERNED_BY_INPUT = frozenset({"dequantization", "requantization"})
"""Operations whose sets and weights follow the input format; all others follow the output's."""


def category(op: str) -> Category:
    """Find the category of an operation.

    Raises
    ------
    UsageError
        If there is no such operation; the message names the nearest.
    """
    found = CATEGORIES.get(op)
    if found is None:
        close = difflib.get_close_matches(op.lower().replace("-", "_"), CATEGORIES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UsageError(f"unknown operation {op!r}{hint}; there are {', '.join(CATEGORIES)}")
    return found
