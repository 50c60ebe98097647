"""Element-wise operations over a contiguous matrix: one input (exp ...) or two (add ...)."""

import numpy as np

from sweeps.axis import Axis, log_spaced
from sweeps.dtypes import item_bytes
from sweeps.space import Array, Columns, Feature, Sweep

UNARY_OPS = ("exp", "sqrt", "tanh")
BINARY_OPS = ("add", "multiply", "maximum")

_ROWS = log_spaced(32, 2048, 13, multiple_of=32)
_COLUMNS = (64, 256, 1024)


def _elements(c: Columns) -> Array:
    return c["shape.h"] * c["shape.w"]


def _bytes_moved(c: Columns) -> Array:
    n_operands = np.where(np.isin(c["ufunc"], BINARY_OPS), 3, 2)
    return n_operands * _elements(c) * item_bytes(c["dtype"])


SWEEP = Sweep(
    name="eltwise",
    op="eltwise",
    version="1",
    axes=(
        Axis.choice("ufunc", UNARY_OPS + BINARY_OPS),
        Axis.choice("dtype", ["float32", "float64"]),
        Axis.shapes("shape", [(h, w) for h in _ROWS for w in _COLUMNS], components=("h", "w")),
    ),
    suite_by=("ufunc", "dtype"),
    features=(
        Feature("elements", _elements),
        Feature("flops", _elements),
        Feature("bytes_moved", _bytes_moved),
    ),
    group_by=("ufunc", "dtype"),
    size="elements",
    repeats=10,
    timeout_s=30.0,
    chunk_rows=64,
)
