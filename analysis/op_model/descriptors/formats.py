"""Data formats, math fidelities and vector modes of Tensix cards, with their numbers.

A tile is 32 x 32 data.  Its bytes in memory are the data, for block floats (Bfp) one exponent byte
per 16 data, and a 32-byte header (Int8: 1024 + 32; Bfp8: 1024 + 64 + 32; Float16: 2048 + 32).
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from functools import cache
from typing import TypeVar

from farm.errors import UsageError
from sweeps.op_model import formats as swept


class DataFormat(StrEnum):
    """How one datum of a tensor is stored; ``_b`` has an 8-bit exponent, as bfloat16."""

    FLOAT32 = "Float32"
    TF32 = "Tf32"
    FLOAT16 = "Float16"
    FLOAT16_B = "Float16_b"
    BFP8 = "Bfp8"
    BFP8_B = "Bfp8_b"
    BFP4 = "Bfp4"
    BFP4_B = "Bfp4_b"
    BFP2 = "Bfp2"
    BFP2_B = "Bfp2_b"
    INT32 = "Int32"
    INT8 = "Int8"
    RAW_UINT32 = "RawUInt32"


class Fidelity(StrEnum):
    """How many bits of the operands the matrix engine multiplies, in phases."""

    LOFI = "LoFi"
    HIFI2 = "HiFi2"
    HIFI2_A = "HiFi2_A"
    HIFI2_B = "HiFi2_B"
    HIFI3 = "HiFi3"
    HIFI4 = "HiFi4"


class VectorMode(StrEnum):
    """Which part of a tile the vector engine works on: all of it, its first rows or columns."""

    RC = "rc"
    R = "r"
    C = "c"


TILE_BYTES = {DataFormat(name): n_bytes for name, n_bytes in swept.TILE_BYTES.items()}
TILE_BYTES[DataFormat.TF32] = TILE_BYTES[DataFormat.FLOAT32]
"""Bytes of one tile in memory."""

BLOCK_FLOATS = frozenset(map(DataFormat, swept.BLOCK_FLOATS))
"""Formats that share one exponent among 16 data."""

INTEGERS = frozenset(map(DataFormat, swept.INTEGERS))
"""Formats of integer arithmetic."""

HALF_FLOATS = frozenset({DataFormat.FLOAT16, DataFormat.FLOAT16_B})
"""Formats of 16 bits per datum."""

FIDELITY_PHASES = {
    Fidelity.LOFI: 1,
    Fidelity.HIFI2: 2,
    Fidelity.HIFI2_A: 2,
    Fidelity.HIFI2_B: 2,
    Fidelity.HIFI3: 3,
    Fidelity.HIFI4: 4,
}
"""Passes of the matrix engine over one pair of tiles."""

_E = TypeVar("_E", bound=StrEnum)


@cache
def data_format(text: str) -> DataFormat:
    """Read the name of a data format, in any case.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    return _member(DataFormat, text, "data format")


@cache
def fidelity(text: str) -> Fidelity:
    """Read the name of a math fidelity, in any case.

    Raises
    ------
    UsageError
        If there is no such fidelity.
    """
    return _member(Fidelity, text, "math fidelity")


@cache
def vector_mode(text: str) -> VectorMode:
    """Read the name of a vector mode, in any case.

    Raises
    ------
    UsageError
        If there is no such mode.
    """
    return _member(VectorMode, text, "vector mode")


def _member(kind: type[_E], text: str, what: str) -> _E:
    by_name = {member.value.lower(): member for member in kind}
    found = by_name.get(text.strip().lower())
    if found is None:
        close = difflib.get_close_matches(text.strip().lower(), by_name, n=1)
        hint = f" (did you mean {by_name[close[0]].value}?)" if close else ""
        raise UsageError(
            f"unknown {what} {text!r}{hint}; there are {', '.join(m.value for m in kind)}"
        )
    return found
