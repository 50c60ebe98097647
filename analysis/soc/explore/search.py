"""The best design under constraints by search, for spaces too large to enumerate.

Optuna's tree-structured Parzen estimator proposes designs: positions on the axes of a space, which
are ordinal.  From the best of them and from some others climbs begin: of all designs that differ in
one axis, or in two axes by 1, 2, 4 ... steps each, the best becomes the next, until none is better.
Infeasible designs are ordered by how far they are from feasible, so a climb may begin at one.

References
----------
J. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.soc.explore.design_space import require_designs
from analysis.soc.explore.evaluation import DesignColumns, Floats, Setting
from analysis.soc.explore.exploration import Design, Question, design_at
from farm.errors import UsageError
from sweeps.columns import Columns
from sweeps.space import Sweep

Codes = npt.NDArray[np.int64]

_BATCH = 32
"""Designs that are proposed before the first of them is evaluated."""
_N_CLIMBS = 8
_BELOW_ALL = -1e100
"""What is told of an infeasible design, times its violation: only the order of values counts."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    best : Design or None
        The best feasible design; None where none was found.
    n_candidates : int
        Size of the space.
    n_proposed, n_climbed : int
        Designs that were proposed, and that were looked at in the climbs.
    n_feasible : int
        Different proposed designs that fulfil everything.
    seed : int
        Equal seeds find equal designs.
    wall_s : float
        Time of the search.
    """

    best: Design | None
    n_candidates: int
    n_proposed: int
    n_climbed: int
    n_feasible: int
    seed: int
    wall_s: float


def search(
    sweep: Sweep, question: Question, setting: Setting, n_trials: int, seed: int
) -> SearchResult:
    """Search a space for the best design.

    Parameters
    ----------
    sweep : Sweep
        The space.
    question : Question
        Objective and constraints; the rules of the sweep are constraints as well.
    setting : Setting
        What all designs have in common.
    n_trials : int
        Designs to propose.
    seed : int
        Of the proposals.

    Raises
    ------
    UsageError
        If Optuna is missing, or the sweep is not one of designs.
    """
    began_s = time.monotonic()
    space = _Space(sweep, question, setting)
    study = _study(len(sweep.axes), n_trials, seed)
    distributions = _distributions(space)
    proposed = []
    for start in range(0, n_trials, _BATCH):
        trials = [study.ask(distributions) for _ in range(min(_BATCH, n_trials - start))]
        codes = np.array([[trial.params[name] for name in space.names] for trial in trials])
        for trial, told in zip(trials, space.scores(codes).tolist(), strict=True):
            study.tell(trial, told)
        proposed.append(codes)
    every = np.unique(np.concatenate(proposed), axis=0)
    order = space.order(every)
    # The best ones are much alike; others, evenly over the ranking, reach other summits.
    spread = order[:: math.ceil(len(order) / _N_CLIMBS)]
    n_seen, tops = 0, []
    for start in np.unique([*order[:_N_CLIMBS], *spread]):
        top, n_more = _climbed(space, every[start])
        tops.append(top)
        n_seen += n_more
    best = space.best_of(np.stack(tops))
    return SearchResult(
        best=space.design(best) if space.violation(best[None])[0] <= 0 else None,
        n_candidates=space.n_candidates,
        n_proposed=n_trials,
        n_climbed=n_seen,
        n_feasible=int(np.count_nonzero(space.violation(every) <= 0)),
        seed=seed,
        wall_s=time.monotonic() - began_s,
    )


def _study(n_axes: int, n_trials: int, seed: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "a search needs Optuna: pip install 'sweepfarm[explore]', or leave --search out to "
            "look at every design"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        multivariate=True,
        constant_liar=True,
        n_startup_trials=min(n_trials // 4, 20 * n_axes),
    )
    return optuna.create_study(sampler=sampler, direction="maximize")


def _distributions(space: _Space) -> dict[str, Any]:
    from optuna.distributions import IntDistribution

    return {
        name: IntDistribution(0, size - 1)
        for name, size in zip(space.names, space.sizes.tolist(), strict=True)
    }


class _Space:
    """A sweep's designs by their positions on its axes, and how good they are."""

    def __init__(self, sweep: Sweep, question: Question, setting: Setting) -> None:
        require_designs(sweep)
        self._sweep, self._question, self._setting = sweep, question, setting
        self.names = [axis.name for axis in sweep.axes]
        self._values = [np.array(axis.values, np.float64) for axis in sweep.axes]
        self.sizes = np.array([len(values) for values in self._values])
        self.n_candidates = int(np.prod(self.sizes, dtype=object))

    def columns(self, codes: Codes) -> DesignColumns:
        """Designs at some positions, shape (n, axes)."""
        taken = [values[code] for values, code in zip(self._values, codes.T, strict=True)]
        return DesignColumns(dict(zip(self.names, taken, strict=True)), self._setting)

    def design(self, codes: Codes) -> Design:
        """All numbers of the design at one position."""
        return design_at(self.columns(codes[None]), 0, self.names)

    def violation(self, codes: Codes) -> Floats:
        """How far each design is from fulfilling rules and constraints; 0 where it does."""
        designs = self.columns(codes)
        seen = Columns(self._sweep.axes, dict(zip(self.names, codes.T, strict=True)))
        total = np.where(np.isfinite(designs[self._question.objective.name]), 0.0, 1.0)
        for rule in (*self._sweep.suite_rules, *self._sweep.rules):
            total += ~np.broadcast_to(rule.is_valid(seen), len(codes))
        for constraint in self._question.constraints:
            total += constraint.violation(designs, len(codes))
        return total

    def scores(self, codes: Codes) -> Floats:
        """Objective, larger is better; infeasible designs are below all feasible ones."""
        objective, violation = self._question.objective, self.violation(codes)
        score = objective.sense * self.columns(codes)[objective.name]
        return np.where(violation > 0, _BELOW_ALL * (1 + violation), score)

    def _keys(self, codes: Codes) -> list[Floats]:
        designs = self.columns(codes)
        goals = [goal.sense * designs[goal.name] for goal in self._question.ranking]
        return [-self.violation(codes), *goals]

    def order(self, codes: Codes) -> npt.NDArray[np.intp]:
        """Order designs by how close to feasible they are, then by the ranking of the question."""
        return np.lexsort(tuple(-key for key in self._keys(codes)[::-1]))

    def best_of(self, codes: Codes) -> Codes:
        """First of some designs in that order."""
        return np.asarray(codes[self.order(codes)[0]])

    def neighbours(self, at: Codes) -> Codes:
        """Positions that differ in one axis, or in two axes by 1, 2, 4 ... steps each."""
        steps = [_steps(int(code), int(size)) for code, size in zip(at, self.sizes, strict=True)]
        found = []
        for axis, size in enumerate(self.sizes.tolist()):
            along = np.repeat(at[None], size, axis=0)
            along[:, axis] = np.arange(size)
            found.append(along)
        for i, j in itertools.combinations(range(len(at)), 2):
            pairs = np.repeat(at[None], len(steps[i]) * len(steps[j]), axis=0)
            pairs[:, i] = np.repeat(steps[i], len(steps[j]))
            pairs[:, j] = np.tile(steps[j], len(steps[i]))
            found.append(pairs)
        return np.concatenate(found)


def _steps(code: int, size: int) -> Codes:
    """Positions 1, 2, 4 ... steps before and behind one, as far as the axis reaches."""
    away = 1 << np.arange(size.bit_length())
    steps = np.concatenate([code - away, code + away])
    return steps[(steps >= 0) & (steps < size)]


def _climbed(space: _Space, at: Codes) -> tuple[Codes, int]:
    """Go to the best neighbour until none is better; also how many designs were looked at."""
    n_seen = 0
    while True:
        # The first among equals stays where it is, so a plateau ends the climb.
        near = np.concatenate([at[None], space.neighbours(at)])
        n_seen += len(near) - 1
        best = space.best_of(near)
        if np.array_equal(best, at):
            return at, n_seen
        at = best
