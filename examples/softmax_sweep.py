"""A sweep of your own: row-wise softmax on the processor, swept over rows, columns and data type.

Run it with ``farm run examples/softmax_sweep.py --device cpu --out softmax-sweep``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sweeps.axis import Axis, Value, log_spaced
from sweeps.dtypes import item_bytes
from sweeps.space import Array, Columns, Feature, Rule, Sweep

MOST_ELEMENTS = 1 << 20


def elements(c: Columns) -> Array:
    """Elements of the matrix; `c` holds whole columns of vectors, never one vector."""
    return c["rows"] * c["columns"]


def softmax(params: Mapping[str, Value]) -> Callable[[], object]:
    """Prepare the operands of one vector; what is returned is one launch, and is what is timed."""
    shape: Any = (params["rows"], params["columns"])
    x = np.random.default_rng(0).standard_normal(shape).astype(str(params["dtype"]))

    def launch() -> object:
        weights = np.exp(x - x.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    return launch


SWEEP = Sweep(
    name="softmax",
    op="softmax",
    axes=(
        Axis.choice("dtype", ["float32", "float64"]),
        Axis.ints("rows", log_spaced(16, 4096, 5)),
        Axis.ints("columns", log_spaced(64, 4096, 4)),
    ),
    suite_by=("dtype",),
    rules=(Rule(f"more than {MOST_ELEMENTS} elements", lambda c: elements(c) <= MOST_ELEMENTS),),
    features=(
        Feature("elements", elements),
        # The input is read once and the result written once.
        Feature("bytes_moved", lambda c: 2 * elements(c) * item_bytes(c["dtype"])),
    ),
    group_by=("dtype",),
    size="elements",
    kernel=softmax,
    repeats=7,
    chunk_rows=8,
)
