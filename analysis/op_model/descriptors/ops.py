"""Operations that have a parameter model, and the categories that decide their formulas."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from farm.errors import UsageError
from sweeps.errors import did_you_mean
from sweeps.op_model.op_types import BINARY_OPS, QUANT_OPS, UNARY_OPS


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


CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        **dict.fromkeys(UNARY_OPS, Category.UNARY),
        "ethernet_datacopy": Category.UNARY,
        "tilizer": Category.UNARY,
        **dict.fromkeys(BINARY_OPS, Category.BINARY),
        **dict.fromkeys(QUANT_OPS, Category.QUANTISATION),
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
        hint = did_you_mean(op.lower().replace("-", "_"), CATEGORIES)
        raise UsageError(f"unknown operation {op!r}{hint}; there are {', '.join(CATEGORIES)}")
    return found
