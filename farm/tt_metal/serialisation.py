"""Parameter values as data: what tt-metal's sweep framework writes for them, and their text here.

*Serialised*, as in a vector file of that framework: strings, numbers, truth values and None are
themselves; dictionaries and lists are taken apart; an object with a ``to_json`` method becomes
``{"type": ..., "data": ...}``; anything else becomes ``str(value)``.

The *text* of a serialised value is what an axis of this farm holds where values are not all plain
numbers: a string stands for itself unless it could be mistaken for something else; everything else
is canonical JSON.  The text is exactly invertible, and nothing is ever evaluated from it.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

JsonValue = Any
"""What `json` reads and writes."""

ABSENT = "__ABSENT__"
"""Value of a parameter that a traced model did not pass."""

_UNICODE_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_ASCII_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_ENUM_OF_FIELD = {"buffer_type": "BufferType", "memory_layout": "TensorMemoryLayout"}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def serialise(value: object) -> JsonValue:
    """Return what the sweep framework writes for a live parameter value.

    Raises
    ------
    TypeError
        If its text holds an address in memory, so that no two processes agree on it.
    """
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case dict():
            return {key: serialise(item) for key, item in value.items()}
        case list():
            return [serialise(item) for item in value]
        case set() | frozenset() if value:
            # Its own text depends on the order in which this process happens to hold it.
            return "{" + ", ".join(sorted(repr(item) for item in value)) + "}"
        case _ if hasattr(value, "to_json"):
            return _structured(value)
        case _:
            return _stable_text(value)


def _stable_text(value: object) -> str:
    text = str(value)
    if _ADDRESS.search(text):
        raise TypeError(f"{text} is known by its address in memory only")
    return text


def _structured(value: Any) -> JsonValue:
    written = value.to_json()
    try:
        data = _with_enum_names(json.loads(written))
    except (TypeError, ValueError):
        data = written
    return {"type": str(type(value)).split("'")[1], "data": data}


def _with_enum_names(data: JsonValue) -> JsonValue:
    """Replace the numbers of memory-config enums, at any depth, by their names."""
    if isinstance(data, list):
        return [_with_enum_names(item) if isinstance(item, dict) else item for item in data]
    if not isinstance(data, dict):
        return data
    return {
        key: _enum_name(_ENUM_OF_FIELD[key], item)
        if key in _ENUM_OF_FIELD and type(item) is int
        else _with_enum_names(item)
        for key, item in data.items()
    }


def _enum_name(enum: str, number: int) -> str | int:
    tensor = getattr(getattr(sys.modules.get("ttnn"), "_ttnn", None), "tensor", None)
    members = getattr(getattr(tensor, enum, None), "__members__", {})
    for name, member in members.items():
        if member.value == number:
            return str(name)
    field = next(field for field, known in _ENUM_OF_FIELD.items() if known == enum)
    return f"UNKNOWN_{field.upper()}_{number}" if members else number


def canonical_bytes(serialised: JsonValue) -> bytes:
    """Return the JSON over which the sweep framework hashes: keys sorted, no white space, UTF-8.

    Raises
    ------
    TypeError, ValueError
        If it cannot be written as such.
    """
    return _UNICODE_JSON.encode(serialised).encode()


def text_of(serialised: JsonValue) -> str:
    """Return the text of a serialised value; `value_of` reads it back.

    Raises
    ------
    TypeError, ValueError
        If it cannot be written as JSON with sorted keys.
    """
    if isinstance(serialised, str) and _stands_for_itself(serialised):
        return serialised
    return _ASCII_JSON.encode(serialised)


def value_of(text: str) -> JsonValue:
    """Return the serialised value that a text stands for."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _stands_for_itself(text: str) -> bool:
    if not text or text != text.strip() or not text.isprintable():
        return False
    return value_of(text) is text
