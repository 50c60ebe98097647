"""Core grids, and memory configurations made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import prod

from ttnn._ttnn.tensor import (
    BufferType,
    CoreCoord,
    CoreRange,
    CoreRangeSet,
    MemoryConfig,
    ShardOrientation,
    ShardSpec,
    TensorMemoryLayout,
)


@dataclass
class CoreGrid:
    y: int
    x: int

    @property
    def num_cores(self) -> int:
        return self.y * self.x

    def __repr__(self) -> str:
        return f"ttnn.CoreGrid(x={self.x}, y={self.y})"


class ShardStrategy(Enum):
    HEIGHT = 1
    WIDTH = 2
    BLOCK = 3


_LAYOUTS = {
    ShardStrategy.HEIGHT: TensorMemoryLayout.HEIGHT_SHARDED,
    ShardStrategy.WIDTH: TensorMemoryLayout.WIDTH_SHARDED,
    ShardStrategy.BLOCK: TensorMemoryLayout.BLOCK_SHARDED,
}


def create_sharded_memory_config(
    shape: Sequence[int],
    core_grid: CoreGrid,
    strategy: ShardStrategy,
    orientation: ShardOrientation | None = None,
    use_height_and_width_as_shard_shape: bool = False,
) -> MemoryConfig:
    orientation = orientation or ShardOrientation.ROW_MAJOR
    height, width = prod(shape[:-1]), shape[-1]
    rows, columns = {
        ShardStrategy.HEIGHT: (core_grid.num_cores, 1),
        ShardStrategy.WIDTH: (1, core_grid.num_cores),
        ShardStrategy.BLOCK: (core_grid.y, core_grid.x),
    }[strategy]
    if strategy is ShardStrategy.BLOCK and orientation is ShardOrientation.COL_MAJOR:
        rows, columns = columns, rows
    if not use_height_and_width_as_shard_shape:
        if height % rows or width % columns:
            raise RuntimeError(f"Invalid sharding: {shape} over {core_grid} by {strategy}")
        height, width = height // rows, width // columns
    last = CoreCoord(core_grid.x - 1, core_grid.y - 1)
    grid = CoreRangeSet({CoreRange(CoreCoord(0, 0), last)})
    return MemoryConfig(
        _LAYOUTS[strategy], BufferType.L1, ShardSpec(grid, (height, width), orientation)
    )
