"""How the values of a module's parameters become values of axes.

A parameter whose values are, over all suites of the module, whole numbers only becomes an axis of
whole numbers, and likewise for floating-point numbers and truth values.  Any other becomes an axis
of texts (`farm.tt_metal.serialisation.text_of`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(frozen=True, eq=False)
class LiveLoop:
    """A loop with its live values, and the axis values that stand for them.

    Attributes
    ----------
    live : Dimension
        The loop with live objects.  Values with the same text are the same parameter value and
        stand once.
    texts : Dimension
        The same loop with axis values; equal ones are one object within a module.
    """

    live: Dimension
    texts: Dimension

    @cached_property
    def live_rows(self) -> dict[tuple[Value, ...], tuple[Any, ...]]:
        """Step in axis values -> the same step in live objects."""
        return dict(zip(self.texts.rows, self.live.rows, strict=True))


class ParameterTexts:
    """Finds the axis values of loops: each loop, and each object in it, is written once.

    Parameters
    ----------
    loops : Iterable of (Dimension, str)
        Loops of a module with live objects, and where each stands; a loop may come again.
    kinds : Mapping or None
        Parameter -> kind of its axis; None: `loops` are all of the module, and tell.

    Attributes
    ----------
    kinds : Mapping
        Parameter -> kind of its axis.

    Raises
    ------
    UsageError
        If a value cannot be written.
    """

    def __init__(
        self, loops: Iterable[tuple[Dimension, str]], kinds: Mapping[str, AxisKind] | None = None
    ) -> None:
        # By identity: live objects need not be hashable.  The loops hold what is identified.
        self._written: dict[int, tuple[JsonValue, AxisKind]] = {}
        self._texts: dict[int, str] = {}
        distinct: dict[int, Dimension] = {}
        found: dict[str, set[AxisKind]] = {}
        for loop, where in loops:
            if id(loop) not in distinct:
                distinct[id(loop)] = loop
                self._write(loop, where, found)
        self.kinds = kinds or {name: only_kind(own) for name, own in found.items()}
        self._same: dict[Dimension, Dimension] = {}
        self._loops = {key: self._live_loop(loop) for key, loop in distinct.items()}

    def of(self, loop: Dimension) -> LiveLoop:
        """Return one of the loops with its axis values."""
        return self._loops[id(loop)]

    def _write(self, loop: Dimension, where: str, kinds: dict[str, set[AxisKind]]) -> None:
        written = self._written
        for column, name in enumerate(loop.names):
            own = kinds.setdefault(name, set())
            for row in loop.rows:
                value = row[column]
                if id(value) not in written:
                    serialised = _written(name, value, where)
                    written[id(value)] = serialised, kind_of(serialised)
                own.add(written[id(value)][1])

    def _live_loop(self, live: Dimension) -> LiveLoop:
        columns = [
            [self._axis_value(name, row[column]) for row in live.rows]
            for column, name in enumerate(live.names)
        ]
        rows: dict[tuple[Value, ...], tuple[Any, ...]] = {}
        for key, live_row in zip(zip(*columns, strict=True), live.rows, strict=True):
            rows.setdefault(key, live_row)
        texts = Dimension(live.names, tuple(rows))
        if len(rows) < len(live.rows):
            live = Dimension(live.names, tuple(rows.values()))
        return LiveLoop(live, self._same.setdefault(texts, texts))

    def _axis_value(self, name: str, value: object) -> Value:
        serialised: Value = self._written[id(value)][0]
        if self.kinds[name] is not AxisKind.STR:
            return serialised
        if id(value) not in self._texts:
            self._texts[id(value)] = text_of(serialised)
        return self._texts[id(value)]


def only_kind(kinds: set[AxisKind]) -> AxisKind:
    """Return the kind of axis for values of some kinds."""
    return next(iter(kinds)) if len(kinds) == 1 else AxisKind.STR


def kind_of(serialised: JsonValue) -> AxisKind:
    """Return the kind of axis that holds a serialised value and nothing else."""
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
