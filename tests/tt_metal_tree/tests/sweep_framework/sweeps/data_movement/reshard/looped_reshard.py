"""Launches the same program ten times in one run, each launch a measurement of its own."""

import ttnn

parameters = {
    "1x1-2x2": {
        "output_core_grid": [ttnn.CoreGrid(x=2, y=2)],
        "shape": [[1, 1, 64, 64 * w] for w in range(1, 4)],
    },
}


def run(output_core_grid, shape, *, device):
    config = ttnn.create_sharded_memory_config(
        shape, core_grid=output_core_grid, strategy=ttnn.ShardStrategy.BLOCK
    )
    tensor = ttnn.zeros(shape, layout=ttnn.TILE_LAYOUT, device=device, dtype=ttnn.bfloat16)
    for _ in range(10):
        ttnn.deallocate(ttnn.to_memory_config(tensor, config))
    ttnn.deallocate(tensor)
    return [True, ""]
