"""JSON files written record by record, in the style of `json.dump`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from farm.interchange.json_stream import JsonStyle


def array_text(records: Iterable[Any], style: JsonStyle) -> Iterator[str]:
    """Write an array of records."""
    is_first = True
    for record in records:
        yield "[" if is_first else _separator(style)
        yield _break(style, 1) + record_text(record, style, 1)
        is_first = False
    yield "[]" if is_first else _break(style, 0) + "]"


def object_text(
    members: Iterable[tuple[str, Iterable[str]]], style: JsonStyle, level: int = 0
) -> Iterator[str]:
    """Write an object: keys, and their values in pieces of JSON text of one level more."""
    is_first = True
    for key, pieces in members:
        yield "{" if is_first else _separator(style)
        yield _break(style, level + 1)
        yield json.dumps(key, ensure_ascii=style.is_ascii) + ": "
        yield from pieces
        is_first = False
    yield "{}" if is_first else _break(style, level) + "}"


def record_text(record: Any, style: JsonStyle, level: int) -> str:
    """Write one value that stands at a level of a file."""
    text = json.dumps(record, indent=style.indent, ensure_ascii=style.is_ascii)
    # Within strings line breaks are escaped, so each one here is the writer's.
    return text.replace("\n", _break(style, level)) if style.indent is not None else text


def _separator(style: JsonStyle) -> str:
    return "," if style.indent is not None else ", "


def _break(style: JsonStyle, level: int) -> str:
    return "" if style.indent is None else "\n" + " " * (style.indent * level)
