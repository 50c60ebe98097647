"""Matrix multiplication C[M, N] = A[M, K] @ B[K, N]."""

from sweeps.axis import Axis, log_spaced
from sweeps.dtypes import item_bytes
from sweeps.space import Array, Columns, Feature, Rule, Sweep

MOST_FLOPS = 2 * 1024**3
"""Largest product of the default space: a few milliseconds to a second on one core."""

_EDGES = log_spaced(64, 1024, 9, multiple_of=16)


def _flops(c: Columns) -> Array:
    # One multiplication and one addition per term of each inner product.
    return 2 * c["M"] * c["K"] * c["N"]


def _bytes_moved(c: Columns) -> Array:
    # Compulsory traffic: A and B read once, C written once.
    elements = c["M"] * c["K"] + c["K"] * c["N"] + c["M"] * c["N"]
    return elements * item_bytes(c["dtype"])


SWEEP = Sweep(
    name="matmul",
    op="matmul",
    version="1",
    axes=(
        Axis.choice("dtype", ["float32", "float64"]),
        Axis.ints("M", _EDGES),
        Axis.ints("K", _EDGES),
        Axis.ints("N", _EDGES),
    ),
    suite_by=("dtype",),
    rules=(Rule(f"more than {MOST_FLOPS} flops", lambda c: _flops(c) <= MOST_FLOPS),),
    features=(Feature("flops", _flops), Feature("bytes_moved", _bytes_moved)),
    group_by=("dtype",),
    size="flops",
    repeats=7,
    timeout_s=60.0,
    chunk_rows=64,
)
