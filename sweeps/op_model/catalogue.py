"""The operations that are swept by default: 41 of them, for every part of a parameter file."""

from __future__ import annotations

from sweeps.op_model.op_types import Variables
from sweeps.op_model.operation import Operation

_UBLOCKS = (1, 2, 4, 8)


def _blocks(
    mblocks: tuple[int, ...], ublocks: tuple[int, ...] = _UBLOCKS
) -> dict[str, tuple[int, ...]]:
    return {
        "output_mb_r": mblocks,
        "output_mb_c": mblocks,
        "output_ub_r": ublocks,
        "output_ub_c": ublocks,
    }


_FLOAT16_B, _BFP8_B, _INT32, _INT8, _FLOAT32 = (2,), (4,), (10,), (11,), (12,)
_RC_ONLY = {"vector_mode": (1,)}
_APPROXIMATE = {"approximate_mode": (1,)}
_WIDE, _NARROW, _ODD = _blocks((2, 4, 8)), _blocks((2, 4)), _blocks((2, 4, 7))
_ODD_OF_TWO_FORMATS: Variables = {**_ODD, "input0_df": _FLOAT16_B + _BFP8_B}
_INT8_NARROW: Variables = {**_NARROW, "input0_df": _INT8}
_INT32_NARROW: Variables = {**_NARROW, "input0_df": _INT32}
_PRODUCTS: Variables = {
    **_blocks((2, 4, 8), (2, 4)),
    "ublock_kt": (1, 2, 4, 8, 16),
    "mblock_k": (1, 2, 4, 8, 16, 32),
}


def _unary(op_name: str, *variables: Variables) -> Operation:
    merged = {name: values for part in variables for name, values in part.items()}
    return Operation("unary", op_name, merged)


_UNARY = (
    _unary("nop", _ODD, _RC_ONLY),
    _unary("nop_int8", _INT8_NARROW, _RC_ONLY),
    _unary("nop_int32", _INT32_NARROW, _RC_ONLY),
    *(_unary(op, _ODD_OF_TWO_FORMATS) for op in ("abs", "cosine", "dropout", "exp")),
    _unary("exp_approx", _ODD_OF_TWO_FORMATS, _APPROXIMATE),
    _unary("gelu_derivative", _ODD_OF_TWO_FORMATS),
    _unary("gelu_derivative_approx", _ODD_OF_TWO_FORMATS, _APPROXIMATE),
    *(_unary(op, _ODD_OF_TWO_FORMATS) for op in ("gelu", "log", "lrelu", "power", "reciprocal")),
    _unary("reciprocal_approx", _ODD_OF_TWO_FORMATS, _APPROXIMATE),
    *(_unary(op, _ODD_OF_TWO_FORMATS) for op in ("sigmoid", "sine", "sqrt", "square", "tanh")),
)

_BINARY = (
    Operation("binary", "add", _WIDE),
    Operation("binary", "add_int8", _INT8_NARROW),
    Operation("binary", "add_int32", {**_blocks((2, 4), (1, 2, 4)), "input0_df": _INT32}),
    Operation("binary", "subtract", _WIDE),
    Operation("binary", "subtract_int8", _INT8_NARROW),
    Operation("binary", "multiply", {**_WIDE, "input0_df": _BFP8_B}),
    Operation("binary", "multiply_int8", _INT8_NARROW),
    Operation("binary", "maximum", {**_ODD, "input0_df": _BFP8_B}),
    Operation("binary", "maximum_int8", _INT8_NARROW),
    Operation("binary", "maximum_int32", _INT32_NARROW),
)

_QUANT = (
    Operation("quant", "quantization_int8", {**_NARROW, "input0_df": _FLOAT32}),
    Operation("quant", "dequantization_int8", _INT8_NARROW),
    Operation("quant", "dequantization_int32", _INT32_NARROW),
    Operation("quant", "requantization_int8", _INT8_NARROW),
    Operation("quant", "requantization_int32", _INT32_NARROW),
)

_MATMUL = (
    Operation("matmul", "matmul", _PRODUCTS),
    Operation("matmul", "matmul_int32", {**_PRODUCTS, "input0_df": _INT8}),
    Operation("matmul_l1_acc", "matmul_l1_acc", _PRODUCTS),
    Operation("matmul_sparse_nz_counts", "matmul_sparse_nz_counts"),
)

_SPLICE = (
    Operation(
        "splice",
        "splice",
        {
            "input0_df": _BFP8_B,
            "output_mb_r": (1, 2),
            "output_mb_c": (3, 6, 9, 12),
            "output_ub_r": (1,),
            "output_ub_c": (1, 4, 8),
        },
    ),
)

DEFAULT_OPERATIONS = (*_UNARY, *_BINARY, *_QUANT, *_MATMUL, *_SPLICE)
"""In the order in which they are swept."""
