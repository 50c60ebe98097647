"""Measured ops under their ceilings: one roofline for each kind of arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from analysis.soc.charts.style import INK, PALETTE, SOFT, log_axis, new_figure, style
from analysis.soc.measured.assessment import Assessment, names
from analysis.soc.measured.calibration import BOUNDS
from analysis.soc.measured.estimate import Estimate
from analysis.soc.measured.measured_ops import Floats, MeasuredOps
from analysis.soc.measured.sources import MeasuredSources
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.numerals import number_text
from analysis.units import count
from farm.errors import UsageError

MOST_PANELS = 6

_COLORS = dict(zip(BOUNDS, (PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[3]), strict=True))
_NAMES = {
    "compute": "bound by compute",
    "memory": "by memory",
    "cache": "by cache",
    "overhead": "by launch overhead",
}
_MOST_POINTS = 5000
_MANY = 400
_ROOM = 1.7
_SHORT_RANGE = 50.0
_TEXT_SHARE = 0.16
"""Part of the height below the ops that is left to the text."""


def calibration_figure(read: MeasuredSources, assessments: Sequence[Assessment]) -> Figure:
    """Draw every kind of arithmetic on its own roofline, with what its typical op reaches.

    Ops without flops are drawn by their bandwidth over the bytes that they move.

    Raises
    ------
    UsageError
        If there are too many kinds for one chart.
    """
    n = len(assessments)
    if n > MOST_PANELS:
        raise UsageError(
            f"--plot: {n} kinds of ops do not fit one chart, at most {MOST_PANELS} do; choose "
            f"some with --dtype"
        )
    n_columns = n if n <= 3 else math.ceil(n / 2)
    n_ops = sum(len(one.rows) for one in assessments)
    with style():
        figure, panels = new_figure(
            f"Measured ops on {read.processor.name}",
            f"{count(n_ops)} ops; solid: ceilings; dashed: what a typical op reaches",
            math.ceil(n / n_columns),
            n_columns,
        )
        for axes, one, name in zip(panels, assessments, names(assessments), strict=False):
            ops = next(ops for ops in read.ops if ops.source == one.source)
            axes.set(xscale="log", yscale="log")
            if one.precision is None:
                _draw_copies(axes, read, ops, one)
                axes.set_title(name)
            else:
                _draw_roofline(axes, read, ops, one, read.processor.peak_compute(one.precision))
                axes.set_title(f"{name}: median {100 * one.quantiles[0.5]:.0f} %")
            _ticks(axes.xaxis)
            _ticks(axes.yaxis)
        for axes in panels[n:]:
            axes.set_axis_off()
        _draw_legend(figure, assessments)
    return figure


def _draw_roofline(
    axes: Axes, read: MeasuredSources, ops: MeasuredOps, one: Assessment, peak: float
) -> None:
    intensity = ops.intensity[one.rows]
    unit, scale = ("TFLOPS", 1e-12) if peak >= 1 else ("GFLOPS", 1e-9)
    peak_rate = peak * 1e12 * scale
    rates = ops.flops[one.rows] / ops.time_s[one.rows] * scale
    bandwidth = PerformanceModel(read.processor).bandwidth_gb_s()
    slope = bandwidth * 1e9 * scale
    ridge = peak_rate / slope
    low = min(float(intensity.min()), ridge / 3) / _ROOM
    high = max(float(intensity.max()), ridge * 3) * _ROOM
    axes.set_xlim(low, high)
    lowest = min(float(np.quantile(rates, 0.002)), slope * low)
    highest = max(peak_rate, float(rates.max())) * _ROOM
    axes.set_ylim(lowest * (lowest / highest) ** _TEXT_SHARE, highest)
    _scatter(axes, intensity, rates, one)
    x = np.geomspace(low, high, 400)
    axes.plot(x, np.minimum(peak_rate, slope * x), color=INK, zorder=4)
    factors = one.calibration.factors
    compute, memory = (_value(factors.get(name)) for name in ("compute", "memory"))
    reached = np.minimum(peak_rate * compute, slope * memory * x)
    axes.plot(x, reached, color=INK, linestyle=(0, (4, 2)), linewidth=1.6, zorder=4)
    axes.text(
        0.985,
        0.02,
        "\n".join(_facts(one, f"{number_text(peak_rate)} {unit}", bandwidth)),
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        linespacing=1.35,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2},
        zorder=6,
    )
    axes.set_xlabel("arithmetic intensity, flop/byte")
    axes.set_ylabel(unit)


def _draw_copies(axes: Axes, read: MeasuredSources, ops: MeasuredOps, one: Assessment) -> None:
    megabytes = ops.bytes_moved[one.rows] * 1e-6
    gb_s = ops.bytes_moved[one.rows] / ops.time_s[one.rows] * 1e-9
    _scatter(axes, megabytes, gb_s, one)
    low, high = float(megabytes.min()) / _ROOM, float(megabytes.max()) * _ROOM
    axes.set_xlim(low, high)
    top = max(float(gb_s.max()), *read.processor.memory_levels.values())
    axes.set_ylim(float(gb_s.min()) / _ROOM / 2, top * _ROOM)
    for i, (level, bandwidth) in enumerate(read.processor.memory_levels.items()):
        axes.axhline(bandwidth, color=INK, zorder=2, linewidth=1.8)
        # Large copies are at the right, near the first level; small ones at the left, above it.
        axes.annotate(
            f"{level} {number_text(bandwidth)} GB/s",
            (high if i else low, bandwidth),
            xytext=(-4 if i else 4, 5),
            textcoords="offset points",
            ha="right" if i else "left",
            color=INK,
            fontweight="bold",
        )
    if read.cache_bytes:
        axes.axvline(read.cache_bytes * 1e-6, color=SOFT, linewidth=1.2, linestyle=":", zorder=1)
        axes.annotate(
            f"cache\n{number_text(read.cache_bytes * 1e-6)} MB",
            (read.cache_bytes * 1e-6, axes.get_ylim()[0]),
            xytext=(-4, 6),
            textcoords="offset points",
            ha="right",
            color=SOFT,
            fontsize=11,
        )
    axes.set_xlabel("bytes moved, MB")
    axes.set_ylabel("GB/s")


def _scatter(axes: Axes, x: Floats, y: Floats, one: Assessment) -> None:
    n = len(x)
    # Drawn in a fixed random order, so that no kind of op covers the others.
    shown = np.random.default_rng(0).permutation(n)[:_MOST_POINTS]
    colors = np.array([_COLORS[name] for name in BOUNDS])[one.bound[shown]]
    axes.scatter(
        x[shown],
        y[shown],
        s=26 if n < _MANY else 6,
        c=colors,
        alpha=0.8 if n < _MANY else 0.45,
        linewidths=0,
        rasterized=n >= _MANY,
        zorder=3,
    )


def _facts(one: Assessment, peak: str, bandwidth_gb_s: float) -> list[str]:
    factors = one.calibration.factors
    facts = []
    if "compute" in factors:
        facts.append(f"{_interval(factors['compute'])} of the {peak}")
    if "memory" in factors:
        facts.append(f"{_interval(factors['memory'])} of {number_text(bandwidth_gb_s)} GB/s")
    if "overhead" in factors:
        facts.append(f"{factors['overhead'].value * 1e6:.2g} µs to launch")
    return facts


def _interval(factor: Estimate) -> str:
    half = 50 * (factor.high - factor.low)
    return f"{100 * factor.value:.1f} ± {half:.1g} %"


def _value(factor: Estimate | None) -> float:
    return 1.0 if factor is None else factor.value


def _ticks(axis: Axis) -> None:
    """Decades; over a short range 1, 2 and 5 of each."""
    log_axis(axis)
    low, high = axis.get_view_interval()
    if high < _SHORT_RANGE * low:
        axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))


def _draw_legend(figure: Figure, assessments: Sequence[Assessment]) -> None:
    used = {BOUNDS[code] for one in assessments for code in np.unique(one.bound).tolist()}
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=8, color=_COLORS[name], label=text)
        for name, text in _NAMES.items()
        if name in used
    ]
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(0.985, 0.985),
        ncols=2,
        columnspacing=1.4,
        handletextpad=0.3,
    )
