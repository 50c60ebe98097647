"""Sizes of the data types that sweeps use."""

from __future__ import annotations

import numpy as np

from sweeps.space import Array

ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
}
"""Data type -> bytes per element."""


def item_bytes(dtypes: Array) -> Array:
    """Bytes per element of each data type name; 0 for a name that is not known."""
    sizes = np.zeros(dtypes.shape, np.int64)
    for name, n_bytes in ITEM_BYTES.items():
        sizes[dtypes == name] = n_bytes
    return sizes
