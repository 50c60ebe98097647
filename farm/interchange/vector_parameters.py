"""The axes of imported vectors: which there are, of which kinds, with which values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache

from farm.errors import UsageError
from farm.interchange import reshard_entries
from farm.interchange.vector_file import VectorRecord
from farm.tt_metal.parameters import axis_name, kind_of, only_kind
from farm.tt_metal.serialisation import JsonValue, text_of, value_of
from sweeps.axis import Axis, AxisKind, Value
from sweeps.errors import SpecError
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Suite


class VectorParameters:
    """Collects the parameters of all vectors of an import.

    Attributes
    ----------
    known_kinds : Mapping
        Kinds that the sweep module itself declares; empty where it is not at hand.
    """

    def __init__(self) -> None:
        self.known_kinds: Mapping[str, AxisKind] = {}
        self._is_reshard = False
        self._values: dict[str, dict[Value, None]] = {}
        self._kinds: dict[str, set[AxisKind]] = {}
        self._names: dict[tuple[str, ...], None] = {}

    def add(self, record: VectorRecord) -> None:
        """Take in a vector.

        Raises
        ------
        ValueError
            If a parameter cannot be an axis.
        """
        self._is_reshard = record.is_reshard
        params = texts_of(record)
        names = tuple(params)
        if names not in self._names:
            self._add_names(names)
        for name, value in params.items():
            self._values[name][value] = None
        if not self._is_reshard:
            for name, value in record.parameters.items():
                self._kinds.setdefault(name, set()).add(kind_of(value))

    def _add_names(self, names: tuple[str, ...]) -> None:
        if not names:
            raise ValueError("it has no parameters")
        for name in names:
            if not axis_name(name).isidentifier():
                raise ValueError(f"parameter {name!r} is no identifier")
            self._values.setdefault(name, {})
        self._names[names] = None

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """The axis of each parameter with all of its values; known when all vectors are in.

        Raises
        ------
        UsageError
            If a value is not of the kind that the sweep module declares.
        """
        if self._is_reshard:
            return {axis.name: axis.with_values(self._values[axis.name]) for axis in RESHARD.axes}
        axes = {}
        for name, texts in self._values.items():
            kind = self.known_kinds.get(name) or only_kind(self._kinds[name])
            try:
                values = tuple(axis_value(text, kind) for text in texts)
                axes[name] = Axis(axis_name(name), kind, values)
            except SpecError as error:
                raise UsageError(f"vectors of another sweep module: {error}") from error
        return axes

    @property
    def partial_suites(self) -> tuple[Suite, ...]:
        """Suites that say which axes only some of the vectors have."""
        return tuple(
            Suite(str(i), tuple(self.axes[name] for name in names))
            for i, names in enumerate(self._names)
        )


def texts_of(record: VectorRecord) -> dict[str, Value]:
    """Return the parameters of a vector: of a reshard as axis values, else as texts.

    Raises
    ------
    ValueError
        If one is not written as it should be.
    """
    if record.is_reshard:
        return reshard_entries.params_of(record.entries)
    return {name: _text_of(value) for name, value in record.parameters.items()}


def axis_value(text: Value, kind: AxisKind) -> Value:
    """Return the value of an axis that a text stands for; values of a reshard stay."""
    if not isinstance(text, str) or kind is AxisKind.STR:
        return text
    value: Value = value_of(text)
    return value


def _text_of(value: JsonValue) -> str:
    return _text_of_string(value) if type(value) is str else text_of(value)


@lru_cache(maxsize=1 << 16)
def _text_of_string(value: str) -> str:
    return text_of(value)
