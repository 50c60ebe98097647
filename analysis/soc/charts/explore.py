"""What an exploration found: the cloud of designs, its front, and what the front is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from analysis.soc.charts.names import label_of
from analysis.soc.charts.style import (
    ACCENT,
    FAINT,
    INK,
    SOFT,
    WARNING,
    new_figure,
    style,
)
from analysis.soc.chip.designs import TARGET_DENSITY_TFLOPS_MM2, TARGET_POWER_W
from analysis.soc.explore.exploration import Design, Exploration
from analysis.soc.explore.metrics import Goal, unit_of
from analysis.soc.numerals import number_text
from analysis.units import duration_text, prefixed

TARGETS: Mapping[str, float] = {
    "density_tflops_mm2": TARGET_DENSITY_TFLOPS_MM2,
    "total_power_w": TARGET_POWER_W,
}
_MOST_LINES = 200
_ROOM = 0.06
_DASHES = (0, (4, 3))
_PANEL_CHARACTERS = 62
_MOST_SIDE_BY_SIDE = 7
_LONG = 1e5


def explore_figure(found: Exploration, title: str, subtitle: str, axes: list[str]) -> Figure:
    """Draw the first two goals of all designs, and the parameters of those on the front.

    Parameters
    ----------
    found : Exploration
        What is drawn; its question has at least two goals.
    title, subtitle : str
        Headline, and under which conditions.
    axes : list of str
        Parameters of the space.
    """
    with style():
        figure, (left, right) = new_figure(title, subtitle, n_columns=2, width_ratios=(1, 1.08))
        _draw_cloud(left, found)
        varied = [name for name in axes if found.front is not None and np.ptp(found.front[name])]
        _draw_front(right, found, varied)
    return figure


def _draw_cloud(axes: Axes, found: Exploration) -> None:
    x, y = found.question.goals[:2]
    values, feasible = found.sample.values[:, :2], found.sample.is_feasible
    known = np.isfinite(values).all(axis=1)
    for mask, color, label in (
        (known & ~feasible, FAINT, "breaks a constraint"),
        (known & feasible, ACCENT, "feasible"),
    ):
        axes.scatter(
            values[mask, 0],
            values[mask, 1],
            s=5,
            color=color,
            alpha=0.35,
            linewidths=0,
            rasterized=True,
            label=label,
        )
    if found.front is not None:
        is_line = len(found.question.goals) == 2
        order = np.argsort(found.front[x.name], kind="stable")
        axes.plot(
            found.front[x.name][order],
            found.front[y.name][order],
            "-o" if is_line else "o",
            color=WARNING,
            markersize=5 if found.front.n <= _MOST_LINES else 3,
            linewidth=1.8,
            label=f"Pareto front, {found.front.n:,} designs",
        )
    if found.best is not None:
        axes.plot(
            found.best[x.name],
            found.best[y.name],
            "*",
            markersize=20,
            color=INK,
            markeredgecolor="white",
            label=_best_text(found.best, x, y),
        )
    for goal, draw in ((x, axes.axvline), (y, axes.axhline)):
        if goal.name in TARGETS:
            draw(TARGETS[goal.name], color=SOFT, linewidth=1.2, linestyle=_DASHES, zorder=0)
    axes.set(xlabel=_axis_text(x), ylabel=_axis_text(y))
    axes.set_title("Designs and Pareto front")
    _write_legend(axes, has_target=not {x.name, y.name}.isdisjoint(TARGETS))
    for axis, goal in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_major_formatter(FuncFormatter(partial(_tick_text, goal.name)))


def _write_legend(axes: Axes, *, has_target: bool) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if has_target:
        handles.append(Line2D([], [], color=SOFT, linewidth=1.2, linestyle=_DASHES))
        labels.append("target")
    # Below the panel: a cloud leaves no room inside.
    legend = axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0, -0.11), ncols=2, borderpad=0
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_alpha(1)
            handle.set_sizes([36])


def _best_text(best: Design, x: Goal, y: Goal) -> str:
    units = ["" if _is_time(goal.name) else f" {unit_of(goal.name)}" for goal in (x, y)]
    values = [_value_text(goal.name, best[goal.name]) for goal in (x, y)]
    return f"best: {values[0]}{units[0]}, {values[1]}{units[1]}"


def _axis_text(goal: Goal) -> str:
    better = "more" if goal.sense > 0 else "less"
    return f"{label_of(goal.name)}   ({better} is better)"


def _draw_front(axes: Axes, found: Exploration, names: list[str]) -> None:
    """One line per design of the front over parallel scales, coloured by the first goal."""
    front, goals = found.front, found.question.goals
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title("What the front is made of")
    scales = [*names, *(goal.name for goal in goals)]
    axes.set_xlim(-0.4, len(scales) - 0.6)
    axes.set_ylim(-_ROOM, 1 + 2 * _ROOM)
    axes.set_yticks([])
    axes.set_xticks(range(len(scales)), _scale_names(scales))
    axes.tick_params(length=0, labelsize=11)
    if front is None:
        axes.text(0.5, 0.5, "no feasible design", transform=axes.transAxes, ha="center", color=SOFT)
        return
    shown = np.unique(np.linspace(0, front.n - 1, min(front.n, _MOST_LINES)).astype(int))
    heights = np.stack([_share(np.asarray(front[name]))[shown] for name in scales])
    first = _share(np.asarray(front[goals[0].name]))[shown]
    colors = _ramp(first)
    for line, color in zip(heights.T, colors, strict=True):
        axes.plot(range(len(scales)), line, color=color, linewidth=1.3, alpha=0.55)
    if found.best is not None:
        best = [_share_of(found.best[name], np.asarray(front[name])) for name in scales]
        axes.plot(range(len(scales)), best, color=INK, linewidth=2.6)
    for at, name in enumerate(scales):
        axes.axvline(at, color=FAINT, linewidth=0.8, zorder=0)
        low, high = float(front[name].min()), float(front[name].max())
        ends = ((0.0, low, "top", -0.015), (1.0, high, "bottom", 0.015))
        for height, value, vertical, away in ends if high > low else ends[:1]:
            axes.text(
                at,
                height + away,
                _value_text(name, value),
                ha="center",
                va=vertical,
                color=SOFT,
                fontsize=11,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )


def _scale_names(scales: list[str]) -> list[str]:
    """Names broken into lines; where there are many, every other one is lower."""
    room = max(_PANEL_CHARACTERS // len(scales), 5)
    texts = [textwrap.fill(label_of(name), room, break_long_words=False) for name in scales]
    if len(scales) <= _MOST_SIDE_BY_SIDE:
        return texts
    lower = "\n" * max(text.count("\n") + 1 for text in texts[::2])
    return [lower * (i % 2) + text for i, text in enumerate(texts)]


def _is_time(name: str) -> bool:
    return unit_of(name) == "ns"


def _value_text(name: str, value: float, n_digits: int = 3) -> str:
    """Write a value as short as a scale needs it; times with a unit that fits."""
    if _is_time(name):
        return duration_text(value, n_digits) if value else "0"
    return number_text(value) if abs(value) < _LONG else prefixed(value)


def _tick_text(name: str, value: float, _position: int | None) -> str:
    return _value_text(name, value, n_digits=2)


def _share(values: np.ndarray) -> np.ndarray:
    span = np.ptp(values)
    return (values - values.min()) / span if span else np.zeros(len(values))


def _share_of(value: float, values: np.ndarray) -> float:
    span = float(np.ptp(values))
    return float(np.clip((value - values.min()) / span, 0, 1)) if span else 0.0


def _ramp(shares: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    colors: np.ndarray = colormaps["cividis"](0.1 + 0.8 * shares)
    return colors
