"""Vectors of tt-metal's reshard-modelling branch as vectors of the sweep ``reshard``, and back.

=============================== =========================== ======================
there, always text              here                        example
=============================== =========================== ======================
``input_shard_strategy``        ``input_strategy``          ``ShardStrategy.BLOCK``
``output_shard_strategy``       ``output_strategy``
``input_shard_orientation``     ``input_orientation``       ``ShardOrientation.ROW_MAJOR``
``output_shard_orientation``    ``output_orientation``
``dtype``                       ``dtype``                   ``DataType.BFLOAT16``
``input_core_grid``             ``input_grid``              ``ttnn.CoreGrid(x=1, y=2)``
``output_core_grid``            ``output_grid``
``shape``                       ``shape``                   ``[1, 1, 256, 64]``
=============================== =========================== ======================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sweeps.axis import Value, format_value

MODULE = "data_movement.reshard.reshard"
OP = "reshard"

_GRID = re.compile(r"ttnn\.CoreGrid\(x=([1-9]\d{0,8}), y=([1-9]\d{0,8})\)")
_SHAPE = re.compile(r"\[([1-9]\d{0,8}), ([1-9]\d{0,8}), ([1-9]\d{0,8}), ([1-9]\d{0,8})\]")
_MEMBER = re.compile(r"[A-Za-z_]\w*")

Reader = Callable[[str], Value]


def _member_of(enum: str) -> Reader:
    def read(text: str) -> Value:
        name = text.removeprefix(f"{enum}.")
        if not text.startswith(f"{enum}.") or not _MEMBER.fullmatch(name):
            raise ValueError(f"{text!r} is no member of {enum}")
        return name

    return read


def _numbers(pattern: re.Pattern[str], example: str) -> Reader:
    def read(text: str) -> Value:
        match = pattern.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not written like {example}")
        return tuple(int(part) for part in match.groups())

    return read


_STRATEGY, _ORIENTATION = _member_of("ShardStrategy"), _member_of("ShardOrientation")
_CORE_GRID = _numbers(_GRID, "ttnn.CoreGrid(x=1, y=2)")
_ENTRIES: dict[str, tuple[str, Reader, str]] = {
    "input_shard_strategy": ("input_strategy", _STRATEGY, "ShardStrategy.{}"),
    "output_shard_strategy": ("output_strategy", _STRATEGY, "ShardStrategy.{}"),
    "input_shard_orientation": ("input_orientation", _ORIENTATION, "ShardOrientation.{}"),
    "output_shard_orientation": ("output_orientation", _ORIENTATION, "ShardOrientation.{}"),
    "dtype": ("dtype", _member_of("DataType"), "DataType.{}"),
    "input_core_grid": ("input_grid", _CORE_GRID, "ttnn.CoreGrid(x={}, y={})"),
    "output_core_grid": ("output_grid", _CORE_GRID, "ttnn.CoreGrid(x={}, y={})"),
    "shape": ("shape", _numbers(_SHAPE, "[1, 1, 32, 64]"), "[{}, {}, {}, {}]"),
}


def is_reshard(entries: Mapping[str, Any]) -> bool:
    """Whether a vector is one of the branch's reshard sweep."""
    return entries.get("sweep_name") == MODULE and _ENTRIES.keys() <= entries.keys()


def params_of(entries: Mapping[str, str]) -> dict[str, Value]:
    """Read the parameters.

    Raises
    ------
    ValueError
        If one is not written as the branch writes it.
    """
    return {here: _read(there, entries[there]) for there, (here, _, _) in _ENTRIES.items()}


@lru_cache(maxsize=1 << 17)
def _read(entry: str, text: str) -> Value:
    try:
        return _ENTRIES[entry][1](text)
    except ValueError as error:
        raise ValueError(f"{entry}: {error}") from None


def entries_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Write the parameters as the branch does, in its order."""
    written = {}
    for there, (here, _, text) in _ENTRIES.items():
        value = params[here]
        written[there] = text.format(*(value if isinstance(value, tuple | list) else [value]))
    return written


def suite_of(params: Mapping[str, Any]) -> str:
    """Return the branch's name of the suite of a vector."""
    grids = (format_value(tuple(params[name])) for name in ("input_grid", "output_grid"))
    return f"{'-'.join(grids)}-DataType.{params['dtype']}"


def bookkeeping(suite: str) -> dict[str, str]:
    """Return what the branch keeps of a valid vector beside its parameters, as far as it hashes."""
    return {
        "suite_name": suite,
        "validity": "VectorValidity.VALID",
        "invalid_reason": "",
        "status": "VectorStatus.CURRENT",
        "sweep_name": MODULE,
    }


def file_of(params: Mapping[str, Any]) -> str:
    """Return the name of the branch's file for the suite of a vector."""
    first, second = (format_value(tuple(params[name])) for name in ("input_grid", "output_grid"))
    return f"{first}/reshard-{first}-{second}.json"
