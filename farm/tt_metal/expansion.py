"""The cross product of a suite's parameters, in tt-metal's order.

The first key of a suite is the outermost loop, the last varies fastest.  A key ``"a,b"`` takes
tuples and names two parameters that vary together.  Iterables are read once, wherever they stand,
and may stand in several suites: no vector is lost to an iterator that was used up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from farm.errors import UsageError

MOST_VALUES = 10_000_000
"""Values of one parameter; an iterator that yields more is taken to be endless."""

_AT_REST = (list, tuple, range, set, frozenset, dict, str)
"""Types whose values are the same whenever they are read."""


@dataclass(frozen=True)
class Dimension:
    """One loop of the product: parameters that vary together.

    Attributes
    ----------
    names : tuple of str
        The parameters, more than one for a key such as ``"a,b"``.
    rows : tuple of tuple
        Their values, step by step.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def n_steps(self) -> int:
        """Length of the loop."""
        return len(self.rows)


class Materialiser:
    """Reads each iterable once, however many suites share it.

    The same object under the same key is the same `Dimension` object, so that what follows from it
    is found out once: real modules have thousands of suites over one list of shapes.
    """

    def __init__(self) -> None:
        # Sources are held, so that no other object takes the id of one.
        self._read: dict[int, tuple[Iterable[Any], tuple[Any, ...]]] = {}
        self._dimensions: dict[tuple[str, int], Dimension] = {}

    def read_iterators(self, suites: Mapping[str, Mapping[str, Iterable[Any]]], where: str) -> None:
        """Read what may be drawn while it is read, in the order of the declaration.

        Suites can then be looked at in any order, or alone.

        Raises
        ------
        UsageError
            As `values` does.
        """
        for suite, parameters in suites.items():
            for key, source in parameters.items():
                if not isinstance(source, _AT_REST):
                    self.values(source, f"{where}, suite {suite!r}, parameter {key!r}")

    def dimension(self, key: str, source: Iterable[Any], where: str) -> Dimension:
        """Return the loop that a key of a suite declares.

        Raises
        ------
        UsageError
            If a value is not what the key needs, or `values` fails.
        """
        known = key, id(source)
        if known not in self._dimensions:
            names = names_in(key)
            values = self.values(source, where)
            rows = tuple(zip(values)) if len(names) == 1 else _split(values, names, where)
            self._dimensions[known] = Dimension(names, rows)
        return self._dimensions[known]

    def values(self, source: Iterable[Any], where: str) -> tuple[Any, ...]:
        """Return every value of an iterable.

        Raises
        ------
        UsageError
            If it cannot be iterated over, fails while it is, or is endless.
        """
        if id(source) not in self._read:
            self._read[id(source)] = source, _values(source, where)
        return self._read[id(source)][1]


@lru_cache
def names_in(key: str) -> tuple[str, ...]:
    """Parameters that a key names."""
    return tuple(name.strip() for name in key.split(","))


def _values(source: Iterable[Any], where: str) -> tuple[Any, ...]:
    try:
        values = tuple(itertools.islice(source, MOST_VALUES + 1))
    except TypeError as error:
        raise UsageError(
            f"{where}: {source!r} is no list of values ({error}); a parameter takes an iterable"
        ) from error
    except Exception as error:
        raise UsageError(
            f"{where}: reading its values failed: {type(error).__name__}: {error}"
        ) from error
    if len(values) > MOST_VALUES:
        raise UsageError(f"{where}: it yields more than {MOST_VALUES:,} values; is it endless?")
    # A set of strings has another order in every process.
    return tuple(sorted(values, key=str)) if isinstance(source, set | frozenset) else values


def dimensions_of(
    parameters: Mapping[str, Iterable[Any]], where: str, materialiser: Materialiser
) -> tuple[Dimension, ...]:
    """Return the loops of a suite, the outermost first.

    Parameters
    ----------
    parameters : Mapping
        Key -> values, as a sweep module declares a suite.
    where : str
        Names module and suite in errors.
    materialiser : Materialiser
        Shared by all suites of a module.

    Raises
    ------
    UsageError
        If a name is no identifier or is given twice, or values are not what their key needs.
    """
    found: list[Dimension] = []
    taken: set[str] = set()
    for key, source in parameters.items():
        here = f"{where}, parameter {key!r}"
        if not isinstance(key, str):
            raise UsageError(f"{here}: the name of a parameter is text")
        for name in names_in(key):
            if not name.isidentifier():
                raise UsageError(f"{here}: {name!r} cannot name an argument of run")
            if name in taken:
                raise UsageError(f"{here}: {name!r} is given twice")
            taken.add(name)
        found.append(materialiser.dimension(key, source, here))
    return tuple(found)


def _split(values: tuple[Any, ...], names: tuple[str, ...], where: str) -> tuple[Any, ...]:
    rows = []
    for position, value in enumerate(values):
        if not isinstance(value, tuple | list) or len(value) != len(names):
            raise UsageError(
                f"{where}: value {position} is {value!r}; it must be a tuple of {len(names)}"
            )
        rows.append(tuple(value))
    return tuple(rows)


def candidates(dimensions: Iterable[Dimension]) -> Iterator[dict[str, Any]]:
    """Yield every combination, in order."""
    dimensions = tuple(dimensions)
    names = [name for dimension in dimensions for name in dimension.names]
    for rows in itertools.product(*(dimension.rows for dimension in dimensions)):
        yield dict(zip(names, itertools.chain.from_iterable(rows), strict=True))
