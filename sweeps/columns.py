"""Columns: the values of axes as arrays, which rules and features see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.axis import Axis, Value

Array = Any
"""An ndarray that broadcasts to the candidates; arithmetic on ndarrays is typed as Any."""


class Columns(Mapping[str, Array]):
    """Values of the axes as arrays that broadcast against each other.

    ``columns["M"]`` is the array of a scalar axis; ``columns["input_grid.x"]`` is one part of a
    tuple axis.
    """

    def __init__(self, axes: tuple[Axis, ...], codes: Mapping[str, npt.NDArray[np.intp]]) -> None:
        self._axes = {axis.name: axis for axis in axes}
        self._codes = codes
        self._cache: dict[str, Array] = {}

    def __getitem__(self, key: str) -> Array:
        if key not in self._cache:
            self._cache[key] = self._look_up(key)
        return self._cache[key]

    def _look_up(self, key: str) -> Array:
        name, _, component = key.partition(".")
        if name not in self._axes:
            raise KeyError(f"no axis {name!r}; the axes are {', '.join(self._axes)}")
        axis, codes = self._axes[name], self._codes[name]
        if component and not axis.components:
            raise KeyError(f"axis {name!r} has no parts; {key!r} is not a column")
        if not axis.components:
            return axis.array[codes]
        if component not in axis.components:
            known = ", ".join(f"{name}.{c}" for c in axis.components)
            raise KeyError(f"axis {name!r} has the parts {known}; {key!r} is not among them")
        taken: Array = axis.array[:, axis.components.index(component)][codes]
        return taken

    def mapped(self, name: str, number: Callable[[Value], int | float]) -> Array:
        """Return a number for each value of an axis, at every candidate."""
        values, codes = self._axes[name].values, self._codes[name]
        used, inverse = np.unique(codes, return_inverse=True)
        return np.array([number(values[code]) for code in used.tolist()])[
            inverse.reshape(codes.shape)
        ]

    def __iter__(self) -> Iterator[str]:
        for axis in self._axes.values():
            if axis.components:
                yield from (f"{axis.name}.{part}" for part in axis.components)
            else:
                yield axis.name

    def __len__(self) -> int:
        return sum(1 for _ in self)
