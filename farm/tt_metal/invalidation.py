"""``invalidate_vector`` over all candidates, in parallel processes.

It is a Python call per candidate, on live objects.  So processes that have the module imported take
runs of the outermost loops, and answer with a bit per candidate and how often each reason was
given.
"""

from __future__ import annotations

import itertools
import math
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import wait
from typing import Any

import numpy as np
import numpy.typing as npt

from farm.errors import UsageError
from farm.tt_metal.bookkeeping import entries
from farm.tt_metal.expansion import Dimension
from farm.tt_metal.module import TtMetalModule
from farm.tt_metal.module_process import IMPORT_TIMEOUT_S, ModuleProcess
from farm.tt_metal.parameters import parameter_name
from sweeps.axis import AxisKind
from sweeps.suite import Loop, OnJudged, Suite, Verdicts

UNIT_CANDIDATES = 1 << 14
"""Candidates of one question, unless the inner loops have more."""

MOST_INNER_CANDIDATES = 1 << 17
CANDIDATES_PER_PROCESS = 1 << 15
"""Candidates that are worth the import of the module in one more process."""

MOST_CANDIDATES = 1 << 31
MOST_REASONS = 50
"""Distinct reasons kept per suite; a reason that names sizes would be one per candidate."""


Spaces = tuple[tuple[str, tuple[Dimension, ...]], ...]
"""Suites by name, and their loops in axis values."""


@dataclass(frozen=True)
class Unit:
    """A question: candidates of one suite, by positions in the product of its outer loops.

    Attributes
    ----------
    suite : int
        Number of the suite.
    n_outer : int
        How many of its loops count as outer.
    first, stop : int
        Positions, half-open; each stands for all combinations of the inner loops.
    """

    suite: int
    n_outer: int
    first: int
    stop: int

    def candidates(self, loops: Sequence[Any]) -> slice:
        """Positions of its candidates in the product of all loops."""
        inner = _n_steps(loops[self.n_outer :])
        return slice(self.first * inner, self.stop * inner)


