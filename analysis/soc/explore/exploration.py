"""One pass over designs: which are feasible, which are on the Pareto front, which is best.

Designs pass through in chunks and are forgotten, but for the front, the best ones and a sample
for charts.  What a constraint costs is found in the same pass: the best design that breaks this
constraint and no other is what could be had without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.soc.chip import formulas
from analysis.soc.explore.constraints import Constraint
from analysis.soc.explore.design_space import DesignSource
from analysis.soc.explore.evaluation import DesignColumns, Floats, Setting
from analysis.soc.explore.metrics import METRICS, Goal
from analysis.soc.explore.pareto import RunningFront
from analysis.soc.models.power import PowerSemantics
from farm.errors import UsageError
from sweeps.soc_design import SWEEP

TIE_BREAKERS = tuple(Goal.parse(name) for name in ("total_power_w", "time_ns", "total_area_mm2"))
"""Among designs that are equally good for all goals these decide, then the order of the space."""

SAMPLE_DESIGNS = 1 << 14
"""Fewest designs of the sample of a space that has so many."""

STRUCTURE = tuple(axis.name for axis in SWEEP.axes)
"""What it takes to build a design, also where a space does not vary all of it."""

Design = dict[str, float]
"""Parameters and metrics of one design."""


@dataclass(frozen=True)
class Question:
    """What is asked of a space.

    Attributes
    ----------
    goals : tuple of Goal
        Metrics of the Pareto front.
    objective : Goal
        What the best design is best at.
    constraints : tuple of Constraint
        What a design must fulfil.
    """

    goals: tuple[Goal, ...]
    objective: Goal
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        names = [goal.name for goal in self.goals]
        if not names or len(set(names)) != len(names):
            raise UsageError(f"goals {', '.join(names)}: give at least one, and each once")

    def with_limits(self, setting: Setting) -> Question:
        """Add what the technology forbids: a junction too hot, a clock too fast for its voltage."""
        if setting.semantics is PowerSemantics.REFERENCE:
            return self
        technology = setting.base.technology
        texts = [f"junction_c<={technology.max_junction_c:g}"]
        fastest_mhz = formulas.max_clock_mhz(technology)
        if np.isfinite(fastest_mhz):
            texts.append(f"clock_mhz<={fastest_mhz:.10g}")
        given = {constraint.text for constraint in self.constraints}
        limits = (Constraint.parse(text) for text in texts if text not in given)
        return Question(self.goals, self.objective, (*self.constraints, *limits))

    @cached_property
    def ranking(self) -> tuple[Goal, ...]:
        """What decides which of two designs is better, in this order."""
        ranking: dict[str, Goal] = {}
        for goal in (self.objective, *self.goals, *TIE_BREAKERS):
            ranking.setdefault(goal.name, goal)
        return tuple(ranking.values())


@dataclass(frozen=True, eq=False)
class Sample:
    """Every so many-th design of a space, for charts.

    Attributes
    ----------
    values : ndarray
        Goals of each, shape (n, goals).
    is_feasible : ndarray
        Whether it fulfils all constraints, shape (n,), bool.
    """

    values: Floats
    is_feasible: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Exploration:
    """What one pass over a space found.

    Attributes
    ----------
    question : Question
        What was asked.
    n_designs, n_feasible : int
        Valid designs, and those of them that fulfil all constraints.
    n_failing, n_failing_only : tuple of int
        Per constraint: designs that break it, and that break no other.
    best : Design or None
        The best feasible design.
    best_without : tuple of (Design or None)
        Per constraint: the best design that fulfils all the others.
    front : DesignColumns or None
        Feasible designs that none dominates, the best by the first goal first.
    sample : Sample
        Designs for charts.
    wall_s : float
        Time of the pass.
    """

    question: Question
    n_designs: int
    n_feasible: int
    n_failing: tuple[int, ...]
    n_failing_only: tuple[int, ...]
    best: Design | None
    best_without: tuple[Design | None, ...]
    front: DesignColumns | None
    sample: Sample
    wall_s: float


OnChunk = Callable[[DesignColumns, npt.NDArray[np.intp]], None]


def explore(
    source: DesignSource, question: Question, setting: Setting, on_chunk: OnChunk | None = None
) -> Exploration:
    """Pass over all designs of a source.

    Parameters
    ----------
    source : DesignSource
        Where the designs come from.
    question : Question
        What is asked of them.
    setting : Setting
        What they have in common.
    on_chunk : Callable or None
        Called with each chunk of designs, and the positions of the feasible ones in it.
    """
    began_s = time.monotonic()
    tally = _Tally(question, setting)
    for columns in source.chunks():
        if len(next(iter(columns.values()))):
            designs = DesignColumns(columns, setting)
            feasible = tally.add(designs)
            if on_chunk is not None:
                on_chunk(designs, feasible)
    return tally.result(time.monotonic() - began_s)


def design_at(designs: DesignColumns, row: int, axes: Sequence[str]) -> Design:
    """All numbers of one design: the axes of its space, its structure, every metric."""
    one = designs.taken(np.array([row]))
    names = dict.fromkeys((*axes, *STRUCTURE, *METRICS))
    return {name: float(one[name][0]) for name in names}


class _Tally:
    """What is kept of the designs that have passed."""

    def __init__(self, question: Question, setting: Setting) -> None:
        n_constraints = len(question.constraints)
        self._question, self._setting = question, setting
        self._n_designs = self._n_feasible = 0
        self._n_failing = np.zeros(n_constraints, np.int64)
        self._n_failing_only = np.zeros(n_constraints, np.int64)
        self._best = _Best(question.ranking)
        self._best_breaking = [_Best(question.ranking) for _ in range(n_constraints)]
        self._front: RunningFront | None = None
        self._names: tuple[str, ...] = ()
        self._sampler = _Sampler(len(question.goals))

    def add(self, designs: DesignColumns) -> npt.NDArray[np.intp]:
        """Take a chunk of designs into account; return the positions of the feasible ones."""
        constraints, goals = self._question.constraints, self._question.goals
        values = np.stack([goal.sense * designs[goal.name] for goal in goals], axis=1)
        objective = self._question.objective.sense * designs[self._question.objective.name]
        is_number = np.isfinite(values).all(axis=1) & np.isfinite(objective)
        n_broken = np.zeros(designs.n, np.int64)
        breaks = [~constraint.holds(designs, designs.n) for constraint in constraints]
        for broken in breaks:
            n_broken += broken
        is_feasible = (n_broken == 0) & is_number
        feasible = np.flatnonzero(is_feasible)
        for i, broken in enumerate(breaks):
            only = broken & (n_broken == 1)
            self._n_failing[i] += np.count_nonzero(broken)
            self._n_failing_only[i] += np.count_nonzero(only)
            self._best_breaking[i].offer(designs, objective, np.flatnonzero(only & is_number))
        self._n_designs += designs.n
        self._n_feasible += len(feasible)
        self._best.offer(designs, objective, feasible)
        if self._front is None:
            self._names = tuple(designs.given)
            self._front = RunningFront(len(goals), len(self._names))
        parameters = np.stack([designs.given[name][feasible] for name in self._names], axis=1)
        self._front.add(values[feasible], parameters)
        self._sampler.add(values, is_feasible)
        return feasible

    def result(self, wall_s: float) -> Exploration:
        """Sum up."""
        signs = [goal.sense for goal in self._question.goals]
        sample = self._sampler.result()
        return Exploration(
            self._question,
            self._n_designs,
            self._n_feasible,
            tuple(self._n_failing.tolist()),
            tuple(self._n_failing_only.tolist()),
            self._best.design,
            tuple(_better(self._best, breaking).design for breaking in self._best_breaking),
            self._ordered_front(),
            Sample(sample.values * signs, sample.is_feasible),
            wall_s,
        )

    def _ordered_front(self) -> DesignColumns | None:
        if self._front is None:
            return None
        values, parameters = self._front.result()
        if not len(values):
            return None
        order = np.lexsort(tuple(-column for column in values.T[::-1]))
        columns = dict(zip(self._names, parameters[order].T, strict=True))
        return DesignColumns(columns, self._setting)


class _Best:
    """The best design so far by a ranking of goals."""

    def __init__(self, ranking: tuple[Goal, ...]) -> None:
        self._ranking = ranking
        self.key: tuple[float, ...] | None = None
        self.design: Design | None = None

    def offer(self, designs: DesignColumns, objective: Floats, rows: npt.NDArray[np.intp]) -> None:
        """Look at some designs; `objective` is that of all, larger is better."""
        if not len(rows):
            return
        largest = objective[rows].max()
        if self.key is not None and largest < self.key[0]:
            return
        tied = rows[objective[rows] == largest]
        few = designs.taken(tied)
        keys = [goal.sense * few[goal.name] for goal in self._ranking]
        # The last key of lexsort is the first to decide; equals stay in order.
        first = int(np.lexsort(tuple(-column for column in keys[::-1]))[0])
        key = tuple(float(column[first]) for column in keys)
        if self.key is None or key > self.key:
            axes = [name for name in few.given if name not in METRICS]
            self.key, self.design = key, design_at(few, first, axes)


def _better(one: _Best, other: _Best) -> _Best:
    if one.key is None or (other.key is not None and other.key > one.key):
        return other
    return one


class _Sampler:
    """Keeps every so many-th row: between `SAMPLE_DESIGNS` and twice as many."""

    def __init__(self, n_columns: int) -> None:
        self._values = np.empty((0, n_columns))
        self._is_feasible = np.empty(0, np.bool_)
        self._stride, self._n_seen = 1, 0

    def add(self, values: Floats, is_feasible: npt.NDArray[np.bool_]) -> None:
        first = -self._n_seen % self._stride
        self._n_seen += len(values)
        self._values = np.concatenate([self._values, values[first :: self._stride]])
        self._is_feasible = np.concatenate([self._is_feasible, is_feasible[first :: self._stride]])
        while len(self._values) >= 2 * SAMPLE_DESIGNS:
            self._values, self._is_feasible = self._values[::2], self._is_feasible[::2]
            self._stride *= 2

    def result(self) -> Sample:
        return Sample(self._values, self._is_feasible)
