"""Panels of a scaling study: what grows, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.soc.charts.names import label_of, short_label
from analysis.soc.charts.style import (
    ACCENT,
    INK,
    SOFT,
    WARNING,
    linear_axis,
    new_figure,
    style,
)
from analysis.soc.chip.designs import TARGET_POWER_W
from analysis.soc.models.scaling import ScalingStudy
from analysis.soc.models.summary import Summary

_PANELS = {
    "peak_tflops": "Peak, TFLOPS",
    "power_w": "Power at full load, W",
    "tflops_per_w": "TFLOPS per W",
}
_MORE_PANELS = {"density_tflops_mm2": "TFLOPS per mm²"}


def scaling_figure(studies: Sequence[ScalingStudy]) -> Figure:
    """Draw one study as four panels, or several as one column of three panels each.

    Parameters
    ----------
    studies : sequence of ScalingStudy
        Of one chip.
    """
    first = studies[0]
    names = " and ".join(short_label(s.key) for s in studies)
    with style():
        if len(studies) == 1:
            figure, axes = new_figure(
                f"Scaling {first.soc.name}: {names}", _subtitle(first), n_rows=2, n_columns=2
            )
            for panel, (metric, title) in zip(axes, (_PANELS | _MORE_PANELS).items(), strict=True):
                _draw(panel, first, metric)
                _from_zero(panel, studies, metric)
                panel.set_title(title)
                panel.set_xlabel(label_of(first.key))
            return figure
        figure, axes = new_figure(
            f"Scaling {first.soc.name}",
            _subtitle(first),
            n_rows=len(_PANELS),
            n_columns=len(studies),
            sharex="col",
            sharey="row",
        )
        for i, (metric, title) in enumerate(_PANELS.items()):
            for j, study in enumerate(studies):
                panel = axes[i * len(studies) + j]
                _draw(panel, study, metric)
                _from_zero(panel, studies, metric)
                if j == 0:
                    panel.set_title(title)
                if i == len(_PANELS) - 1:
                    panel.set_xlabel(label_of(study.key), color=INK)
    return figure


def _subtitle(study: ScalingStudy) -> str:
    precision = study.summaries[0].precision
    return f"{precision}, one parameter at a time; ring: as configured; red: too hot or runaway"


def _draw(axes: Axes, study: ScalingStudy, metric: str) -> None:
    values = np.array(study.values, dtype=float)
    column = np.array([_value(summary, metric) for summary in study.summaries])
    hot = np.array([summary.is_too_hot for summary in study.summaries])
    axes.plot(values, column, "-", color=ACCENT)
    axes.plot(values[~hot], column[~hot], "o", color=ACCENT, markersize=6)
    axes.plot(values[hot], column[hot], "X", color=WARNING, markersize=9)
    here = values == study.soc.value(study.key)
    axes.plot(
        values[here],
        column[here],
        "o",
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.6,
        markersize=13,
    )
    if metric == "power_w":
        axes.axhline(TARGET_POWER_W, color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"{TARGET_POWER_W:.0f} W",
            (0, TARGET_POWER_W),
            xycoords=("axes fraction", "data"),
            xytext=(6, 4),
            textcoords="offset points",
            color=SOFT,
            fontsize=11,
        )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=_is_whole(study.values)))
    linear_axis(axes.xaxis)
    linear_axis(axes.yaxis)


def _from_zero(axes: Axes, studies: Sequence[ScalingStudy], metric: str) -> None:
    """Scale an axis from zero, with room above the largest value of all studies."""
    column = [_value(summary, metric) for study in studies for summary in study.summaries]
    largest = float(np.nanmax(column)) if np.isfinite(column).any() else 1.0
    axes.set_ylim(0, 1.15 * largest)


def _is_whole(values: Sequence[float]) -> bool:
    """Whether all values are whole numbers."""
    return all(float(value).is_integer() for value in values)


def _value(summary: Summary, metric: str) -> float:
    value = getattr(summary, metric)
    return float("nan") if value is None else float(value)
