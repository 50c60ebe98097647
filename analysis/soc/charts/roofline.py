"""The roofline: peaks, memory levels, ridge points and operations on one pair of log axes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.soc.charts.label_placement import label_points
from analysis.soc.charts.style import (
    FAINT,
    INK,
    PALETTE,
    SOFT,
    log_axis,
    new_figure,
    style,
)
from analysis.soc.chip.precision import Precision
from analysis.soc.models.marker import Marker
from analysis.soc.numerals import number_text
from analysis.units import count

if TYPE_CHECKING:
    from analysis.soc.models.performance import PerformanceModel, Placement

MOST_NAMED_MARKERS = 12
"""Measured operations beyond this number are a cloud without names."""

_LEVEL_LINES = ("-", (0, (5, 2)), (0, (1.5, 1.8)))
_THICK_CLOUD = 2000
_FAR_BELOW = 0.001
"""Share of a thick cloud that may lie below the chart."""
_ROOM = 1.6
_LABEL_PIXELS = 48.0
"""Height that the name of a peak takes."""
_HALF_NAME = 150.0
"""Pixels along a line that half the name of its memory level takes."""
_ENOUGH_ROOM = 260.0
"""Pixels beyond which a name is far enough from every marker."""


def roofline_figure(
    model: PerformanceModel, precisions: Sequence[Precision], markers: Sequence[Marker] = ()
) -> Figure:
    """Draw a roofline.

    Parameters
    ----------
    model : PerformanceModel
        Whose.
    precisions : sequence of Precision
        Peaks to draw; the first is that of markers without a precision.
    markers : sequence of Marker, optional
        Operations; see `MOST_NAMED_MARKERS`.
    """
    placements = [model.place(marker, precisions[0]) for marker in markers]
    wanted = tuple(dict.fromkeys((*precisions, *(p.precision for p in placements))))
    shown = sorted(wanted, key=model.processor.peak_compute)  # equal peaks keep their order
    with style():
        figure, (axes,) = new_figure(f"Roofline of {model.title}", _subtitle(model, precisions[0]))
        axes.set(xscale="log", yscale="log")
        _set_limits(axes, model, shown, placements)
        colors = _colors(model, wanted)
        taken = _draw_peaks(axes, model, shown, colors)
        taken += _draw_ridge(axes, model, shown)
        _draw_levels(axes, model, shown)
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
        axes.set_xlabel("arithmetic intensity, flop/byte")
        axes.set_ylabel("TFLOPS")
        taken += _name_levels(axes, model, shown, placements)
        _draw_markers(axes, placements, colors, taken)
    return figure


def _subtitle(model: PerformanceModel, precision: Precision) -> str:
    level, bandwidth = next(iter(model.processor.memory_levels.items()))
    return (
        f"{precision} peak {number_text(model.processor.peak_compute(precision))} TFLOPS, "
        f"{level} {number_text(bandwidth)} GB/s: bound by compute from "
        f"{number_text(model.ridge_point(precision))} flop/byte on"
    )


def _colors(model: PerformanceModel, wanted: Sequence[Precision]) -> dict[Precision, str]:
    """Give each peak a colour; precisions of one peak share a line, and so its colour."""
    peaks = list(dict.fromkeys(model.processor.peak_compute(p) for p in wanted))
    return {p: PALETTE[peaks.index(model.processor.peak_compute(p)) % len(PALETTE)] for p in wanted}


def _set_limits(
    axes: Axes,
    model: PerformanceModel,
    shown: Sequence[Precision],
    placements: Sequence[Placement],
) -> None:
    ridges = [model.ridge_point(p, level) for p in shown for level in model.processor.memory_levels]
    intensities = [p.marker.intensity for p in placements]
    low = min([*ridges, *intensities]) / 4
    high = max([*ridges, *intensities]) * 25
    axes.set_xlim(low, high)
    peaks = [model.processor.peak_compute(p) for p in shown]
    bottom = model.attainable_tflops(shown[0], low)
    if placements:
        achieved = np.sort([p.achieved_tflops for p in placements])
        n_below = int(_FAR_BELOW * len(achieved)) if len(achieved) >= _THICK_CLOUD else 0
        bottom = min(bottom, float(achieved[n_below]) / _ROOM)
    axes.set_ylim(bottom, max(peaks) * 2.2)


def _draw_peaks(
    axes: Axes,
    model: PerformanceModel,
    shown: Sequence[Precision],
    colors: dict[Precision, str],
) -> list[Text]:
    """Draw the roof of each precision over the farthest level; name equal peaks once."""
    _, high = axes.get_xlim()
    taken: list[Text] = []
    groups = [(peak, list(same)) for peak, same in groupby(shown, model.processor.peak_compute)]
    places = _places(axes, [peak for peak, _ in groups])
    for (peak, same), (away, vertical) in zip(groups, places, strict=True):
        color = colors[same[0]]
        nearest = max(model.processor.memory_levels.values())
        start = peak / nearest * 1e3
        axes.plot([start, high], [peak, peak], color=color, zorder=3)
        text = axes.annotate(
            f"{', '.join(same)}  {number_text(peak)} TFLOPS",
            (high, peak),
            xytext=(-6, away),
            textcoords="offset points",
            ha="right",
            va=vertical,
            color=color,
            fontweight="bold",
        )
        text.set_in_layout(False)
        taken.append(text)
    return taken


def _places(axes: Axes, peaks: Sequence[float]) -> list[tuple[float, str]]:
    """Above each peak in ascending order, or below where the next one is too near."""
    axes.figure.figure.draw_without_rendering()
    heights = [float(axes.transData.transform((1.0, peak))[1]) for peak in peaks]
    gaps = np.diff([*heights, math.inf])
    return [(4, "bottom") if gap >= _LABEL_PIXELS else (-4, "top") for gap in gaps]


def _draw_levels(axes: Axes, model: PerformanceModel, shown: Sequence[Precision]) -> None:
    """Draw the line of each memory level up to the highest peak."""
    low, _ = axes.get_xlim()
    top = max(model.processor.peak_compute(p) for p in shown)
    for i, bandwidth in enumerate(model.processor.memory_levels.values()):
        x = np.array([low, top / bandwidth * 1e3])
        axes.plot(x, bandwidth * x * 1e-3, color=INK, linestyle=_LEVEL_LINES[i % 3], zorder=2)


def _name_levels(
    axes: Axes,
    model: PerformanceModel,
    shown: Sequence[Precision],
    placements: Sequence[Placement],
) -> list[Text]:
    """Name each memory level along its line, where the line is farthest from the markers."""
    axes.figure.figure.draw_without_rendering()
    low, high = axes.get_xlim()
    lowest_peak = min(model.processor.peak_compute(p) for p in shown)
    to_pixels = axes.transData.transform
    points = np.array(
        to_pixels([(p.marker.intensity, p.achieved_tflops) for p in placements])
        if placements
        else np.empty((0, 2))
    )
    dx, dy = to_pixels((high, high)) - to_pixels((low, low))
    names: list[Text] = []
    for level, bandwidth in model.processor.memory_levels.items():
        start = max(low, axes.get_ylim()[0] / bandwidth * 1e3)
        x = start * (lowest_peak / bandwidth * 1e3 / start) ** np.linspace(0.25, 0.75, 11)
        line = to_pixels(np.column_stack([x, bandwidth * x * 1e-3]))
        from_edge = np.linalg.norm(line - to_pixels((start, bandwidth * start * 1e-3)), axis=1)
        is_inside = from_edge > _HALF_NAME
        if is_inside.any():
            x, line = x[is_inside], line[is_inside]
        distances = np.linalg.norm(line[:, None, :] - points[None, :, :], axis=2)
        room = np.minimum(distances.min(axis=1, initial=np.inf), _ENOUGH_ROOM)
        at = x[int(room.argmax())]
        name = axes.annotate(
            f"{level}  {number_text(bandwidth)} GB/s",
            (at, bandwidth * at * 1e-3),
            xytext=(-5 * dy / math.hypot(dx, dy), 5 * dx / math.hypot(dx, dy)),
            textcoords="offset points",
            rotation=math.degrees(math.atan2(dy, dx)),
            rotation_mode="anchor",
            ha="center",
            va="bottom",
            color=INK,
            fontweight="bold",
        )
        name.set_in_layout(False)
        names.append(name)
    return names


def _draw_ridge(axes: Axes, model: PerformanceModel, shown: Sequence[Precision]) -> list[Text]:
    """Mark where each peak meets the farthest level, with its intensity at the axis."""
    taken: list[Text] = []
    seen: set[float] = set()
    bottom = axes.get_ylim()[0]
    for precision in shown:
        ridge = model.ridge_point(precision)
        if ridge in seen:
            continue
        seen.add(ridge)
        peak = model.processor.peak_compute(precision)
        axes.plot([ridge, ridge], [bottom, peak], color=FAINT, linewidth=1, zorder=1)
        axes.plot(
            ridge, peak, "o", color="white", markeredgecolor=INK, markeredgewidth=1.6, zorder=4
        )
        text = axes.annotate(
            number_text(ridge),
            (ridge, bottom),
            xytext=(4, 5),
            textcoords="offset points",
            color=SOFT,
            fontsize=11,
        )
        text.set_in_layout(False)
        taken.append(text)
    return taken


def _draw_measured(axes: Axes, measured: Sequence[Placement], n_colors_taken: int) -> None:
    """Draw measured operations; many in a mixed order, so that no group covers the others."""
    groups = Counter(p.marker.group for p in measured)
    color_of = {
        group: PALETTE[(n_colors_taken + i) % len(PALETTE)]
        for i, group in enumerate(sorted(groups))
    }
    is_cloud = len(measured) > MOST_NAMED_MARKERS
    drawn = [measured[i] for i in np.random.default_rng(0).permutation(len(measured))]
    axes.scatter(
        [p.marker.intensity for p in drawn],
        [p.achieved_tflops for p in drawn],
        s=56 if not is_cloud else 12 if len(drawn) < _THICK_CLOUD else 3,
        alpha=0.5 if is_cloud else 1.0,
        c=[color_of[p.marker.group] for p in drawn],
        linewidths=0,
        zorder=5,
        rasterized=len(drawn) >= _THICK_CLOUD,
    )
    for group, color in color_of.items():
        label = f"{group or 'measured'} ({count(groups[group])})"
        axes.scatter([], [], s=12, color=color, label=label)


def _draw_markers(
    axes: Axes,
    placements: Sequence[Placement],
    colors: dict[Precision, str],
    taken: list[Text],
) -> None:
    # The faint lines of the ridge points may be written over.
    roofs = [line for line in axes.get_lines() if line.get_color() not in {FAINT, "white"}]
    measured = [p for p in placements if p.efficiency is not None]
    thought = [p for p in placements if p.efficiency is None]
    _draw_measured(axes, measured, len(set(colors.values())))
    for p in thought:
        axes.plot(
            p.marker.intensity,
            p.attainable_tflops,
            "D",
            color=colors[p.precision],
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=1.2,
            zorder=6,
        )
    if len(measured) > MOST_NAMED_MARKERS:
        axes.legend(loc="lower right", markerscale=2.5)
    named = thought + (measured if len(measured) <= MOST_NAMED_MARKERS else [])
    label_points(
        axes,
        [(p.marker.intensity, p.achieved_tflops) for p in named],
        [_name(p) for p in named],
        color=INK,
        taken=taken,
        lines=roofs,
    )


def _name(placement: Placement) -> str:
    share = placement.efficiency
    if share is None or not math.isfinite(share):
        return placement.marker.name
    return f"{placement.marker.name}  {100 * share:.0f} %"
