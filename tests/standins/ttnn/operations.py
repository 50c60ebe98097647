"""Operations: those that are programs on the card say so by a launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ttnn._ttnn.device import Device
from ttnn._ttnn.tensor import DataType, Layout, MemoryConfig, Tensor

_MOVERS, _ALL_RISCS = 2, 5


def _placed(
    elements: Any,
    dtype: DataType | None,
    layout: Layout | None,
    device: Device | None,
    memory_config: MemoryConfig | None,
) -> Tensor:
    tensor = Tensor(
        elements,
        dtype or DataType.BFLOAT16,
        layout or Layout.ROW_MAJOR,
        memory_config or MemoryConfig(),
    )
    return tensor if device is None else device.allocate(tensor)


def from_torch(
    tensor: Any,
    dtype: DataType | None = None,
    *,
    layout: Layout | None = None,
    device: Device | None = None,
    memory_config: MemoryConfig | None = None,
) -> Tensor:
    return _placed(np.asarray(tensor), dtype, layout, device, memory_config)


def _filled(value: float) -> Any:
    def fill(
        shape: Sequence[int],
        dtype: DataType | None = None,
        layout: Layout | None = None,
        device: Device | None = None,
        memory_config: MemoryConfig | None = None,
    ) -> Tensor:
        elements = np.full(tuple(shape), value, np.float32)
        return _placed(elements, dtype, layout, device, memory_config)

    return fill


zeros, ones = _filled(0.0), _filled(1.0)


def rand(
    shape: Sequence[int],
    device: Device,
    *,
    dtype: DataType | None = None,
    layout: Layout | None = None,
    memory_config: MemoryConfig | None = None,
) -> Tensor:
    elements = np.random.random_sample(tuple(shape)).astype(np.float32)
    return _placed(elements, dtype, layout or Layout.TILE, device, memory_config)


def to_device(
    tensor: Tensor, device: Device, *, memory_config: MemoryConfig | None = None
) -> Tensor:
    return _placed(tensor.elements, tensor.dtype, tensor.layout, device, memory_config)


def to_torch(tensor: Tensor) -> Any:
    """Return the elements; without torch, as an array."""
    return tensor.elements


def _output(name: str, elements: Any, like: Tensor, config: MemoryConfig, n_riscs: int) -> Tensor:
    if like.card is None:
        raise RuntimeError(f"TT_FATAL: {name}: Operands need to be on device!")
    output = like.card.allocate(Tensor(elements, like.dtype, like.layout, config))
    like.card.launch(name, output, n_riscs)
    return output


def to_memory_config(
    tensor: Tensor, memory_config: MemoryConfig, dtype: DataType | None = None
) -> Tensor:
    return _output("to_memory_config", tensor.elements, tensor, memory_config, _MOVERS)


def add(a: Tensor, b: Tensor, *, memory_config: MemoryConfig | None = None) -> Tensor:
    elements = a.elements + b.elements
    if a.card is not None and a.card.is_told("WRONG", a.shape):
        elements = elements + 1
    return _output("add", elements, a, memory_config or a.config, _ALL_RISCS)


def deallocate(tensor: Tensor, force: bool = True) -> None:
    if tensor.card is not None:
        tensor.card.free(tensor)
