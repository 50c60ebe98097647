"""Reshard: move a tiled bfloat16 tensor from one sharding over cores to another.

Input and output are spread over core grids of up to 8 x 8 cores by BLOCK (both dimensions), WIDTH
or HEIGHT (one dimension over all cores of the grid).  One suite per pair of grids and data type.
"""

import numpy as np

from sweeps.axis import Axis
from sweeps.space import Array, Columns, Feature, Rule, Sweep

TILE_EDGE = 32
BFLOAT16_BYTES = 2
L1_BYTES_PER_CORE = 1 << 20
"""Largest shard that is tried on one core; what fits beside it the card decides."""

STRATEGIES = ("BLOCK", "WIDTH", "HEIGHT")


def _tiles_wide(c: Columns) -> Array:
    return c["shape.w"] // TILE_EDGE


def _tiles_high(c: Columns) -> Array:
    return c["shape.h"] // TILE_EDGE


def _tiles(c: Columns) -> Array:
    return _tiles_wide(c) * _tiles_high(c)


def _can_be_tiled(c: Columns, side: str) -> Array:
    x, y = c[f"{side}_grid.x"], c[f"{side}_grid.y"]
    strategy = c[f"{side}_strategy"]
    wide, high = _tiles_wide(c), _tiles_high(c)
    block = (wide % x == 0) & (high % y == 0)
    width, height = wide % (x * y) == 0, high % (x * y) == 0
    return np.where(strategy == "BLOCK", block, np.where(strategy == "WIDTH", width, height))


def _fits(c: Columns, side: str) -> Array:
    n_cores = c[f"{side}_grid.x"] * c[f"{side}_grid.y"]
    n_bytes = BFLOAT16_BYTES * c["shape.h"] * c["shape.w"]
    return n_bytes <= L1_BYTES_PER_CORE * n_cores


def _strategies_differ(c: Columns) -> Array:
    different = c["input_strategy"] != c["output_strategy"]
    return different | (c["input_strategy"] == "BLOCK")


def _grids_differ(c: Columns) -> Array:
    return (c["input_grid.x"] != c["output_grid.x"]) | (c["input_grid.y"] != c["output_grid.y"])


SWEEP = Sweep(
    name="reshard",
    op="reshard",
    version="1",
    axes=(
        Axis.choice("input_strategy", STRATEGIES),
        Axis.choice("output_strategy", STRATEGIES),
        Axis.choice("input_orientation", ["ROW_MAJOR"]),
        Axis.choice("output_orientation", ["ROW_MAJOR"]),
        Axis.choice("dtype", ["BFLOAT16"]),
        Axis.grids("input_grid", range(1, 9), range(1, 9)),
        Axis.grids("output_grid", range(1, 9), range(1, 9)),
        Axis.shapes(
            "shape",
            [
                (1, 1, TILE_EDGE * high, TILE_EDGE * wide)
                for wide in range(1, 250)
                for high in range(1, 250)
            ],
            components=("n", "c", "h", "w"),
        ),
    ),
    suite_by=("input_grid", "output_grid", "dtype"),
    suite_rules=(Rule("input and output grid are equal", _grids_differ),),
    rules=(
        Rule("input and output strategy are equal and not BLOCK", _strategies_differ),
        Rule("input shards are not whole tiles", lambda c: _can_be_tiled(c, "input")),
        Rule("output shards are not whole tiles", lambda c: _can_be_tiled(c, "output")),
        Rule("tensor does not fit the L1 of the input grid", lambda c: _fits(c, "input")),
        Rule("tensor does not fit the L1 of the output grid", lambda c: _fits(c, "output")),
    ),
    features=(
        Feature("tiles", _tiles),
        Feature("bytes_moved", lambda c: 2 * BFLOAT16_BYTES * c["shape.h"] * c["shape.w"]),
    ),
    group_by=(
        "input_grid",
        "output_grid",
        "input_strategy",
        "output_strategy",
        "input_orientation",
        "output_orientation",
        "dtype",
    ),
    size="tiles",
    max_vectors_per_suite=1600,
    repeats=10,
    timeout_s=30.0,
)
