"""A sweep of as many small reshards as a measurement needs: the same ones in numbered copies."""

from sweeps.axis import Axis, Value
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Sweep

MOST_COPIES = 1 << 14

_EDGES = (192, 384, 576)
_SMALL: dict[str, list[Value]] = {
    "input_grid": [(1, 1)],
    "output_grid": [(1, 2), (2, 1), (2, 2), (3, 2)],
    "shape": [(1, 1, high, wide) for wide in _EDGES for high in _EDGES],
}

SWEEP = Sweep(
    name="throughput",
    op=RESHARD.op,
    version="1",
    axes=(
        *(axis.with_values(_SMALL.get(axis.name, list(axis.values))) for axis in RESHARD.axes),
        Axis.ints("copy", range(MOST_COPIES)),
    ),
    suite_by=RESHARD.suite_by,
    rules=RESHARD.rules,
    features=RESHARD.features,
    group_by=RESHARD.group_by,
    size=RESHARD.size,
    repeats=RESHARD.repeats,
    timeout_s=RESHARD.timeout_s,
)
