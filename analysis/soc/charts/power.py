"""Where the watts go, over utilisation and over the clock."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.soc.charts.style import (
    INK,
    PALETTE,
    SOFT,
    linear_axis,
    new_figure,
    style,
)
from analysis.soc.chip import formulas
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError, ThermalRunawayError
from analysis.soc.models.power import PART_NAMES, PowerModel, PowerSemantics
from analysis.soc.numerals import number_text

_N_POINTS = 61
_CLOCKS = (0.4, 1.45)


def power_figure(model: PowerModel, precision: Precision) -> Figure:
    """Draw the power of a chip.

    Parameters
    ----------
    model : PowerModel
        Whose; it must not run away at full utilisation.
    precision : Precision
        What is computed in.
    """
    soc = model.soc
    full = model.parts(1.0, precision)
    with style():
        figure, (left, right) = new_figure(
            f"Power of {soc.name}: {float(full.total_w):.0f} W at full load",
            f"{precision}, {model.semantics} formulas; junction at {float(full.junction_c):.0f} °C",
            n_columns=2,
            width_ratios=(1.15, 1),
        )
        _draw_parts(left, model, precision)
        _draw_clock(right, model, precision)
    return figure


def _draw_parts(axes: Axes, model: PowerModel, precision: Precision) -> None:
    shares = np.linspace(0, 1, _N_POINTS)
    parts = [model.parts(float(share), precision) for share in shares]
    columns = {
        name: np.array([float(getattr(part, field)) for part in parts])
        for field, name in PART_NAMES.items()
    }
    colors = dict(zip(columns, reversed(PALETTE), strict=True))
    shown = {name: column for name, column in columns.items() if column[-1] > 0}
    axes.stackplot(
        100 * shares,
        *shown.values(),
        labels=[f"{name}  {number_text(column[-1])} W" for name, column in shown.items()],
        colors=[colors[name] for name in shown],
        edgecolor="white",
        linewidth=0.8,
    )
    full_w = sum(column[-1] for column in shown.values())
    axes.set(xlim=(0, 100), ylim=(0, 1.2 * full_w), xlabel="utilisation, %", ylabel="W")
    axes.set_title("Where the watts go")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], labels[::-1], loc="upper left", title="at full load", alignment="left"
    )
    linear_axis(axes.yaxis)


def _draw_clock(axes: Axes, model: PowerModel, precision: Precision) -> None:
    """Draw both sets of formulas over the clock: one of them does not see it."""
    clock = model.soc.sm.clock_mhz
    clocks = np.linspace(_CLOCKS[0] * clock, _CLOCKS[1] * clock, _N_POINTS)
    for semantics, color in zip(PowerSemantics, PALETTE, strict=False):
        watts = [_power_at(model, semantics, precision, float(mhz)) for mhz in clocks]
        axes.plot(clocks, watts, color=color, label=semantics.value)
        is_known = np.isfinite(watts)
        if not is_known.all():
            last = int(np.flatnonzero(is_known)[-1])
            axes.plot(clocks[last], watts[last], "X", color=color, markersize=11)
            axes.annotate(
                _end_text(model, float(clocks[last + 1])),
                (float(clocks[last]), watts[last]),
                xytext=(-12, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                color=color,
            )
    here = _power_at(model, model.semantics, precision, clock)
    axes.axvline(clock, color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    axes.plot(
        clock, here, "o", color="white", markeredgecolor=INK, markeredgewidth=1.8, markersize=9
    )
    axes.annotate(
        f"{number_text(clock)} MHz\n{here:.0f} W",
        (clock, here),
        xytext=(10, -10),
        textcoords="offset points",
        va="top",
    )
    axes.set(ylim=(0, None), xlabel="clock, MHz", ylabel="W at full load")
    axes.set_title("What the clock costs")
    axes.legend(loc="upper left", title="formulas", alignment="left")
    _write_voltages(axes, model)
    linear_axis(axes.xaxis)
    linear_axis(axes.yaxis)


def _power_at(
    model: PowerModel, semantics: PowerSemantics, precision: Precision, clock_mhz: float
) -> float:
    try:
        changed = model.soc.with_values(clock_mhz=clock_mhz)
        return PowerModel(changed, semantics).total_power(1.0, precision)
    except (ThermalRunawayError, ConfigError):
        return float("nan")


def _end_text(model: PowerModel, clock_mhz: float) -> str:
    is_too_fast = clock_mhz > formulas.max_clock_mhz(model.soc.technology)
    return "highest voltage" if is_too_fast else "thermal runaway"


def _write_voltages(axes: Axes, model: PowerModel) -> None:
    """Write the supply voltage above the axis at some of the clocks."""
    low, high = axes.get_xlim()
    fastest = formulas.max_clock_mhz(model.soc.technology)
    for mhz in np.linspace(low, high, 7)[1:-1]:
        if mhz <= fastest:
            volts = float(formulas.voltage_v(float(mhz), model.soc.technology))
            axes.annotate(
                f"{volts:.2f} V",
                (float(mhz), 0),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                color=SOFT,
                fontsize=11,
            )
    axes.set_xlim(low, high)
