"""The size of a tt-metal vector: tiles of 32 x 32 elements in the tensors that it names.

A parameter whose name contains ``shape`` holds shapes, however nested; the last two parts of a
shape are height and width, and the rest counts tensors of that size.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from sweeps.axis import Value
from sweeps.columns import Array, Columns
from sweeps.derivation import Feature

TILE_EDGE = 32

_NUMBERS = re.compile(r"[\[(]\s*(\d+(?:\s*,\s*\d+)*)\s*,?\s*[\])]")


def is_shape(parameter: str) -> bool:
    """Whether a parameter holds tensor shapes, going by its name."""
    return "shape" in parameter.lower()


@lru_cache(maxsize=1 << 17)
def n_tiles(text: Value) -> int:
    """Tiles of all shapes in the text of a parameter value.

    Parameters
    ----------
    text : Value
        Such as ``[1,1,64,96]`` (6 tiles) or ``(32, 32)``; a value without a shape has none.
    """
    return sum(
        _tiles_of([int(part) for part in match.split(",")]) for match in _NUMBERS.findall(str(text))
    )


def _tiles_of(shape: list[int]) -> int:
    *rest, height, width = [1, 1, *shape]
    return math.prod(rest) * -(-height // TILE_EDGE) * -(-width // TILE_EDGE)


def _tiles(columns: Columns) -> Array:
    shapes = [name for name in columns if is_shape(name)]
    return sum((columns.mapped(name, n_tiles) for name in shapes), start=0)


TILES = Feature("tiles", _tiles)
