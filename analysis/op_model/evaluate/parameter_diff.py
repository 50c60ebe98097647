"""What changed between two parameter files, and by how much on measured data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.error_measures import measure_errors
from analysis.op_model.estimator.estimator import Estimates, Estimator
from analysis.op_model.parameters.parameter_file import Operations
from analysis.op_model.parameters.yaml_mapping import Number

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WeightChange:
    """One weight that differs.

    Attributes
    ----------
    op, set_name, weight : str
        Which one.
    before, after : int or float or None
        Its values; None where the set or the weight is not there.
    """

    op: str
    set_name: str
    weight: str
    before: Number | None
    after: Number | None

    @property
    def percent(self) -> float | None:
        """Relative change in percent; None where there is none."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return 100.0 * (self.after - self.before) / self.before


@dataclass(frozen=True)
class OpChange:
    """Estimates of one operation by two parameter files, on the same rows.

    Attributes
    ----------
    op : str
        Effective operation.
    n_rows : int
        Measured rows.
    sets : str
        Sets that were used, before and after.
    mean_percent, least_percent, largest_percent : float or None
        Of ``(after - before) / before``; None where only one of them can estimate.
    mape_before, mape_after : float or None
        Mean of ``|estimate - runtime| / runtime`` in percent.
    reason : str
        Why numbers are missing; empty where none is.
    """

    op: str
    n_rows: int
    sets: str
    mean_percent: float | None
    least_percent: float | None
    largest_percent: float | None
    mape_before: float | None
    mape_after: float | None
    reason: str = ""


def changed_weights(before: Operations, after: Operations) -> list[WeightChange]:
    """List the weights that differ, in the order of the files."""
    return [change for change in _all_weights(before, after) if change.before != change.after]


def reordered(before: Operations, after: Operations) -> list[str]:
    """List the operations whose sets are the same but in another order.

    The order decides which set is used by readers that take the last one that holds.
    """
    return [
        op
        for op in before
        if op in after and set(before[op]) == set(after[op]) and list(before[op]) != list(after[op])
    ]


def changed_estimates(frame: pd.DataFrame, before: Estimator, after: Estimator) -> list[OpChange]:
    """Compare the estimates of two estimators on a sweep, per operation.

    Parameters
    ----------
    frame : pandas.DataFrame
        Canonical table of a sweep, with `runtime_cycles`.
    before, after : Estimator
        The estimators.

    Raises
    ------
    UsageError
        If a row is no descriptor.
    """
    descriptors = Descriptors.from_frame(frame)
    ops = np.array([traits.op for traits in descriptors.traits])[descriptors.trait_of_row]
    return [
        _op_change(str(op), frame[ops == op], before, after) for op in dict.fromkeys(ops.tolist())
    ]


def _op_change(op: str, frame: pd.DataFrame, before: Estimator, after: Estimator) -> OpChange:
    descriptors = Descriptors.from_frame(frame)
    runtime = frame["runtime_cycles"].to_numpy(np.float64)
    old, old_reason = _attempt(before, descriptors)
    new, new_reason = _attempt(after, descriptors)
    change = None
    if old is not None and new is not None:
        change = 100.0 * (new.cycles - old.cycles) / old.cycles
    return OpChange(
        op=op,
        n_rows=len(frame),
        sets=" -> ".join(dict.fromkeys((_sets(old), _sets(new)))),
        mean_percent=None if change is None else float(change.mean()),
        least_percent=None if change is None else float(change.min()),
        largest_percent=None if change is None else float(change.max()),
        mape_before=_mape(old, runtime),
        mape_after=_mape(new, runtime),
        reason="; ".join(dict.fromkeys(filter(None, (old_reason, new_reason)))),
    )


def _attempt(estimator: Estimator, descriptors: Descriptors) -> tuple[Estimates | None, str]:
    try:
        return estimator.estimate_table(descriptors), ""
    except RowError as error:
        return None, error.reason


def _sets(answers: Estimates | None) -> str:
    if answers is None:
        return "none"
    return ", ".join(dict.fromkeys(f"{p.choice.op}/{p.choice.set_name}" for p in answers.plans))


def _mape(answers: Estimates | None, runtime: Floats) -> float | None:
    if answers is None:
        return None
    return measure_errors(answers.cycles, runtime).mape


def _all_weights(before: Operations, after: Operations) -> Iterator[WeightChange]:
    for op in dict.fromkeys([*before, *after]):
        old_sets, new_sets = before.get(op, {}), after.get(op, {})
        for set_name in dict.fromkeys([*old_sets, *new_sets]):
            old, new = old_sets.get(set_name, {}), new_sets.get(set_name, {})
            for weight in dict.fromkeys([*old, *new]):
                yield WeightChange(op, set_name, weight, old.get(weight), new.get(weight))
