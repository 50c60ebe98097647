"""Spreads a tensor over cores, then over others: two programs per run."""

import time

import ttnn

TIMEOUT = 5

GRIDS = [ttnn.CoreGrid(x=1, y=1), ttnn.CoreGrid(x=2, y=2)]

parameters = {
    "small": {
        "strategy": [ttnn.ShardStrategy.BLOCK, ttnn.ShardStrategy.HEIGHT],
        "input_core_grid": GRIDS[:1],
        "output_core_grid": GRIDS[1:],
        "dtype": [ttnn.bfloat16],
        "shape": [[1, 1, 128 * h, 64 * w] for h in range(1, 4) for w in range(1, 4)],
    },
    "xfail_too_large": {
        "strategy": [ttnn.ShardStrategy.BLOCK],
        "input_core_grid": GRIDS[:1],
        "output_core_grid": GRIDS[1:],
        "dtype": [ttnn.bfloat16],
        "shape": [[1, 1, 1024, 1024]],
    },
}


def invalidate_vector(test_vector):
    height = test_vector["shape"][2] // ttnn.TILE_SIZE
    if test_vector["strategy"] == ttnn.ShardStrategy.HEIGHT and height % 8:
        return True, "Uneven shards"
    return False, None


def run(strategy, input_core_grid, output_core_grid, dtype, shape, *, device):
    configs = [
        ttnn.create_sharded_memory_config(shape, core_grid=grid, strategy=strategy)
        for grid in (input_core_grid, output_core_grid)
    ]
    tensor = ttnn.rand(shape, device, dtype=dtype, memory_config=ttnn.DRAM_MEMORY_CONFIG)
    start = time.perf_counter_ns()
    spread = ttnn.to_memory_config(tensor, configs[0])
    moved = ttnn.to_memory_config(spread, configs[1])
    e2e_ns = time.perf_counter_ns() - start
    is_same = bool((ttnn.to_torch(moved) == ttnn.to_torch(tensor)).all())
    for each in (tensor, spread, moved):
        ttnn.deallocate(each)
    return [(is_same, "PCC 1.0"), e2e_ns]
