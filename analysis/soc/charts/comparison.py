"""Chips side by side: four panels of bars."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.soc.charts.style import (
    ACCENT,
    FAINT,
    INK,
    SOFT,
    WARNING,
    linear_axis,
    new_figure,
    style,
)
from analysis.soc.chip.designs import TARGET_DENSITY_TFLOPS_MM2, TARGET_POWER_W
from analysis.soc.chip.precision import Precision
from analysis.soc.models.comparison import Comparison, Entry
from analysis.soc.numerals import number_text

_PANELS: dict[str, str] = {
    "peak_tflops": "Peak, TFLOPS",
    "density_tflops_mm2": "Density, TFLOPS per mm²",
    "power_w": "Power, W",
    "tflops_per_w": "TFLOPS per W",
}
_PUBLISHED = "#7a8794"


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw a comparison.

    Parameters
    ----------
    comparison : Comparison
        At most about a dozen chips are legible.
    """
    entries = comparison.entries[::-1]
    with style():
        figure, axes = new_figure(
            f"{len(entries)} chips, {comparison.precision} dense",
            f"blue: modelled, {comparison.semantics} power at full load; grey: published, design "
            f"power; red: hotter than allowed; dashes: targets",
            n_rows=2,
            n_columns=2,
            sharey=True,
        )
        targets = _targets(comparison.precision)
        for panel, (metric, title) in zip(axes, _PANELS.items(), strict=True):
            _draw(panel, entries, metric, targets.get(metric))
            panel.set_title(title)
    return figure


def _targets(precision: Precision) -> dict[str, float]:
    targets = {"power_w": TARGET_POWER_W}
    if precision is Precision.FP16:
        targets["density_tflops_mm2"] = TARGET_DENSITY_TFLOPS_MM2
    return targets


def _draw(axes: Axes, entries: tuple[Entry, ...], metric: str, target: float | None) -> None:
    values = [getattr(entry, metric) for entry in entries]
    positions = range(len(entries))
    axes.barh(
        positions, [value or 0 for value in values], color=[_color(e) for e in entries], height=0.62
    )
    axes.set_yticks(positions, [entry.name for entry in entries])
    for position, entry, value in zip(positions, entries, values, strict=True):
        axes.annotate(
            _text(entry, value),
            (value or 0, position),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=FAINT if value is None else INK,
            fontsize=11,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )
    if target is not None:
        axes.axvline(target, color=SOFT, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1.5)
    largest = max([value for value in values if value is not None] + [target or 0])
    axes.set_xlim(0, 1.16 * largest if largest else 1)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    linear_axis(axes.xaxis)


def _color(entry: Entry) -> str:
    if entry.is_published:
        return _PUBLISHED
    return WARNING if entry.is_too_hot else ACCENT


def _text(entry: Entry, value: float | None) -> str:
    if value is not None:
        return number_text(value)
    return "not published" if entry.is_published else "thermal runaway"
