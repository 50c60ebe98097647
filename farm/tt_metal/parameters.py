"""How the values of a module's parameters become values of axes.

A parameter whose values are, over all suites of the module, whole numbers only becomes an axis of
whole numbers, and likewise for floating-point numbers and truth values.  Any other becomes an axis
of texts (`farm.tt_metal.serialisation.text_of`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from farm.errors import UsageError
from farm.tt_metal.expansion import Dimension
from farm.tt_metal.serialisation import JsonValue, canonical_bytes, serialise, text_of
from sweeps.axis import AxisKind, Value
from sweeps.space import RESERVED_NAMES

DERIVED_NAMES = frozenset({"tiles", "input_hash"})
"""Columns that every sweep of a tt-metal module has beside its parameters."""

_INT64_MAX = 2**63 - 1


def axis_name(parameter: str) -> str:
    """Name of a parameter's axis: its own, with ``_`` appended where the store needs the name."""
    return f"{parameter}_" if _is_taken(parameter) else parameter


def parameter_name(axis: str) -> str:
    """Name of the parameter that an axis stands for."""
    return axis[:-1] if _is_taken(axis) else axis


def _is_taken(name: str) -> bool:
    # With any number of "_" behind it, so that no two parameters have the same axis.
    return name.rstrip("_") in RESERVED_NAMES | DERIVED_NAMES


@dataclass(frozen=True)
class ParameterText:
    """The kind of axis that each parameter has.

    Attributes
    ----------
    kinds : Mapping
        Parameter -> INT, FLOAT, BOOL or STR.
    """

    kinds: Mapping[str, AxisKind]

    @staticmethod
    def of(suites: Mapping[str, Iterable[Dimension]], module: str) -> ParameterText:
        """Look at every value of every suite.

        Raises
        ------
        UsageError
            If a value cannot be written as text.
        """
        found: dict[str, set[AxisKind]] = {}
        for suite, dimensions in suites.items():
            for name, value in _serialised(dimensions, f"{module}, suite {suite!r}"):
                found.setdefault(name, set()).add(_kind_of(value))
        return ParameterText(
            {
                name: next(iter(kinds)) if len(kinds) == 1 else AxisKind.STR
                for name, kinds in found.items()
            }
        )

    def value(self, parameter: str, serialised: JsonValue) -> Value:
        """Return the axis value of a serialised parameter value."""
        if self.kinds[parameter] is AxisKind.STR:
            return text_of(serialised)
        plain: Value = serialised
        return plain


def _kind_of(serialised: JsonValue) -> AxisKind:
    match serialised:
        case bool():
            return AxisKind.BOOL
        case int() if abs(serialised) <= _INT64_MAX:
            return AxisKind.INT
        case float() if math.isfinite(serialised) and str(serialised) != "-0.0":
            return AxisKind.FLOAT  # -0.0 equals 0.0, and is another value
    return AxisKind.STR


def _serialised(dimensions: Iterable[Dimension], where: str) -> Iterator[tuple[str, JsonValue]]:
    for dimension in dimensions:
        for row in dimension.rows:
            for name, value in zip(dimension.names, row, strict=True):
                yield name, _written(name, value, where)


def _written(parameter: str, value: object, where: str) -> JsonValue:
    try:
        serialised = serialise(value)
        canonical_bytes(serialised)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}, parameter {parameter!r}: the value {_short(value)} has no identity that "
            f"every process agrees on: {error}. Give its type a __str__ or to_json that says what "
            f"it is, or use a number or text"
        ) from error
    return serialised


def _short(value: object, width: int = 80) -> str:
    text = f"{type(value).__name__} {value}"
    return text if len(text) <= width else text[: width - 3] + "..."


def texts_of(
    dimensions: tuple[Dimension, ...], text: ParameterText, where: str
) -> tuple[tuple[Dimension, ...], tuple[Dimension, ...]]:
    """Return the loops of a suite without repeated values, and the same loops as axis values."""
    live, written = [], []
    for dimension in dimensions:
        rows: dict[tuple[Value, ...], tuple[Any, ...]] = {}
        for row in dimension.rows:
            key = tuple(
                text.value(name, _written(name, value, where))
                for name, value in zip(dimension.names, row, strict=True)
            )
            rows.setdefault(key, row)
        live.append(Dimension(dimension.names, tuple(rows.values())))
        written.append(Dimension(dimension.names, tuple(rows)))
    return tuple(live), tuple(written)
