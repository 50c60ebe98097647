"""Layout changes: copy a matrix as it is, transposed, or into tiles of 32 x 32 elements."""

from sweeps.axis import Axis, log_spaced
from sweeps.dtypes import item_bytes
from sweeps.space import Array, Columns, Feature, Sweep

LAYOUTS = ("copy", "transpose", "tilize")

_EDGES = log_spaced(64, 2048, 11, multiple_of=32)


def _bytes_moved(c: Columns) -> Array:
    # Every element is read once and written once.
    return 2 * c["shape.h"] * c["shape.w"] * item_bytes(c["dtype"])


SWEEP = Sweep(
    name="memcpy",
    op="memcpy",
    version="1",
    axes=(
        Axis.choice("layout", LAYOUTS),
        Axis.choice("dtype", ["float32", "int8"]),
        Axis.shapes("shape", [(h, w) for h in _EDGES for w in _EDGES], components=("h", "w")),
    ),
    suite_by=("layout", "dtype"),
    features=(Feature("bytes_moved", _bytes_moved), Feature("flops", lambda c: 0 * c["shape.h"])),
    group_by=("layout", "dtype"),
    size="bytes_moved",
    repeats=10,
    timeout_s=30.0,
    chunk_rows=64,
)
