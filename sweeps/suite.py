"""Suites: named parts of a sweep, each a nest of loops over axes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sweeps.axis import Axis, Value
from sweeps.vector import canonical_json

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Loop:
    """One loop of a suite: an axis, or several that vary together.

    Suites that loop over the same values share the object: what it says of itself is computed once.

    Attributes
    ----------
    axes : tuple of Axis
        The axes.
    steps : ndarray
        Positions in the values of each axis, step by step, shape (axes, steps).
    """

    axes: tuple[Axis, ...]
    steps: Codes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def n_steps(self) -> int:
        """Length of the loop."""
        return int(self.steps.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the axes' names and of their values step by step, in hexadecimal."""
        columns = [
            [axis.values[code] for code in row]
            for axis, row in zip(self.axes, self.steps.tolist(), strict=True)
        ]
        return hashlib.sha256(canonical_json([self.names, columns])).hexdigest()

    def codes(self, positions: Codes) -> dict[str, Codes]:
        """Return the positions in the values of each axis at some steps, shaped as they are."""
        return {name: row[positions] for name, row in zip(self.names, self.steps, strict=True)}

    def restricted(self, name: str, wanted: Set[Value]) -> Loop:
        """Return the steps at which an axis has one of some values; without it the loop itself."""
        for axis, row in zip(self.axes, self.steps, strict=True):
            if axis.name == name:
                is_kept = np.array([axis.values[code] in wanted for code in row.tolist()], np.bool_)
                return replace(self, steps=self.steps[:, is_kept])
        return self


@dataclass(frozen=True)
class Suite:
    """A named part of a sweep: the product of its loops.

    Attributes
    ----------
    name : str
        Unique within the sweep.
    axes : tuple of Axis
        The axes of the suite in enumeration order, the first slowest.
    own_loops : tuple of Loop or None
        The loops, the first outermost; None: one over each axis.
    """

    name: str
    axes: tuple[Axis, ...]
    own_loops: tuple[Loop, ...] | None = field(default=None, compare=False)

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """The loops, the first outermost."""
        if self.own_loops is not None:
            return self.own_loops
        return tuple(Loop((axis,), np.arange(len(axis.values))[np.newaxis]) for axis in self.axes)

    @property
    def n_candidates(self) -> int:
        """Size of the product space."""
        return int(np.prod([loop.n_steps for loop in self.loops], dtype=object))

    @property
    def empty_reason(self) -> str | None:
        """Why the suite has no candidates, or None."""
        if not self.loops:
            return "a suite without parameters"
        if all(loop.n_steps for loop in self.loops):
            return None
        empty = [name for loop in self.loops if not loop.n_steps for name in loop.names]
        return f"no value of {', '.join(empty) or 'a parameter'} is left"

    @property
    def digest(self) -> str:
        """SHA-256 over the candidates, loop by loop, in hexadecimal."""
        return hashlib.sha256(canonical_json([loop.digest for loop in self.loops])).hexdigest()


@dataclass(frozen=True)
class Verdicts:
    """Validity of every candidate of a suite, found one by one.

    Attributes
    ----------
    is_valid : ndarray
        Shape (candidates,), in the order of enumeration.
    rejected : Mapping
        Reason -> candidates that are invalid for it.
    """

    is_valid: npt.NDArray[np.bool_]
    rejected: Mapping[str, int]


OnJudged = Callable[[int, int], None]
"""Called with (candidates judged, candidates in all)."""

Judge = Callable[[Sequence[Suite], OnJudged | None], list[Verdicts]]
"""Judges all candidates of some suites, in processes of its own if need be."""
