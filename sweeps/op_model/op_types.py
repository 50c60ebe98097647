"""Op types: which operations each has, and over what variables they are swept.

A variable is a list of whole numbers: a size, or a code of `sweeps.op_model.formats`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNARY_OPS = (
    "nop",
    "abs",
    "cosine",
    "dropout",
    "exp",
    "gelu",
    "gelu_derivative",
    "log",
    "lrelu",
    "power",
    "reciprocal",
    "sigmoid",
    "sine",
    "sqrt",
    "square",
    "tanh",
)
BINARY_OPS = ("add", "subtract", "multiply", "maximum")
QUANT_OPS = ("quantization", "dequantization", "requantization")

BLOCK_VARIABLES = {
    "output_t": "t",
    "output_mb_r": "mblock_m",
    "output_mb_c": "mblock_n",
    "output_ub_r": "ublock_rt",
    "output_ub_c": "ublock_ct",
    "mblock_k": "mblock_k",
    "ublock_kt": "ublock_kt",
}
"""Variable -> the part of a block shape that it is."""

ALIASES = {
    "t": "output_t",
    "mb_r": "output_mb_r",
    "mb_c": "output_mb_c",
    "ub_r": "output_ub_r",
    "ub_c": "output_ub_c",
    "mblock_m": "output_mb_r",
    "mblock_n": "output_mb_c",
    "ublock_rt": "output_ub_r",
    "ublock_ct": "output_ub_c",
    "m_k": "mblock_k",
    "u_kt": "ublock_kt",
    "df": "input0_df",
    "input_df": "input0_df",
}
"""Other names of variables."""

DEFAULT_INPUT_COUNT = 128
"""Inputs that one launch works through."""

Variables = Mapping[str, tuple[int, ...]]

_BASE: Variables = {
    "math_fidelity": (1, 4),
    "input0_df": (2,),
    "output_t": (1,),
    "output_mb_r": (2,),
    "output_mb_c": (2,),
    "output_ub_r": (2,),
    "output_ub_c": (4,),
}


@dataclass(frozen=True)
class OpType:
    """A family of operations that are swept alike.

    Attributes
    ----------
    name : str
        As operation lists write it.
    ops : tuple of str
        Operations as parameter files name them.
    variables : Mapping
        Every variable -> its values where an operation does not say.
    output_formats : Mapping
        Operation, or input format -> output format, where that is not the input's.
    """

    name: str
    ops: tuple[str, ...]
    variables: Variables
    output_formats: Mapping[str, str] = field(default_factory=dict)

    def output_format(self, op: str, input_format: str) -> str:
        """Output format of an operation, where the sweep does not choose one."""
        return self.output_formats.get(op, self.output_formats.get(input_format, input_format))


_MATMUL: Variables = {**_BASE, "mblock_k": (1,), "ublock_kt": (1,), "l1_acc": (0,)}

OP_TYPES: Mapping[str, OpType] = {
    op_type.name: op_type
    for op_type in (
        OpType("unary", UNARY_OPS, {**_BASE, "vector_mode": (1, 2, 3), "approximate_mode": (0,)}),
        OpType("binary", BINARY_OPS, _BASE),
        OpType(
            "quant",
            QUANT_OPS,
            {**_BASE, "math_fidelity": (4,)},
            {"quantization": "Int8", "dequantization": "Float32", "requantization": "Int8"},
        ),
        OpType("matmul", ("matmul",), _MATMUL, {"Int8": "Int32"}),
        OpType("matmul_l1_acc", ("matmul",), {**_MATMUL, "l1_acc": (1,)}, {"Int8": "Int32"}),
        OpType(
            "matmul_sparse_nz_counts",
            ("matmul_sparse",),
            {
                "math_fidelity": (1, 2),
                "input0_df": (7,),
                "output_df": (1, 3),
                "output_t": (1, 2, 3, 4, 5, 6, 7),
                "output_mb_r": (4, 7, 12, 16, 21),
                "output_mb_c": (1, 4, 7),
                "output_ub_r": (2, 4),
                "output_ub_c": (1, 2, 3, 4),
                "mblock_k": (2, 4, 7, 16),
                "ublock_kt": (2, 4, 7, 8),
                "nz_draws": (385,),
            },
        ),
        OpType("splice", ("splice",), _BASE),
    )
}
"""Op type by name."""
