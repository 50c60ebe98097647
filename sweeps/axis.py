"""Axes: the typed dimensions of a parameter space.

An axis holds its values in the order in which they are enumerated.  Six kinds exist; each says how
a value is written in canonical JSON, in Arrow, and as text on a command line or in a CSV file.

========= ======================= ======================= =============
kind      Python value            Arrow column            text
========= ======================= ======================= =============
``INT``   int                     int64                   ``64``
``FLOAT`` float                   float64                 ``0.5``
``STR``   str                     dictionary of string    ``BLOCK``
``BOOL``  bool                    bool                    ``true``
``GRID``  (x, y) of int           fixed_size_list<int32>  ``2x3``
``SHAPE`` tuple of int, one rank  fixed_size_list<int32>  ``1x1x32x64``
========= ======================= ======================= =============
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sweeps.errors import SpecError

Value = int | float | str | bool | tuple[int, ...]


class AxisKind(StrEnum):
    """What the values of an axis are."""

    INT = "int"
    FLOAT = "float"
    STR = "str"
    BOOL = "bool"
    GRID = "grid"
    SHAPE = "shape"


_PYTHON_TYPE = {AxisKind.INT: int, AxisKind.FLOAT: float, AxisKind.STR: str, AxisKind.BOOL: bool}
_TUPLE_KINDS = (AxisKind.GRID, AxisKind.SHAPE)
_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1
_EXACT_MAX = 2**53
_MOST_SPACED = 1_000_000


@dataclass(frozen=True)
class Axis:
    """One typed dimension of a parameter space.

    Attributes
    ----------
    name : str
        A lower- or upper-case identifier, unique within its sweep.
    kind : AxisKind
        Type of every value.
    values : tuple
        Distinct values in enumeration order.
    components : tuple of str
        Names of the parts of a tuple value, addressed as ``axis.component``.

    Raises
    ------
    SpecError
        If the name is no identifier, or values are missing, repeated or of another type.
    """

    name: str
    kind: AxisKind
    values: tuple[Value, ...]
    components: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise SpecError(f"axis {self.name!r}: the name must be a Python identifier")
        if not self.values:
            raise SpecError(f"axis {self.name}: it has no values; give at least one")
        n_parts = len(self.components)
        if len(set(self.components)) != n_parts or (self.kind in _TUPLE_KINDS) != (n_parts > 0):
            raise SpecError(
                f"axis {self.name}: its parts need distinct names, not {self.components}"
            )
        for value in self.values:
            self._check(value)
        if len(set(self.values)) != len(self.values):
            twice = next(v for i, v in enumerate(self.values) if v in self.values[:i])
            raise SpecError(f"axis {self.name}: value {self.format(twice)} is given twice")

    def _check(self, value: Value) -> None:
        if self.kind in _TUPLE_KINDS:
            # A tensor may be empty; a grid without cores would only divide by zero in the rules.
            least = 1 if self.kind is AxisKind.GRID else 0
            is_right = (
                isinstance(value, tuple)
                and len(value) == len(self.components)
                and all(type(part) is int and least <= part <= _INT32_MAX for part in value)
            )
        else:
            is_right = type(value) is _PYTHON_TYPE[self.kind]
        if is_right and isinstance(value, float):
            is_right = math.isfinite(value)
        if is_right and type(value) is int:
            is_right = abs(value) <= _INT64_MAX
        if is_right and isinstance(value, str):
            # Else its text form would not be read back as the same value.
            is_right = value == value.strip() and value != "" and value.isprintable()
        if not is_right:
            raise SpecError(
                f"axis {self.name}: value {value!r} is not of kind {self.kind.value}"
                + (f" with {len(self.components)} parts" if self.components else "")
            )

    @staticmethod
    def ints(name: str, values: Iterable[int]) -> Axis:
        """Axis of whole numbers."""
        return Axis(name, AxisKind.INT, tuple(_whole(name, v) for v in values))

    @staticmethod
    def floats(name: str, values: Iterable[float]) -> Axis:
        """Axis of finite floating-point numbers."""
        return Axis(name, AxisKind.FLOAT, tuple(float(v) for v in values))

    @staticmethod
    def choice(name: str, values: Iterable[str]) -> Axis:
        """Axis of named choices, such as a data type or a shard strategy."""
        if isinstance(values, str):
            raise SpecError(f"axis {name}: give a list of choices, not the one text {values!r}")
        return Axis(name, AxisKind.STR, tuple(values))

    @staticmethod
    def flags(name: str) -> Axis:
        """Axis of the two truth values."""
        return Axis(name, AxisKind.BOOL, (False, True))

    @staticmethod
    def grids(name: str, xs: Iterable[int], ys: Iterable[int]) -> Axis:
        """Axis of core grids, x outermost; ``name.x`` and ``name.y`` address the parts."""
        rows, columns = [tuple(_whole(name, v) for v in values) for values in (xs, ys)]
        return Axis(name, AxisKind.GRID, tuple((x, y) for x in rows for y in columns), ("x", "y"))

    @staticmethod
    def shapes(name: str, values: Iterable[Sequence[int]], components: Sequence[str] = ()) -> Axis:
        """Axis of tensor shapes of one rank; parts are named by `components`, else by index."""
        shapes = tuple(tuple(_whole(name, part) for part in shape) for shape in values)
        rank = len(shapes[0]) if shapes else 1
        return Axis(name, AxisKind.SHAPE, shapes, tuple(components) or _ordinals(rank))

    def with_values(self, values: Iterable[Value]) -> Axis:
        """Return the same axis over other values."""
        return replace(self, values=tuple(values))

    @cached_property
    def array(self) -> npt.NDArray[Any]:
        """Values as an array of shape (n,), or (n, parts) for tuple kinds."""
        if self.kind is AxisKind.STR:
            return np.array(self.values, dtype=np.str_)
        if self.kind in _TUPLE_KINDS:
            return np.array(self.values, dtype=np.int64).reshape(len(self.values), -1)
        return np.array(self.values)

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of a column of this axis."""
        match self.kind:
            case AxisKind.INT:
                return pa.int64()
            case AxisKind.FLOAT:
                return pa.float64()
            case AxisKind.BOOL:
                return pa.bool_()
            case AxisKind.STR:
                return pa.dictionary(pa.int32(), pa.string())
            case AxisKind.GRID | AxisKind.SHAPE:
                return pa.list_(pa.int32(), len(self.components))

    def column(self, codes: npt.NDArray[np.intp]) -> pa.Array:
        """Arrow column of the values at positions `codes`, shape (n,)."""
        if self.kind is AxisKind.STR:
            values = pa.array(self.values, pa.string())
            return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), values)
        taken = self.array[codes]
        if self.kind in _TUPLE_KINDS:
            flat = pa.array(taken.astype(np.int32).ravel())
            return pa.FixedSizeListArray.from_arrays(flat, len(self.components))
        return pa.array(taken, self.arrow_type)

    def parse(self, text: str) -> Value:
        """Read one value from its text form.

        Raises
        ------
        SpecError
            If the text is no value of this axis' kind.
        """
        stripped = text.strip()
        try:
            match self.kind:
                case AxisKind.INT:
                    return int(stripped)
                case AxisKind.FLOAT:
                    return float(stripped)
                case AxisKind.BOOL:
                    return {"true": True, "false": False}[stripped.lower()]
                case AxisKind.STR:
                    return stripped
                case AxisKind.GRID | AxisKind.SHAPE:
                    parts = tuple(int(p) for p in stripped.lower().strip("[]()").split("x"))
                    if len(parts) == len(self.components):
                        return parts
        except (KeyError, ValueError):
            pass
        example = self.format(self.values[0])
        raise SpecError(
            f"axis {self.name}: {text!r} is not of kind {self.kind.value}; "
            f"write it like {example!r}"
        )

    def format(self, value: Value) -> str:
        """Write one value as text, so that `parse` reads it back."""
        return format_value(value)

    def abridged(self, n_shown: int = 24) -> str:
        """Write the values as text; of many the first, and the last."""
        if len(self.values) <= n_shown:
            return ",".join(map(self.format, self.values))
        first = ",".join(map(self.format, self.values[: n_shown - 1]))
        return f"{first},...,{self.format(self.values[-1])}"


