"""Operations that have a parameter model: category, codes, and names that carry attributes."""

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

_SUFFIXES: Mapping[str, Mapping[str, object]] = {
    "approx": {"approx": True},
    "int8": {"format": "Int8"},
    "int32": {"format": "Int32"},
    "bfp8": {"format": "Bfp8_b"},
    "fp16": {"format": "Float16_b"},
    "l1_acc": {"l1_accumulate": True},
    "r": {"attribute": "r"},
    "c": {"attribute": "c"},
    "nz_counts": {},
}


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


def split_name(name: str) -> tuple[str, dict[str, object]]:
    """Take a sweep's operation name apart into the operation and the attributes it carries.

    Parameters
    ----------
    name : str
        Such as ``exp_approx``, ``add-int8``, ``matmul_l1_acc`` or ``reduce_c``.

    Returns
    -------
    tuple
        Operation as parameter files name it, and any of `approx`, `l1_accumulate`, `attribute`
        and `format` (of the operand that governs) that the name fixes.

    Raises
    ------
    UsageError
        If no operation begins so.

    Examples
    --------
    >>> split_name("gelu-derivative-approx")
    ('gelu_derivative', {'approx': True})
    >>> split_name("matmul_sparse_nz_counts")
    ('matmul_sparse', {})
    """
    op = name.strip().lower().replace("-", "_")
    attributes: dict[str, object] = {}
    while op not in CATEGORIES:
        suffix = next((s for s in _SUFFIXES if op.endswith(f"_{s}")), None)
        if suffix is None:
            category(name)  # says which operations there are
            break
        op = op.removesuffix(f"_{suffix}")
        attributes |= _SUFFIXES[suffix]
    return op, attributes
