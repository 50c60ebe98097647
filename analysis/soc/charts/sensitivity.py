"""Tornado of single parameters, and Sobol indices with their interactions."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.soc.charts.names import headline, short_label
from analysis.soc.charts.style import ACCENT, INK, SOFT, WARNING, new_figure, style
from analysis.soc.explore.metrics import unit_of
from analysis.soc.explore.sensitivity import Sensitivity
from analysis.soc.explore.sobol import SobolIndices
from analysis.soc.numerals import number_text

MOST_METRICS = 3
_BAR = 0.56
_HALF_BAR = 0.36
_ROOM_LEFT, _ROOM_RIGHT = 0.22, 0.25
_HEADROOM = 1.06
_LINE_CHARACTERS = 11


def tornado_figure(effects: Sequence[Sensitivity], title: str, subtitle: str) -> Figure:
    """Draw what each metric does over the range of each parameter, the widest bar on top.

    Parameters
    ----------
    effects : Sequence of Sensitivity
        Metric by metric, the largest effect first.
    title, subtitle : str
        Headline, and under which conditions.
    """
    metrics = list(dict.fromkeys(effect.metric for effect in effects))[:MOST_METRICS]
    with style():
        figure, panels = new_figure(title, subtitle, n_columns=len(metrics))
        for axes, metric in zip(panels, metrics, strict=True):
            _draw_tornado(axes, [effect for effect in effects if effect.metric == metric])
        ends = [
            Patch(color=WARNING, label="low end of its range"),
            Patch(color=ACCENT, label="high end"),
        ]
        panels[0].legend(handles=ends, loc="lower right")
    return figure


def _draw_tornado(axes: Axes, effects: Sequence[Sensitivity]) -> None:
    base, unit = effects[0].at_base, unit_of(effects[0].metric)
    widest = max(abs(y / base - 1) for e in effects for y in (e.at_low, e.at_high))
    for row, effect in enumerate(effects):
        ends = ((effect.low, effect.at_low, WARNING), (effect.high, effect.at_high, ACCENT))
        # Where both ends lie on one side of the chip, the longer bar goes below the shorter.
        for x, y, color in sorted(ends, key=lambda end: -abs(end[1] - base)):
            share = y / base - 1
            axes.barh(row, 100 * share, height=_BAR, color=color)
            if share:
                side = np.sign(share)
                axes.annotate(
                    number_text(x),
                    (100 * share, row),
                    xytext=(5 * side, 0),
                    textcoords="offset points",
                    ha="left" if side > 0 else "right",
                    va="center",
                    color=INK,
                    fontsize=11,
                )
    axes.set_yticks(
        range(len(effects)),
        [f"{short_label(e.parameter)}\nnormalised {e.normalised:+.2f}" for e in effects],
    )
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=1.2)
    lowest = min(min(e.at_low, e.at_high) for e in effects) / base - 1
    highest = max(max(e.at_low, e.at_high) for e in effects) / base - 1
    axes.set_xlim(
        100 * (min(lowest, 0) - _ROOM_LEFT * widest), 100 * (max(highest, 0) + _ROOM_RIGHT * widest)
    )
    axes.set_xlabel(f"change in %, from {number_text(base)} {unit}".rstrip())
    axes.set_title(headline(effects[0].metric))
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def sobol_figure(found: Sequence[SobolIndices], title: str, subtitle: str) -> Figure:
    """Draw first-order and total indices of each metric, and the interactions below.

    Parameters
    ----------
    found : Sequence of SobolIndices
        One per metric.
    title, subtitle : str
        Headline, and under which conditions.
    """
    shown = found[:MOST_METRICS]
    with style():
        figure, panels = new_figure(
            title, subtitle, 2, len(shown), height_ratios=(1, 1.05), sharey="row"
        )
        for i, indices in enumerate(shown):
            _draw_indices(panels[i], indices)
            _draw_pairs(panels[len(shown) + i], indices)
        # The panels of a row share their scale.
        highest = max(float((i.total + i.total_margin).max()) for i in shown)
        panels[0].set_ylim(0, _HEADROOM * highest)
        panels[0].legend(loc="upper right")
    return figure


def _draw_indices(axes: Axes, indices: SobolIndices) -> None:
    at = np.arange(len(indices.parameters))
    bars = (
        (-_HALF_BAR / 2, indices.first, indices.first_margin, ACCENT, "first order"),
        (_HALF_BAR / 2, indices.total, indices.total_margin, WARNING, "total"),
    )
    for away, values, margins, color, label in bars:
        axes.bar(
            at + away,
            values,
            _HALF_BAR,
            yerr=margins,
            color=color,
            label=label,
            error_kw={"ecolor": INK, "elinewidth": 1.3, "capsize": 3},
        )
    axes.set_xticks(at, [_wrapped(name) for name in indices.parameters])
    axes.set_title(f"{headline(indices.metric)}: share of variance")
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="x")


def _draw_pairs(axes: Axes, indices: SobolIndices) -> None:
    """Interactions as a triangle; faint where the interval holds 0."""
    n = len(indices.parameters)
    ramp = LinearSegmentedColormap.from_list("interactions", ("#ffffff", ACCENT))
    strength = np.clip(indices.second.T, 0, None)
    strongest = max(float(np.nanmax(strength)), 0.05)
    axes.imshow(strength, cmap=ramp, vmin=0, vmax=2.5 * strongest, aspect="auto")
    for i, j in itertools.combinations(range(n), 2):
        index, margin = float(indices.second[i, j]), float(indices.second_margin[i, j])
        is_known = abs(index) > margin
        axes.text(
            i,
            j,
            f"{index:.3f}\n±{margin:.3f}",
            ha="center",
            va="center",
            fontsize=11,
            color=INK if is_known else SOFT,
            fontweight="bold" if is_known else "normal",
        )
    axes.set_xlim(-0.5, n - 1.5)
    axes.set_ylim(n - 0.5, 0.5)
    axes.set_xticks(range(n - 1), [_wrapped(name) for name in indices.parameters[:-1]])
    axes.set_yticks(range(1, n), [_wrapped(name) for name in indices.parameters[1:]])
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_title("interactions (grey: not told apart from 0)", color=SOFT, fontsize=12.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _wrapped(name: str) -> str:
    return textwrap.fill(short_label(name), _LINE_CHARACTERS, break_long_words=False)
