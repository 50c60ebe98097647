"""Tensors and what describes them; types print, compare and serialise as the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np


class DataType(Enum):
    BFLOAT16 = 0
    FLOAT32 = 1
    UINT32 = 2
    BFLOAT8_B = 3
    BFLOAT4_B = 4
    UINT8 = 5
    UINT16 = 6
    INT32 = 7


class Layout(Enum):
    ROW_MAJOR = 0
    TILE = 1


class BufferType(Enum):
    DRAM = 0
    L1 = 1


class TensorMemoryLayout(Enum):
    INTERLEAVED = 0
    HEIGHT_SHARDED = 2
    WIDTH_SHARDED = 3
    BLOCK_SHARDED = 4


class ShardOrientation(Enum):
    ROW_MAJOR = 0
    COL_MAJOR = 1


DATUM_BYTES = {
    DataType.BFLOAT16: 2.0,
    DataType.FLOAT32: 4.0,
    DataType.UINT32: 4.0,
    DataType.BFLOAT8_B: 1.0625,
    DataType.BFLOAT4_B: 0.5625,
    DataType.UINT8: 1.0,
    DataType.UINT16: 2.0,
    DataType.INT32: 4.0,
}


@dataclass(frozen=True)
class CoreCoord:
    x: int
    y: int

    def __repr__(self) -> str:
        return f"(x={self.x},y={self.y})"

    def to_json(self) -> str:
        return json.dumps({"x": self.x, "y": self.y})

    @staticmethod
    def from_json(text: str) -> CoreCoord:
        return CoreCoord(**json.loads(text))


@dataclass(frozen=True)
class CoreRange:
    start: CoreCoord
    end: CoreCoord

    def __repr__(self) -> str:
        return f"[{self.start} - {self.end}]"

    def to_json(self) -> str:
        return json.dumps({"start": vars(self.start), "end": vars(self.end)})

    @staticmethod
    def from_json(text: str) -> CoreRange:
        data = json.loads(text)
        return CoreRange(CoreCoord(**data["start"]), CoreCoord(**data["end"]))

    @property
    def cores(self) -> list[tuple[int, int]]:
        xs, ys = range(self.start.x, self.end.x + 1), range(self.start.y, self.end.y + 1)
        return [(x, y) for x in xs for y in ys]


class CoreRangeSet:
    def __init__(self, ranges: Iterable[CoreRange]) -> None:
        self._ranges = frozenset(ranges)

    def ranges(self) -> list[CoreRange]:
        return sorted(self._ranges, key=repr)

    def num_cores(self) -> int:
        return sum(len(one.cores) for one in self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CoreRangeSet) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.ranges())) + "}"

    def to_json(self) -> str:
        return json.dumps([json.loads(one.to_json()) for one in self.ranges()])

    @staticmethod
    def from_json(text: str) -> CoreRangeSet:
        return CoreRangeSet(CoreRange.from_json(json.dumps(one)) for one in json.loads(text))


@dataclass(frozen=True)
class ShardSpec:
    grid: CoreRangeSet
    shape: tuple[int, int]
    orientation: ShardOrientation = ShardOrientation.ROW_MAJOR

    def to_json(self) -> str:
        data = {
            "grid": json.loads(self.grid.to_json()),
            "orientation": self.orientation.value,
            "shape": list(self.shape),
        }
        return json.dumps(data)

    @staticmethod
    def from_json(text: str) -> ShardSpec:
        data = json.loads(text)
        height, width = data["shape"]
        grid = CoreRangeSet.from_json(json.dumps(data["grid"]))
        return ShardSpec(grid, (height, width), ShardOrientation(data["orientation"]))


@dataclass(frozen=True)
class MemoryConfig:
    memory_layout: TensorMemoryLayout = TensorMemoryLayout.INTERLEAVED
    buffer_type: BufferType = BufferType.DRAM
    shard_spec: ShardSpec | None = None

    def is_sharded(self) -> bool:
        return self.memory_layout is not TensorMemoryLayout.INTERLEAVED

    def to_json(self) -> str:
        data = {
            "buffer_type": self.buffer_type.value,
            "memory_layout": self.memory_layout.value,
            "shard_spec": json.loads(self.shard_spec.to_json()) if self.shard_spec else None,
        }
        return json.dumps(data)

    @staticmethod
    def from_json(text: str) -> MemoryConfig:
        data = json.loads(text)
        spec = data["shard_spec"]
        return MemoryConfig(
            TensorMemoryLayout(data["memory_layout"]),
            BufferType(data["buffer_type"]),
            ShardSpec.from_json(json.dumps(spec)) if spec else None,
        )


@dataclass(eq=False)
class Tensor:
    """Elements on the host, and what memory they take on a card."""

    elements: Any
    dtype: DataType
    layout: Layout
    config: MemoryConfig = field(default_factory=MemoryConfig)
    card: Any = None
    is_allocated: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(np.shape(self.elements))

    def __del__(self) -> None:
        if self.card is not None:
            self.card.free(self)

    def device(self) -> Any:
        return self.card

    def memory_config(self) -> MemoryConfig:
        return self.config

    def bytes_per_core(self) -> int:
        """Bytes that each core of a sharded tensor holds, 0 elsewhere."""
        if self.config.shard_spec is None or self.config.buffer_type is not BufferType.L1:
            return 0
        height, width = self.config.shard_spec.shape
        return int(height * width * DATUM_BYTES[self.dtype])