@dataclass(frozen=True)
class Invalidation:
    """Judges candidates by a module's ``invalidate_vector``: a `sweeps.suite.Judge`.

    Attributes
    ----------
    source : str
        Of the module.
    """

    source: str

    def __call__(
        self, suites: Sequence[Suite], on_judged: OnJudged | None = None
    ) -> list[Verdicts]:
        """Judge every candidate of some suites.

        Raises
        ------
        UsageError
            If there are too many, or ``invalidate_vector`` fails.
        """
        n_candidates = sum(suite.n_candidates for suite in suites)
        if n_candidates > MOST_CANDIDATES:
            raise UsageError(
                f"{n_candidates:,} candidates are too many for invalidate_vector, which is a "
                f"Python call each; restrict them with --suite or --limit"
            )
        is_valid = [np.zeros(suite.n_candidates, np.bool_) for suite in suites]
        reasons: list[Counter[str]] = [Counter() for _ in suites]
        n_judged = 0
        for unit, bits, counts in self._answers(suites, n_candidates):
            part = unit.candidates(suites[unit.suite].loops)
            is_valid[unit.suite][part] = np.unpackbits(bits, count=part.stop - part.start)
            reasons[unit.suite] = _abridged(reasons[unit.suite] + counts, 100 * MOST_REASONS)
            n_judged += part.stop - part.start
            if on_judged is not None:
                on_judged(n_judged, n_candidates)
        return [
            Verdicts(valid, dict(_abridged(counts, MOST_REASONS).most_common()))
            for valid, counts in zip(is_valid, reasons, strict=True)
        ]

    def _answers(
        self, suites: Sequence[Suite], n_candidates: int
    ) -> Iterator[tuple[Unit, npt.NDArray[np.uint8], Counter[str]]]:
        spaces = _spaces(suites)
        kinds = {parameter_name(a.name): a.kind for suite in suites for a in suite.axes}
        units = iter(list(_units(suites)))
        wanted = -(-n_candidates // CANDIDATES_PER_PROCESS)
        n_processes = min(len(os.sched_getaffinity(0)), wanted)
        with ExitStack() as stack:
            asked: dict[Any, tuple[ModuleProcess, Unit]] = {}
            for unit in itertools.islice(units, n_processes):
                process = stack.enter_context(
                    ModuleProcess(self.source, CandidateJudge, spaces, kinds)
                )
                process.ask(unit)
                asked[process.connection] = process, unit
            while asked:
                ready = wait(asked, IMPORT_TIMEOUT_S)
                for connection in ready or list(asked):
                    process, unit = asked.pop(connection)
                    yield unit, *process.answer(0.0 if ready else IMPORT_TIMEOUT_S)
                    following = next(units, None)
                    if following is not None:
                        process.ask(following)
                        asked[connection] = process, following


def _abridged(counts: Counter[str], most: int) -> Counter[str]:
    if len(counts) <= most:
        return counts
    kept = Counter(dict(counts.most_common(most - 1)))
    kept["other reasons"] += counts.total() - kept.total()
    return kept


def _spaces(suites: Sequence[Suite]) -> Spaces:
    """Name and loops, with axis values, of each suite; what they share stays one object."""
    distinct = dict.fromkeys(loop for suite in suites for loop in suite.loops)
    shared = {loop: _dimension(loop) for loop in distinct}
    return tuple((suite.name, tuple(shared[loop] for loop in suite.loops)) for suite in suites)


def _dimension(loop: Loop) -> Dimension:
    columns = (
        [axis.values[code] for code in row]
        for axis, row in zip(loop.axes, loop.steps.tolist(), strict=True)
    )
    return Dimension(tuple(map(parameter_name, loop.names)), tuple(zip(*columns, strict=True)))


def _n_steps(loops: Sequence[Any]) -> int:
    return math.prod(loop.n_steps for loop in loops)


def _n_outer(loops: Sequence[Any]) -> int:
    """Count the loops that are left when the innermost make up a unit."""
    n_outer, n_inner = len(loops), 1
    while n_outer and n_inner < UNIT_CANDIDATES:
        n_inner *= loops[n_outer - 1].n_steps
        if n_inner > MOST_INNER_CANDIDATES:
            break
        n_outer -= 1
    return n_outer


def _units(suites: Sequence[Suite]) -> Iterator[Unit]:
    for number, suite in enumerate(suites):
        n_outer = _n_outer(suite.loops)
        n_positions = _n_steps(suite.loops[:n_outer])
        step = max(1, UNIT_CANDIDATES // _n_steps(suite.loops[n_outer:]))
        for first in range(0, n_positions, step):
            yield Unit(number, n_outer, first, min(first + step, n_positions))


class CandidateJudge:
    """Answers units, in a process that has the module.

    Parameters
    ----------
    module : TtMetalModule
        The module.
    spaces : tuple
        Name and loops, with axis values, of each suite.
    kinds : dict
        Parameter -> kind of its axis.
    """

    def __init__(self, module: TtMetalModule, spaces: Spaces, kinds: dict[str, AxisKind]) -> None:
        self._module, self._spaces = module, spaces
        self._suites = module.some_suites((name for name, _ in spaces), kinds)
        # Units come suite by suite; only the objects of the suite in hand are looked up and held.
        self._live = lru_cache(maxsize=2)(self._live_loops)

    def __call__(self, unit: Unit) -> tuple[npt.NDArray[np.uint8], Counter[str]]:
        """Return a bit per candidate, packed, and how often each reason was given."""
        suite, loops = self._spaces[unit.suite][0], self._live(unit.suite)
        names = [name for loop in loops for name in loop.names]
        extra = entries(suite, self._module.name)
        reasons, valid = Counter[str](), []
        inner = [loop.rows for loop in loops[unit.n_outer :]]
        for position in range(unit.first, unit.stop):
            head = _row_at(loops[: unit.n_outer], position)
            for rows in itertools.product(*inner):
                values = itertools.chain(head, itertools.chain.from_iterable(rows))
                vector = dict(zip(names, values, strict=True)) | extra
                reason = self._reason(vector)
                valid.append(reason is None)
                if reason is not None:
                    reasons[reason] += 1
        return np.packbits(np.array(valid, np.bool_)), reasons

    def _live_loops(self, number: int) -> tuple[Dimension, ...]:
        name, loops = self._spaces[number]
        return self._suites[name].live_loops(loops)

    def _reason(self, vector: dict[str, Any]) -> str | None:
        invalidate: Callable[[dict[str, Any]], Any] | None = self._module.invalidate
        if invalidate is None:
            return None
        try:
            invalid, reason = invalidate(vector)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)[1:]
            where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
            shown = ", ".join(f"{name}={value}" for name, value in vector.items())
            raise UsageError(
                f"{self._module.name}: invalidate_vector failed: {type(error).__name__}: {error}"
                f"{where}\nIt must return (is_invalid, reason or None) for every vector; this one "
                f"is {shown}"
            ) from error
        if not invalid:
            return None
        return str(reason) if reason else "invalid, no reason given"


def _row_at(loops: Sequence[Dimension], position: int) -> tuple[Any, ...]:
    rows: list[tuple[Any, ...]] = []
    for loop in reversed(loops):
        position, step = divmod(position, loop.n_steps)
        rows.append(loop.rows[step])
    return tuple(itertools.chain.from_iterable(reversed(rows)))
