"""Sensitivity, one parameter at a time: what a metric does when one field of a chip changes.

Two numbers say it for a metric y and a parameter x with the values y0 and x0 at the chip:

==================== ===========================================================================
elasticity           d ln y / d ln x at the chip: the percents that y gains where x gains one
normalised           (y(high) - y(low)) / y0 over (high - low) / x0: the same over the whole range,
sensitivity          so that a curve, a kink or a limit inside the range is in it
==================== ===========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.designs import DESIGNS
from analysis.soc.explore.evaluation import PARAMETERS, DesignColumns, Setting
from farm.errors import UsageError
from sweeps.soc_design import SWEEP

USUAL_PARAMETERS = ("n_sms", "area_mm2", "clock_mhz", "n_tensor_cores", "fp16_ops_per_cycle")
_STEP = 1e-4
"""Relative step of the derivative, to both sides."""


@dataclass(frozen=True)
class ParameterRange:
    """A parameter and the values between which it may lie.

    Attributes
    ----------
    name : str
        Field of a chip.
    low, high : float
        Ends of its range, both above 0.
    """

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.name not in PARAMETERS:
            raise UsageError(
                f"parameter {self.name!r}: a chip has no such number; it has "
                f"{', '.join(PARAMETERS)}"
            )
        if not (0 < self.low < self.high < math.inf):
            raise UsageError(
                f"parameter {self.name}: the range {self.low:g}..{self.high:g} must begin above 0 "
                f"and end above its beginning"
            )

    @staticmethod
    def parse(text: str) -> ParameterRange:
        """Read ``NAME`` or ``NAME=LOW..HIGH``; without a range, that of `usual_range`.

        Raises
        ------
        UsageError
            If there is no such parameter, or the range is malformed.
        """
        name, equals, span = text.partition("=")
        if not equals:
            return usual_range(name)
        low, dots, high = span.partition("..")
        try:
            if not dots:
                raise ValueError
            return ParameterRange(name, float(low), float(high))
        except ValueError:
            raise UsageError(
                f"parameter {text!r}: write NAME=LOW..HIGH, such as clock_mhz=1800..2500"
            ) from None


def usual_range(name: str) -> ParameterRange:
    """Range of a parameter over the published designs, else over the axis of `soc-design`.

    Raises
    ------
    UsageError
        If neither varies it.
    """
    spread = [float(design.value(name) or 0) for design in DESIGNS.values() if name in PARAMETERS]
    if len(set(spread)) < 2:
        spread = [edge for axis in SWEEP.axes if axis.name == name for edge in axis.array.tolist()]
    if not spread and name in PARAMETERS:
        raise UsageError(f"parameter {name}: give its range, {name}=LOW..HIGH")
    return ParameterRange(name, min(spread, default=0.0), max(spread, default=0.0))


@dataclass(frozen=True)
class Sensitivity:
    """What one parameter does to one metric.

    Attributes
    ----------
    metric, parameter : str
        Which.
    low, base, high : float
        Ends of the parameter's range, and its value in the chip.
    at_low, at_base, at_high : float
        The metric there.
    elasticity, normalised : float
        See the module's text.
    """

    metric: str
    parameter: str
    low: float
    base: float
    high: float
    at_low: float
    at_base: float
    at_high: float
    elasticity: float
    normalised: float

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def one_at_a_time(
    setting: Setting, ranges: Sequence[ParameterRange], metrics: Sequence[str]
) -> list[Sensitivity]:
    """Vary one parameter of the setting's base chip at a time.

    Parameters
    ----------
    setting : Setting
        The chip, and what its metrics hold for.
    ranges : Sequence of ParameterRange
        What is varied, and how far.
    metrics : Sequence of str
        What is looked at.

    Returns
    -------
    list of Sensitivity
        Metric by metric, the parameter with the largest effect over its range first.

    Raises
    ------
    UsageError
        If the chip does not have a parameter, or a metric has no number somewhere.
    """
    base = base_values(setting.base, [r.name for r in ranges])
    points = [dict(base)]
    for span in ranges:
        x = base[span.name]
        steps = (span.low, span.high, x * (1 - _STEP), x * (1 + _STEP))
        points += [{**base, span.name: value} for value in steps]
    columns = {name: np.array([point[name] for point in points]) for name in base}
    designs = DesignColumns(columns, setting)
    found = []
    for metric in metrics:
        y = designs[metric].tolist()
        per_metric = []
        for i, span in enumerate(ranges):
            y_low, y_high, y_before, y_after = y[1 + 4 * i : 5 + 4 * i]
            x = base[span.name]
            _require_numbers(metric, span, (y[0], y_low, y_high))
            elasticity = (y_after - y_before) / y[0] / (2 * _STEP)
            normalised = (y_high - y_low) / y[0] / ((span.high - span.low) / x)
            per_metric.append(
                Sensitivity(
                    *(metric, span.name, span.low, x, span.high),
                    *(y_low, y[0], y_high, elasticity, normalised),
                )
            )
        found += sorted(per_metric, key=lambda s: -abs(s.at_high - s.at_low))
    return found


def base_values(base: SoCConfig, names: Sequence[str]) -> Mapping[str, float]:
    """Values of some fields of a chip.

    Raises
    ------
    UsageError
        If one is missing, such as the rate of a precision that the chip does not have.
    """
    values = {name: base.value(name) for name in names}
    for name, value in values.items():
        if not value:
            raise UsageError(f"{base.name} has no {name}; choose other parameters")
    return {name: float(value) for name, value in values.items()}


def _require_numbers(metric: str, span: ParameterRange, values: Sequence[float]) -> None:
    if not all(math.isfinite(value) and value != 0 for value in values):
        raise UsageError(
            f"{metric} has no number over all of {span.name}={span.low:g}..{span.high:g}: there "
            f"the chip gets hotter than it can cool; choose a narrower range"
        )
