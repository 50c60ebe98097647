"""The cross product of a suite's parameters, in tt-metal's order.

The first key of a suite is the outermost loop, the last varies fastest.  A key ``"a,b"`` takes
tuples and names two parameters that vary together.  Iterators are read once, wherever they stand,
and may stand in several suites: no vector is lost to one that was used up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from farm.errors import UsageError

MOST_VALUES = 10_000_000
"""Values of one parameter; an iterator that yields more is taken to be endless."""


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
    """Reads each iterable once and remembers what an iterator yielded."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Iterator[Any], tuple[Any, ...]]] = {}

    def values(self, source: Iterable[Any], where: str) -> tuple[Any, ...]:
        """Return every value of an iterable.

        Raises
        ------
        UsageError
            If it cannot be iterated over, fails while it is, or is endless.
        """
        if id(source) in self._read:
            return self._read[id(source)][1]
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
        if isinstance(source, set | frozenset):
            # A set of strings has another order in every process.
            values = tuple(sorted(values, key=str))
        if isinstance(source, Iterator):
            self._read[id(source)] = (source, values)  # held, so that no other takes its id
        return values


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
    for key, source in parameters.items():
        here = f"{where}, parameter {key!r}"
        if not isinstance(key, str):
            raise UsageError(f"{here}: the name of a parameter is text")
        names = tuple(name.strip() for name in key.split(","))
        taken = {name for dimension in found for name in dimension.names}
        for name in names:
            if not name.isidentifier():
                raise UsageError(f"{here}: {name!r} cannot name an argument of run")
            if name in taken or names.count(name) > 1:
                raise UsageError(f"{here}: {name!r} is given twice")
        values = materialiser.values(source, here)
        rows = tuple((v,) for v in values) if len(names) == 1 else _split(values, names, here)
        found.append(Dimension(names, rows))
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
