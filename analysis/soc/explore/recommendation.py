"""A recommendation in words: what to build, what binds it, and what to change next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from analysis.soc.chip.designs import TARGET_DENSITY_TFLOPS_MM2, TARGET_POWER_W
from analysis.soc.chip.precision import Precision
from analysis.soc.explore.evaluation import DesignColumns, Setting
from analysis.soc.explore.exploration import Design, Question
from analysis.soc.explore.metrics import unit_of
from analysis.soc.explore.sensitivity import ParameterRange, one_at_a_time
from analysis.units import duration_text, significant
from sweeps.axis import Axis, AxisKind, Value
from sweeps.space import Sweep

_CHANGES_SHOWN = 5
_WAYS_SHOWN = 4
_LEAST_GAIN = 1e-9
_LEAST_ELASTICITY = 1e-3
_FIRST_STEP = 0.1
"""Relative step where an axis has one value only."""


@dataclass(frozen=True)
class Cost:
    """What a constraint costs.

    Attributes
    ----------
    constraint : str
        Its text.
    best_without : float or None
        Objective of the best design if this constraint were not there; None where others forbid
        everything.
    gain : float
        By how much that is better, relative to the best design; 0 where the constraint is free.
    """

    constraint: str
    best_without: float | None
    gain: float


@dataclass(frozen=True)
class Change:
    """One step along one axis from the recommended design.

    Attributes
    ----------
    parameter : str
        Which axis.
    before, after : float
        Its values.
    gain : float
        Relative change of the objective, positive where better.
    broken : tuple of str
        Constraints and rules that the changed design breaks.
    is_beyond : bool
        Whether the space ends before this value.
    """

    parameter: str
    before: float
    after: float
    gain: float
    broken: tuple[str, ...]
    is_beyond: bool


@dataclass(frozen=True)
class Way:
    """A value of one parameter that alone would reach a target.

    Attributes
    ----------
    parameter : str
        Which.
    value : float
        What it would have to be.
    power_w : float
        Power of the design then; not a number where it gets hotter than it can cool.
    obstacle : str
        What forbids it; empty where nothing does.
    """

    parameter: str
    value: float
    power_w: float
    obstacle: str

    @property
    def words(self) -> str:
        """Value, power, and what is in the way."""
        notes = [f"{_number(self.power_w)} W"] if math.isfinite(self.power_w) else []
        notes += [self.obstacle] if self.obstacle else []
        return f"{self.parameter}={_number(self.value)} ({', '.join(notes)})"


@dataclass(frozen=True)
class Target:
    """How far a design is from a target.

    Attributes
    ----------
    metric : str
        Which.
    target, value : float
        What is aimed at, and what the design has.
    is_met : bool
        Whether the design reaches it.
    ways : tuple of Way
        Changes of a single parameter that would reach it, the least power first.
    """

    metric: str
    target: float
    value: float
    is_met: bool
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Recommendation:
    """What to build and why.

    Attributes
    ----------
    design : Design
        The recommended design.
    objective : str
        What it is best at.
    costs : tuple of Cost
        One per constraint, the most expensive first.
    changes : tuple of Change
        Single steps that would be better but for what they break, or beyond the space.
    targets : tuple of Target
        Distance to the published targets.
    """

    design: Design
    objective: str
    costs: tuple[Cost, ...]
    changes: tuple[Change, ...]
    targets: tuple[Target, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data, with the words."""
        return {**asdict(self), "words": self.words()}

    def words(self) -> list[str]:
        """Return one sentence per thought."""
        return [
            _build_words(self.design),
            *_cost_words(self.costs, self.objective),
            *_change_words(self.changes, self.objective),
            *(_target_words(target) for target in self.targets),
        ]


def recommend(
    best: Design,
    best_without: Sequence[Design | None],
    sweep: Sweep,
    question: Question,
    setting: Setting,
) -> Recommendation:
    """Explain a best design.

    Parameters
    ----------
    best : Design
        The best feasible design of a space.
    best_without : Sequence of (Design or None)
        Per constraint: the best design without it; empty where it is not known.
    sweep : Sweep
        The space.
    question : Question
        What was asked of it.
    setting : Setting
        What all designs have in common.
    """
    goal = question.objective
    costs = [
        Cost(
            constraint.text,
            None if other is None else other[goal.name],
            0.0 if other is None else _gain(best[goal.name], other[goal.name], goal.sense),
        )
        for constraint, other in zip(question.constraints, best_without, strict=False)
    ]
    costs.sort(key=lambda cost: -cost.gain)
    changes = _changes(best, sweep, question, setting)
    targets = _targets(best, sweep, setting) if setting.precision is Precision.FP16 else ()
    return Recommendation(best, goal.name, tuple(costs), tuple(changes), tuple(targets))


