"""How the values of a module's parameters become values of axes.

A parameter whose values are, over all suites of the module, whole numbers only becomes an axis of
whole numbers, and likewise for floating-point numbers and truth values.  Any other becomes an axis
of texts (`farm.tt_metal.serialisation.text_of`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
class WrittenSuite:
    """A suite with its live values, and the same values serialised.

    Attributes
    ----------
    live, serialised : tuple of Dimension
        The loops, step by step the same.
    """

    live: tuple[Dimension, ...]
    serialised: tuple[Dimension, ...]

    @staticmethod
    def of(live: tuple[Dimension, ...], where: str) -> WrittenSuite:
        """Serialise every value.

        Raises
        ------
        UsageError
            If a value cannot be written; `where` names module and suite.
        """
        return WrittenSuite(
            live,
            tuple(
                Dimension(
                    loop.names,
                    tuple(
                        tuple(_written(n, v, where) for n, v in zip(loop.names, row, strict=True))
                        for row in loop.rows
                    ),
                )
                for loop in live
            ),
        )

    def in_axis_values(
        self, kinds: Mapping[str, AxisKind]
    ) -> tuple[tuple[Dimension, ...], tuple[Dimension, ...]]:
        """Return the live loops without repeated values, and the same loops in axis values."""
        live, texts = [], []
        for loop, serialised in zip(self.live, self.serialised, strict=True):
            rows: dict[tuple[Value, ...], tuple[Any, ...]] = {}
            for live_row, row in zip(loop.rows, serialised.rows, strict=True):
                key = tuple(
                    text_of(value) if kinds[name] is AxisKind.STR else value
                    for name, value in zip(loop.names, row, strict=True)
                )
                rows.setdefault(key, live_row)
            live.append(Dimension(loop.names, tuple(rows.values())))
            texts.append(Dimension(loop.names, tuple(rows)))
        return tuple(live), tuple(texts)


def kinds_of(suites: Iterable[WrittenSuite]) -> dict[str, AxisKind]:
    """Return the kind of axis of each parameter, from every value in every suite."""
    found: dict[str, set[AxisKind]] = {}
    for loop in (loop for suite in suites for loop in suite.serialised):
        for column, name in enumerate(loop.names):
            found.setdefault(name, set()).update(_kind_of(row[column]) for row in loop.rows)
    return {
        name: next(iter(kinds)) if len(kinds) == 1 else AxisKind.STR
        for name, kinds in found.items()
    }


def _kind_of(serialised: JsonValue) -> AxisKind:
    match serialised:
        case bool():
            return AxisKind.BOOL
        case int() if abs(serialised) <= _INT64_MAX:
            return AxisKind.INT
        case float() if math.isfinite(serialised) and str(serialised) != "-0.0":
            return AxisKind.FLOAT  # -0.0 equals 0.0, and is another value
    return AxisKind.STR


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
