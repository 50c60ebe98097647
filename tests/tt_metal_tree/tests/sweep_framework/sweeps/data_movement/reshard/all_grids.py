"""Every pair of core grids and every data type is a suite; all suites share one list of shapes."""

from itertools import product

import ttnn

TIMEOUT = 30

STRATEGIES = [ttnn.ShardStrategy.BLOCK, ttnn.ShardStrategy.WIDTH, ttnn.ShardStrategy.HEIGHT]
ORIENTATIONS = [ttnn.ShardOrientation.ROW_MAJOR]
DTYPES = [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.float32]
SHAPES = [[1, 1, 32 * h, 32 * w] for w in range(1, 250) for h in range(1, 250)]
EDGES = [(x, y) for x in range(1, 9) for y in range(1, 9)]

parameters = {
    f"{ix}x{iy}-{ox}x{oy}-{dtype}": {
        "input_shard_strategy": STRATEGIES,
        "output_shard_strategy": STRATEGIES,
        "input_shard_orientation": ORIENTATIONS,
        "output_shard_orientation": ORIENTATIONS,
        "dtype": [dtype],
        "input_core_grid": [ttnn.CoreGrid(x=ix, y=iy)],
        "output_core_grid": [ttnn.CoreGrid(x=ox, y=oy)],
        "shape": SHAPES,
    }
    for (ix, iy), (ox, oy), dtype in product(EDGES, EDGES, DTYPES)
    if (ix, iy) != (ox, oy)
}


def _shard(shape, strategy, grid):
    _, _, height, width = shape
    columns = {"BLOCK": grid.x, "WIDTH": grid.num_cores, "HEIGHT": 1}[strategy.name]
    rows = {"BLOCK": grid.y, "WIDTH": 1, "HEIGHT": grid.num_cores}[strategy.name]
    return divmod(height, 32 * rows), divmod(width, 32 * columns)


def invalidate_vector(test_vector):
    strategies = test_vector["input_shard_strategy"], test_vector["output_shard_strategy"]
    if strategies[0] == strategies[1] != ttnn.ShardStrategy.BLOCK:
        return True, "The same strategy twice"
    grids = test_vector["input_core_grid"], test_vector["output_core_grid"]
    for strategy, grid in zip(strategies, grids, strict=True):
        (high, rest), (wide, left) = _shard(test_vector["shape"], strategy, grid)
        if rest or left:
            return True, "Uneven shards"
        if high * wide > 680:
            return True, "A shard does not fit"
    return False, None


def run(
    input_shard_strategy,
    output_shard_strategy,
    input_shard_orientation,
    output_shard_orientation,
    dtype,
    input_core_grid,
    output_core_grid,
    shape,
    *,
    device,
):
    source, target = (
        ttnn.create_sharded_memory_config(shape, core_grid=grid, strategy=strategy)
        for grid, strategy in (
            (input_core_grid, input_shard_strategy),
            (output_core_grid, output_shard_strategy),
        )
    )
    tensor = ttnn.rand(shape, device, dtype=dtype, memory_config=source)
    moved = ttnn.to_memory_config(tensor, target)
    is_same = bool((ttnn.to_torch(moved) == ttnn.to_torch(tensor)).all())
    for each in (tensor, moved):
        ttnn.deallocate(each)
    return (is_same, "")
