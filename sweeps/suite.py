"""Suites: named parts of a sweep, each a nest of loops over axes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.axis import Axis
from sweeps.vector import canonical_json

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Loop:
    """One loop of a suite: an axis, or several that vary together.

    Attributes
    ----------
    names : tuple of str
        The axes.
    steps : ndarray
        Positions in the values of each axis, step by step, shape (axes, steps).
    """

    names: tuple[str, ...]
    steps: Codes

    @property
    def n_steps(self) -> int:
        """Length of the loop."""
        return int(self.steps.shape[1])

    def codes(self, positions: Codes) -> dict[str, Codes]:
        """Return the positions in the values of each axis at some steps, shaped as they are."""
        return {name: row[positions] for name, row in zip(self.names, self.steps, strict=True)}

    def restricted(self, name: str, kept: Codes) -> Loop:
        """Return the steps at which an axis has one of the values at positions `kept`."""
        return replace(self, steps=self.steps[:, np.isin(self.steps[self.names.index(name)], kept)])


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
        return tuple(
            Loop((axis.name,), np.arange(len(axis.values))[np.newaxis]) for axis in self.axes
        )

    @property
    def n_candidates(self) -> int:
        """Size of the product space."""
        return int(np.prod([loop.n_steps for loop in self.loops], dtype=object))

    @property
    def empty_reason(self) -> str | None:
        """Why the suite has no candidates, or None."""
        if not self.loops:
            return "a suite without parameters"
        empty = [name for loop in self.loops if not loop.n_steps for name in loop.names]
        return f"no value of {', '.join(empty)} is left" if empty else None

    def declaration(self) -> list[dict[str, Any]]:
        """Which candidates the suite has, loop by loop, as JSON data."""
        values = {axis.name: axis.values for axis in self.axes}
        return [
            {
                "axes": list(loop.names),
                "n_steps": loop.n_steps,
                "steps_sha256": hashlib.sha256(
                    canonical_json(
                        [
                            [values[name][code] for code in row]
                            for name, row in zip(loop.names, loop.steps.tolist(), strict=True)
                        ]
                    )
                ).hexdigest(),
            }
            for loop in self.loops
        ]

    def restricted(self, axis: Axis) -> Suite:
        """Return the part of the suite in which an axis has one of the values of `axis`."""
        own = next((a for a in self.axes if a.name == axis.name), None)
        if own is None:
            return self
        wanted = set(axis.values)
        kept = np.array([i for i, value in enumerate(own.values) if value in wanted], np.intp)
        loops = tuple(
            loop.restricted(axis.name, kept) if axis.name in loop.names else loop
            for loop in self.loops
        )
        return replace(self, own_loops=loops)


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
