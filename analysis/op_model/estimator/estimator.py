"""From descriptors to cycles, one by one or in columns.

>>> from analysis.op_model.descriptors.descriptor import Descriptor
>>> from analysis.op_model.parameters.parameter_file import Parameters
>>> weights = {"add": {"base": {"ublock_weight": 100.0, "tile_weight": 50.0}}}
>>> estimator = Estimator(Parameters("wormhole_b0", 1, weights, "invented"))
>>> estimate = estimator.estimate(Descriptor("add", mblock_m=2, ublock_ct=4))
>>> estimate.cycles, estimate.choice.set_name, estimate.sureness
(600.0, 'base', 'unknown: how well these weights fit is not recorded')
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.descriptor import Descriptor, Sizes, Traits
from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.estimator.arithmetic import (
    LARGEST_EXACT_CYCLES,
    Arithmetic,
    ExactColumn,
    ExactNumber,
    NormalColumn,
    NormalNumber,
)
from analysis.op_model.estimator.formulas import CYCLES, SPARSE_SECOND, Formula
from analysis.op_model.estimator.plan import Plan, make_plan
from analysis.op_model.estimator.selection import Choice, Mode
from analysis.op_model.parameters.fit_record import FitRecord
from analysis.op_model.parameters.parameter_file import Parameters
from analysis.op_model.parameters.sparse_tables import SparseTables
from farm.errors import UsageError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

_BLOCK_ROWS = 1 << 15
"""Rows that are computed at a time: their columns stay in the cache."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cycles of one descriptor, and what they are worth.

    Attributes
    ----------
    cycles : float
        Core clock cycles per input; whole in parity.
    formula : str
        Formula that was used.
    choice : Choice
        Parameter set that was used, and why.
    warnings : tuple of str
        What limits the estimate's worth.
    expected_error_percent : float or None
        Mean error of the set where it was fitted; None where it is not known, the set stands in
        for another operation or does not cover all, or the descriptor is beyond what was fitted.
    sureness : str
        In words, how sure the estimate is.
    """

    cycles: float
    formula: str
    choice: Choice
    warnings: tuple[str, ...]
    expected_error_percent: float | None
    sureness: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        choice = self.choice
        return {
            "cycles": self.cycles,
            "formula": self.formula,
            "expected_error_percent": self.expected_error_percent,
            "sureness": self.sureness,
            "arch": choice.arch,
            "params_version": choice.version,
            "params_file": choice.source,
            "params_op": choice.op,
            "params_set": choice.set_name,
            "reason": choice.reason,
            "is_fallback": choice.is_fallback,
            "uncovered": list(choice.uncovered),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False)
class Estimates:
    """Cycles of many descriptors.

    Attributes
    ----------
    cycles : ndarray
        Core clock cycles per input, shape (n,).
    plans : tuple of Plan
        The distinct ways in which they were computed.
    plan_of_row : ndarray
        Index into `plans`, shape (n,).
    sizes : Sizes
        Sizes of the descriptors.
    """

    cycles: Floats
    plans: tuple[Plan, ...]
    plan_of_row: Rows
    sizes: Sizes

    @property
    def is_extrapolated(self) -> npt.NDArray[np.bool_]:
        """Which descriptors are beyond the sizes that their set was fitted on, shape (n,)."""
        outside = np.zeros(len(self.cycles), bool)
        for number, plan in enumerate(self.plans):
            record = plan.choice.record
            if record is None:
                continue
            rows = np.flatnonzero(self.plan_of_row == number)
            for name, (low, high) in record.ranges.items():
                column = getattr(self.sizes, name)[rows]
                outside[rows] |= (column < low) | (column > high)
        return outside

    @property
    def expected_error_percent(self) -> Floats:
        """Mean error of each row's set where it was fitted; not a number where unknown."""
        known = np.array([_known_error(plan) for plan in self.plans])
        return np.where(self.is_extrapolated, np.nan, known[self.plan_of_row])