def _gain(before: float, after: float, sense: int) -> float:
    return sense * (after - before) / abs(before) if before else 0.0


def _changes(best: Design, sweep: Sweep, question: Question, setting: Setting) -> list[Change]:
    """Find the steps to the next value of an axis, up or down, that improve the objective."""
    goal = question.objective
    steps = [
        (axis.name, value, is_beyond)
        for axis in sweep.axes
        for value, is_beyond in _next_values(axis, best[axis.name])
        if axis.kind is AxisKind.FLOAT or round(value) not in (0, best[axis.name])
    ]
    points = [_changed(sweep, best, name, value) for name, value, _ in steps]
    designs = _columns(sweep, points, setting)
    holds = [constraint.holds(designs, designs.n) for constraint in question.constraints]
    changes = []
    for i, (name, _, is_beyond) in enumerate(steps):
        gain = _gain(best[goal.name], float(designs[goal.name][i]), goal.sense)
        broken = [
            c.text for c, held in zip(question.constraints, holds, strict=True) if not held[i]
        ]
        reason = sweep.invalid_reason(points[i])
        broken += [] if reason is None else [reason]
        if gain > _LEAST_GAIN:
            after = float(designs[name][i])
            changes.append(Change(name, best[name], after, gain, tuple(broken), is_beyond))
    return sorted(changes, key=lambda change: (len(change.broken) > 0, -change.gain))


def _next_values(axis: Axis, at: float) -> Iterator[tuple[float, bool]]:
    """Values before and behind one, and whether the axis ends before them."""
    values = sorted(axis.array.tolist())
    i = values.index(at)
    gaps = [abs(at - other) for other in (*values[max(i - 1, 0) : i], *values[i + 1 : i + 2])]
    gap = min(gaps, default=_FIRST_STEP * at)
    if axis.kind is AxisKind.INT:
        gap = max(1, round(gap))
    before = at - gap if gap < at else at / 2
    yield (values[i - 1], False) if i > 0 else (before, True)
    yield (values[i + 1], False) if i + 1 < len(values) else (at + gap, True)


def _changed(sweep: Sweep, design: Design, name: str, value: float) -> dict[str, Value]:
    """Parameters of a design with one of them changed, as the axes have them."""
    values = {axis.name: design[axis.name] for axis in sweep.axes} | {name: value}
    return {
        axis.name: round(values[axis.name]) if axis.kind is AxisKind.INT else values[axis.name]
        for axis in sweep.axes
    }


def _columns(
    sweep: Sweep, points: Sequence[Mapping[str, Value]], setting: Setting
) -> DesignColumns:
    columns = {a.name: np.array([p[a.name] for p in points], np.float64) for a in sweep.axes}
    return DesignColumns(columns, setting)


def _targets(best: Design, sweep: Sweep, setting: Setting) -> list[Target]:
    density, power = best["density_tflops_mm2"], best["total_power_w"]
    is_dense = density >= TARGET_DENSITY_TFLOPS_MM2
    ways = () if is_dense else _ways(best, sweep, setting)
    return [
        Target("density_tflops_mm2", TARGET_DENSITY_TFLOPS_MM2, density, is_dense, tuple(ways)),
        Target("total_power_w", TARGET_POWER_W, power, power <= TARGET_POWER_W, ()),
    ]


