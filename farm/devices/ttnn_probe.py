"""The probe of a Tenstorrent card: small additions, whose values are known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sweeps.axis import Value
from sweeps.vector import Vector, vector_id

OP = "ttnn_probe"
SHAPES = ((1, 1, 32, 32), (1, 1, 128, 256))
EXPECTED = 2.0
"""What every element of the sum of two tensors of ones is."""
LIMIT_NS = 1e9


def vectors() -> list[Vector]:
    """Additions of two sizes, at positions that no sweep has."""
    found = []
    for position, shape in enumerate(SHAPES):
        params: dict[str, Value] = {"shape": shape}
        found.append(Vector(-1 - position, vector_id(OP, params), OP, params, {}))
    return found


def is_healthy(profile: pa.Table) -> bool:
    """Whether each addition was measured, once per repeat, in a sensible time.

    Parameters
    ----------
    profile : pyarrow.Table
        Launches of `vectors`, whose tags are their positions.
    """
    tags, repeats = profile["tag"].to_pylist(), profile["repeat"].to_pylist()
    duration_ns = profile["duration_ns"].to_numpy()
    n_repeats, left = divmod(profile.num_rows, len(SHAPES))
    expected = {(tag, repeat) for tag in range(len(SHAPES)) for repeat in range(n_repeats)}
    is_complete = not left and expected and set(zip(tags, repeats, strict=True)) == expected
    return bool(is_complete and np.all((duration_ns > 0) & (duration_ns < LIMIT_NS)))