def _whole(name: str, value: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise SpecError(f"axis {name}: value {value!r} is not a whole number") from None


def format_value(value: Value) -> str:
    """Write one value of any axis as text."""
    if isinstance(value, tuple):
        return "x".join(str(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _ordinals(n: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(n))


def log_spaced(start: int, stop: int, n: int, multiple_of: int = 1) -> tuple[int, ...]:
    """Whole numbers from `start` to `stop` inclusive, evenly spaced in the logarithm.

    Parameters
    ----------
    start, stop : int
        First and last value, both positive.
    n : int
        How many values to aim at; rounding may make neighbours equal, which are kept once.
    multiple_of : int
        Each value is rounded to the nearest positive multiple of this.

    Returns
    -------
    tuple of int
        Ascending distinct values.

    Raises
    ------
    SpecError
        If `start`, `n` or `multiple_of` is below 1, `stop` is below `start` or above 2^53 (up to
        where whole numbers are exact in floating point), or `n` is above 10^6.
    """
    if not (1 <= start <= stop <= _EXACT_MAX and 1 <= n <= _MOST_SPACED and multiple_of >= 1):
        raise SpecError(
            f"log_spaced({start}, {stop}, {n}): need 1 <= start <= stop <= 2^53, "
            "1 <= n <= 10^6 and multiples of 1 or more"
        )
    exact = np.geomspace(start, stop, n)
    rounded = np.maximum(np.rint(exact / multiple_of).astype(np.int64), 1) * multiple_of
    return tuple(int(v) for v in np.unique(rounded))