class Estimator:
    """Estimates with one parameter file.

    Parameters
    ----------
    parameters : Parameters
        The file.
    tables : SparseTables, optional
        Tables of the second sparse formula; without them sparse products take the first one.
    mode : Mode
        Parity is equal to the original to the last integer; normal has no wrap-around and takes
        the most special parameter set.
    may_fall_back : bool
        Whether ``nop`` may stand in for an operation that the file does not have.
    """

    def __init__(
        self,
        parameters: Parameters,
        tables: SparseTables | None = None,
        mode: Mode = Mode.NORMAL,
        *,
        may_fall_back: bool = False,
    ) -> None:
        self.parameters, self.tables, self.mode = parameters, tables, mode
        self._may_fall_back = may_fall_back
        self._is_exact = mode is Mode.PARITY
        self._number: Arithmetic = ExactNumber() if self._is_exact else NormalNumber()
        self._column: Arithmetic = ExactColumn() if self._is_exact else NormalColumn()
        self._grid: npt.NDArray[Any] | None = None
        if tables is not None:
            stepped, smooth = tables.stepped.astype(np.uint32), tables.interpolated
            self._grid = stepped if self._is_exact else smooth
        self._plans: dict[tuple[Traits, bool], Plan] = {}

    def estimate(self, descriptor: Descriptor) -> Estimate:
        """Estimate one descriptor.

        Raises
        ------
        UsageError
            If there is no parameter set for it, or the set says 0 cycles.
        """
        sizes = descriptor.sizes
        plan = self.plan(descriptor.traits, sizes.nz_ublocks > 0 and sizes.nz_strips > 0)
        numbers = plan.numbers
        if plan.formula is SPARSE_SECOND:
            numbers = {**numbers, **self._stages_of(sizes, plan.table)}
        cycles = float(plan.formula.cycles(sizes, numbers, self._number))
        if self._is_exact:
            cycles = float(min(int(cycles), LARGEST_EXACT_CYCLES))
        if not cycles > 0:
            raise UsageError(_no_cycles(plan, cycles))
        choice = plan.choice
        if choice.record is None:
            sureness = _FALLBACK if choice.is_fallback else _UNKNOWN
            return Estimate(cycles, plan.formula.name, choice, plan.warnings, None, sureness)
        return _known_estimate(cycles, plan, sizes, choice.record)

    def estimate_table(self, descriptors: Descriptors) -> Estimates:
        """Estimate many descriptors.

        Raises
        ------
        RowError
            If there is no parameter set for a row, or its set says 0 cycles.
        """
        plans, plan_of_row = self._plan_rows(descriptors)
        cycles = np.empty(len(descriptors))
        work = [(f, *_shared_numbers(f, plans)) for f in dict.fromkeys(p.formula for p in plans)]
        for block in _blocks(len(descriptors)):
            plan = plan_of_row[block]
            for formula, numbers, members in work:
                # One formula for all rows needs no picking.
                rows = np.s_[:] if len(work) == 1 else np.flatnonzero(members[plan])
                sizes = self._columns(descriptors.sizes, block, rows)
                cycles[block][rows] = self._computed(formula, sizes, numbers, plans, plan[rows])
        if self._is_exact:
            cycles = np.minimum(np.floor(cycles), LARGEST_EXACT_CYCLES)
        if not (cycles > 0).all():
            row = int(np.argmin(cycles > 0))
            raise RowError(row, _no_cycles(plans[plan_of_row[row]], cycles[row]))
        return Estimates(cycles, plans, plan_of_row, descriptors.sizes)

    def plan(self, traits: Traits, has_counts: bool) -> Plan:
        """Say how descriptors of these traits are estimated.

        Raises
        ------
        UsageError
            If there is no parameter set for them.
        """
        key = (traits, has_counts)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = make_plan(
                self.parameters,
                traits,
                self.mode,
                may_fall_back=self._may_fall_back,
                has_counts=has_counts,
                has_tables=self.tables is not None,
            )
        return plan

    def _plan_rows(self, descriptors: Descriptors) -> tuple[tuple[Plan, ...], Rows]:
        s = descriptors.sizes
        # Only sparse products depend on whether their counts are known.
        is_sparse = np.array([traits.op == "matmul_sparse" for traits in descriptors.traits], bool)
        kind = descriptors.trait_of_row
        if is_sparse.any():
            kind = kind * 2 + (is_sparse[kind] & (s.nz_ublocks > 0) & (s.nz_strips > 0))
        else:
            kind = kind * 2
        plans: list[Plan] = []
        index = np.zeros(2 * len(descriptors.traits), np.intp)
        for number in np.flatnonzero(np.bincount(kind, minlength=1)):
            traits = descriptors.traits[number // 2]
            try:
                plan = self.plan(traits, bool(number % 2))
            except UsageError as error:
                raise RowError(int(np.argmax(kind == number)), str(error)) from error
            index[number] = len(plans)
            plans.append(plan)
        return tuple(plans), index[kind]

    def _columns(self, sizes: Sizes, block: slice, rows: Any) -> Sizes:
        kind = np.uint32 if self._is_exact else np.float64
        return Sizes(*(column[block][rows].astype(kind) for column in sizes))

    def _computed(
        self,
        formula: Formula,
        sizes: Sizes,
        numbers: Mapping[str, Any],
        plans: tuple[Plan, ...],
        plan: Rows,
    ) -> npt.NDArray[Any]:
        is_shared = len(plans) == 1
        own = {name: v[0] if is_shared else v[plan] for name, v in numbers.items()}
        if formula is SPARSE_SECOND:
            table = np.array([p.table for p in plans], np.intp)[plan]
            own |= self._stages_of(sizes, table)
        return np.asarray(formula.cycles(sizes, own, self._column))

    def _stages_of(self, sizes: Sizes, table: Any) -> dict[str, Any]:
        """Cycles of the stages from the tables; beyond their ends the last value holds."""
        if self._grid is None:
            raise UsageError("there are no sparse tables")
        axes = (sizes.ublock_rt, sizes.ublock_ct, sizes.ublock_kt)
        limits = self._grid.shape[1:4]
        if isinstance(sizes.ublock_rt, int):
            index = tuple(min(size, n) - 1 for size, n in zip(axes, limits, strict=True))
            return dict(zip(CYCLES, self._grid[(table, *index)].tolist(), strict=True))
        index = tuple(
            np.minimum(size, n).astype(np.intp) - 1 for size, n in zip(axes, limits, strict=True)
        )
        return dict(zip(CYCLES, self._grid[(table, *index)].T, strict=True))


def _known_error(plan: Plan) -> float:
    record = plan.choice.record
    return math.nan if record is None or plan.choice.uncovered else record.mape_percent


_UNKNOWN = "unknown: how well these weights fit is not recorded"
_FALLBACK = "unknown: the weights of another operation stand in"


def _known_estimate(cycles: float, plan: Plan, sizes: Sizes, record: FitRecord) -> Estimate:
    outside = record.outside(sizes._asdict())
    error = f"{record.mape_percent:.3g} %"
    how = "of rows not fitted" if record.is_cross_validated else "of the fitted rows themselves"
    if outside:
        sureness = f"unknown: outside of what was fitted, where the mean error was {error}"
    elif plan.choice.uncovered:
        sureness = f"unknown: not all is covered by the set, whose mean error was {error}"
    else:
        sureness = f"mean error {error}, {how} ({record.n_rows} rows)"
    warnings = plan.warnings
    if outside:
        warnings = (*warnings, f"an extrapolation: {', '.join(outside)}")
    is_known = not outside and not plan.choice.uncovered
    return Estimate(
        cycles,
        plan.formula.name,
        plan.choice,
        warnings,
        record.mape_percent if is_known else None,
        sureness,
    )


def _shared_numbers(
    formula: Formula, plans: tuple[Plan, ...]
) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.bool_]]:
    """Numbers of a formula by plan, and which plans have it."""
    members = np.array([plan.formula is formula for plan in plans], bool)
    like = next(plan for plan in plans if plan.formula is formula).numbers
    numbers = {
        name: np.array([plan.numbers.get(name, 0) for plan in plans]).astype(_kind(value))
        for name, value in like.items()
    }
    return numbers, members


def _kind(value: Any) -> Any:
    # Phases are sizes: whole in parity, and exact in doubles.
    return np.uint32 if isinstance(value, int) else np.asarray(value).dtype


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _BLOCK_ROWS):
        yield slice(start, start + _BLOCK_ROWS)


def _no_cycles(plan: Plan, cycles: float) -> str:
    choice = plan.choice
    return (
        f"the set {choice.set_name} of {choice.op} in {choice.source} gives {cycles:g} cycles: "
        f"no operation takes that"
    )