def _ways(best: Design, sweep: Sweep, setting: Setting) -> list[Way]:
    """Values of single parameters at which the density target is met, the least power first."""
    factor = TARGET_DENSITY_TFLOPS_MM2 / best["density_tflops_mm2"]
    base = setting.base.with_values({axis.name: best[axis.name] for axis in sweep.axes})
    ranges = [
        ParameterRange(axis.name, best[axis.name], best[axis.name] * 2) for axis in sweep.axes
    ]
    found = []
    for effect in one_at_a_time(replace(setting, base=base), ranges, ["density_tflops_mm2"]):
        if abs(effect.elasticity) < _LEAST_ELASTICITY:
            continue
        # Density is a product of powers of its parameters, so that this is exact.
        exact = effect.base * factor ** (1 / effect.elasticity)
        is_whole = sweep.axis(effect.parameter).kind is AxisKind.INT
        value = exact if not is_whole else _rounded_away(exact, effect.base)
        point = _changed(sweep, best, effect.parameter, value)
        changed = _columns(sweep, [point], setting)
        power_w, junction_c = (float(changed[m][0]) for m in ("total_power_w", "junction_c"))
        if not junction_c <= base.technology.max_junction_c:
            obstacle = "too hot"
        else:
            obstacle = "breaks a rule of the space" if sweep.invalid_reason(point) else ""
        found.append(Way(effect.parameter, value, power_w, obstacle))
    return sorted(found, key=lambda w: (w.obstacle != "", math.isnan(w.power_w), w.power_w))


def _rounded_away(value: float, base: float) -> float:
    return float(math.ceil(value - 1e-6) if value > base else math.floor(value + 1e-6))


def _build_words(design: Design) -> str:
    d = {name: _number(value) for name, value in design.items()}
    return (
        f"Build {d['n_chiplets']} chiplets of {d['area_mm2']} mm² with {d['n_sms']} SMs and "
        f"{d['l2_mb']} MB of L2 each, {d['n_tensor_cores']} tensor cores per SM at "
        f"{d['clock_mhz']} MHz with {d['fp16_ops_per_cycle']} FP16 operations per cycle, beside "
        f"{d['n_hbm_stacks']} stacks of {d['hbm_stack_gb_s']} GB/s: {d['peak_tflops']} TFLOPS, "
        f"{d['density_tflops_mm2']} TFLOPS/mm², {d['total_power_w']} W, junction at "
        f"{d['junction_c']} °C."
    )


def _cost_words(costs: Sequence[Cost], objective: str) -> Iterator[str]:
    binding = [cost for cost in costs if cost.gain > _LEAST_GAIN]
    for cost in binding:
        yield (
            f"{cost.constraint} binds: without it {objective} would reach "
            f"{_quantity(objective, cost.best_without or 0.0)} ({_more(cost.gain)} better)."
        )
    free = [cost.constraint for cost in costs if cost.gain <= _LEAST_GAIN]
    if free:
        verb, them = ("costs", "it") if len(free) == 1 else ("cost", "any of them")
        yield f"{_listed(free)} {verb} nothing: without {them} the best design is no better."
    if costs and not binding:
        yield "No constraint binds alone: the limits of the space do."


def _change_words(changes: Sequence[Change], objective: str) -> Iterator[str]:
    for change in changes[:_CHANGES_SHOWN]:
        step = (
            f"{change.parameter} {_number(change.before)} -> {_number(change.after)} "
            f"makes {objective} {_more(change.gain)} better"
        )
        if change.broken:
            yield f"{step}, but breaks {_listed(change.broken)}."
        elif change.is_beyond:
            yield (
                f"{step} and breaks nothing, but the space ends before it: widen it with "
                f"--limit {change.parameter}:=..."
            )
        else:
            yield f"{step} and breaks nothing."


def _target_words(target: Target) -> str:
    unit = unit_of(target.metric)
    value, aim = f"{_number(target.value)} {unit}", f"{_number(target.target)} {unit}"
    if target.is_met:
        return f"Target {aim}: met with {value}."
    if not target.ways:
        return f"Target {aim}: missed by {_more(abs(target.value / target.target - 1))}."
    ways = "; ".join(way.words for way in target.ways[:_WAYS_SHOWN])
    return (
        f"Target {aim}: {value} is {target.value / target.target:.0%} of it, a factor of "
        f"{target.target / target.value:.3g} is missing; alone would do {ways}."
    )


def _quantity(name: str, value: float) -> str:
    return duration_text(value) if unit_of(name) == "ns" else _number(value)


def _number(value: float) -> str:
    is_whole = abs(value) >= 1000 or float(value).is_integer()
    return f"{value:,.0f}" if is_whole else significant(value, 3)


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _more(share: float) -> str:
    return f"{share:.1%}" if share < 1 else f"{1 + share:.3g} times"
