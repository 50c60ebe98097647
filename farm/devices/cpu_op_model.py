"""What an operation of the sweep ``op-model`` is on this host: a whole tensor at once, by NumPy.

Blocks and tiles are how a Tensix core walks through a tensor; here only the size of the whole
counts, ``t`` slices of ``32 mblock_m ublock_rt`` rows and ``32 mblock_n ublock_ct`` columns.  Math
fidelity has no meaning here and is not looked at.  What NumPy does not do by itself in the very
format is unsupported; matrix products are done in Float32 alone, which BLAS has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm.errors import UnsupportedVectorError
from sweeps.op_model.operation import SHAPE_PARTS, plain_op

UFUNCS = {
    "nop": "positive",
    "abs": "absolute",
    "cosine": "cos",
    "exp": "exp",
    "log": "log",
    "reciprocal": "reciprocal",
    "sine": "sin",
    "sqrt": "sqrt",
    "square": "square",
    "tanh": "tanh",
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "maximum": "maximum",
}
"""Operation -> NumPy's function of the same meaning."""

DTYPES = {
    "Float32": "float32",
    "Float16": "float16",
    "Float16_b": "bfloat16",
    "Int32": "int32",
    "Int8": "int8",
}
"""Data format -> the data type that it is."""

_TILE_EDGE = 32


def host_vector(params: Mapping[str, Any]) -> tuple[str, dict[str, Any], int]:
    """Say what to run.

    Returns
    -------
    tuple
        Operation ``eltwise`` or ``matmul``, its parameters (see `farm.devices.cpu_kernels`), and
        how often it is done in one launch.

    Raises
    ------
    UnsupportedVectorError
        If this host does not do the like.
    KeyError
        If a parameter is missing.
    """
    op, input_format = plain_op(params["operation"]), params["input_format"]
    shape = dict(zip(SHAPE_PARTS, params["shape"], strict=True))
    rows = _TILE_EDGE * shape["mblock_m"] * shape["ublock_rt"]
    columns = _TILE_EDGE * shape["mblock_n"] * shape["ublock_ct"]
    if op != "matmul" and op not in UFUNCS:
        raise _unsupported(f"no operation {op!r}; it has matmul, {', '.join(UFUNCS)}")
    if params["approx"]:
        raise _unsupported("no approximate mode")
    if params["vector_mode"] != "rc":
        raise _unsupported("no vector modes: it works on whole tiles")
    if params["l1_accumulate"]:
        raise _unsupported("no accumulation in L1")
    if input_format not in DTYPES:
        raise _unsupported(f"no format {input_format}: block floats share their exponents")
    if op != "matmul":
        extents = (shape["t"], rows, columns)
        return (
            "eltwise",
            {"ufunc": UFUNCS[op], "dtype": DTYPES[input_format], "shape": extents},
            params["input_count"],
        )
    if input_format != "Float32":
        raise _unsupported(f"no fast matrix product of {input_format}: BLAS has Float32 only")
    inner = _TILE_EDGE * shape["mblock_k"] * shape["ublock_kt"]
    product = {"dtype": DTYPES[input_format], "M": rows, "K": inner, "N": columns}
    return "matmul", product, params["input_count"] * shape["t"]


def _unsupported(what: str) -> UnsupportedVectorError:
    return UnsupportedVectorError(f"the cpu device has {what}")
