"""The charts of a report: pure functions from numbers to inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import svg
from analysis.linear import LinearFit
from analysis.report_facts import CardFacts
from analysis.svg import MARGIN_BOTTOM, MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP
from analysis.units import prefixed, significant, time_span, time_unit

Floats = npt.NDArray[np.float64]

MOST_DOTS = 500
"""Points drawn per group; larger groups are thinned evenly along the size."""

_NINES = 6
_BINS_PER_NINE = 4
_SMALLEST_ERROR = 1e-5
_N_SLOTS = 160


def r2_histogram(r2: Floats, width: float = 520, height: float = 260) -> str:
    """Draw how many groups have which R², on a scale that gives each further nine the same room."""
    # -log10(1 - R²): 0.9 -> 1, 0.99 -> 2 ...; the last bin takes everything beyond.
    nines = np.clip(-np.log10(np.maximum(1.0 - r2, 10.0**-_NINES)), 0, _NINES - 1e-9)
    counts, edges = np.histogram(nines, bins=_NINES * _BINS_PER_NINE, range=(0, _NINES))
    names = ["0", *(f"{1 - 10.0**-k:.{k}f}" for k in range(1, _NINES)), "1"]
    x = svg.Scale(0, _NINES, MARGIN_LEFT, width - MARGIN_RIGHT, tuple(enumerate(names)))
    y = _count_scale(int(counts.max(initial=1)), height)
    bars = [
        svg.bar(
            x(low) + 0.75,
            y(count),
            x(high) - x(low) - 1.5,
            y(0) - y(count),
            "mark",
            hint=f"{count} groups with R² from {1 - 10.0**-low:.6g} to {1 - 10.0**-high:.6g}",
        )
        for count, low, high in zip(counts.tolist(), edges[:-1], edges[1:], strict=True)
        if count
    ]
    content = svg.frame(x, y, "R² (each step: ten times less unexplained)", "groups")
    median = float(np.median(nines))
    content += "".join(bars) + _marker(x(median), y, f"median {significant_r2(np.median(r2))}")
    return svg.picture(width, height, "Histogram of R² over the groups", content)


def _count_scale(largest: int, height: float) -> svg.Scale:
    step = max(1.0, svg.nice_step(largest, 4))
    top = step * math.ceil(largest / step)
    ticks = tuple((i * step, prefixed(i * step)) for i in range(round(top / step) + 1))
    # Above the bars is room for the text of a marker.
    return svg.Scale(0, top, height - MARGIN_BOTTOM, MARGIN_TOP + 20, ticks)


def significant_r2(r2: float) -> str:
    """Write R² with two digits after its nines, at least three in all, such as ``0.99965``."""
    if r2 >= 1 - 1e-9:
        return "1"
    n_nines = max(0, math.floor(-math.log10(1 - r2))) if r2 > 0 else 0
    return f"{r2:.{max(3, n_nines + 2)}f}"


def _marker(at: float, y: svg.Scale, label: str) -> str:
    anchor = "end" if at > MARGIN_LEFT + 120 else "start"
    shift = -5 if anchor == "end" else 5
    return (
        f'<line class="marker" x1="{at:.1f}" x2="{at:.1f}" y1="{y.start:.1f}" '
        f'y2="{y.stop - 14:.1f}"/>' + svg.text(at + shift, y.stop - 7, label, "note", anchor)
    )


def error_distribution(
    errors: Mapping[str, Floats], width: float = 520, height: float = 260
) -> str:
    """Draw the share of groups with at most a relative error, one step line per measure."""
    known = {
        name: np.sort(np.maximum(values, _SMALLEST_ERROR))
        for name, values in errors.items()
        if len(values)
    }
    low = min(float(values[0]) for values in known.values())
    high = max(float(values[-1]) for values in known.values())
    x = svg.log_scale(low, high, MARGIN_LEFT, width - MARGIN_RIGHT, _percent_tick)
    ticks = tuple((share / 4, f"{25 * share} %") for share in range(5))
    y = svg.Scale(0, 1, height - MARGIN_BOTTOM, MARGIN_TOP + 8, ticks)
    lines = []
    for number, values in enumerate(known.values()):
        n = len(values)
        # At most about 300 steps, whatever the number of groups.
        kept = np.unique(np.linspace(0, n - 1, min(n, 300)).astype(int))
        corners = [(x(float(values[kept[0]])), y(0))]
        for i in kept.tolist():
            corners += [
                (x(float(values[i])), corners[-1][1]),
                (x(float(values[i])), y((i + 1) / n)),
            ]
        corners.append((x.stop, y(1)))
        lines.append(svg.polyline(corners, f"line line{number}"))
    content = svg.frame(x, y, "relative error of a group (logarithmic)", "share of groups")
    return svg.picture(width, height, "Distribution of relative errors", content + "".join(lines))


def _percent_tick(value: float) -> str:
    return f"{100 * value:g} %"


def group_panel(
    sizes: Floats, durations_ns: Floats, fit: LinearFit, size_name: str, label: str
) -> str:
    """Draw the points of one group and its line."""
    width, height = 360.0, 240.0
    scale, unit = time_unit(float(np.max(durations_ns)))
    y_values = durations_ns / scale
    ends = [fit.predict_ns(float(size)) / scale for size in (sizes.min(), sizes.max())]
    low, high = min(0.0, float(y_values.min()), *ends), max(float(y_values.max()), *ends)
    x = svg.linear_scale(*_range_from_zero(sizes), MARGIN_LEFT, width - MARGIN_RIGHT, prefixed)
    y = svg.linear_scale(low, high, height - MARGIN_BOTTOM, MARGIN_TOP, significant_tick)
    order = np.argsort(sizes, kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_DOTS)).astype(int))]
    points = [(x(float(sizes[i])), y(float(y_values[i]))) for i in shown]
    line = [
        (x(float(size)), y(end)) for size, end in zip((sizes.min(), sizes.max()), ends, strict=True)
    ]
    content = svg.frame(x, y, size_name, f"duration in {unit}")
    content += svg.dots(points, "dots") + svg.polyline(line, "fit")
    return svg.picture(width, height, label, content)


def _range_from_zero(sizes: Floats) -> tuple[float, float]:
    """Start at 0 unless the sizes are far from it compared with their spread."""
    low, high = float(sizes.min()), float(sizes.max())
    return (0.0, high) if low < 2 * (high - low) else (low, high)


def significant_tick(value: float) -> str:
    """Write a tick label without trailing zeros."""
    return f"{value:.6g}"


def activity(
    cards: Sequence[CardFacts], incidents: Sequence[Mapping[str, Any]], begin: float, end: float
) -> str:
    """Draw when each card was at work, with a mark per incident."""
    width, lane = 1080.0, 26.0
    left = 20.0 + 7.0 * max(len(card.card) for card in cards)
    height = lane * len(cards) + MARGIN_BOTTOM
    span = max(end - begin, 1e-3)
    bottom = lane * len(cards) + 4
    x = svg.Scale(0, span, left, width - MARGIN_RIGHT, _span_ticks(span))
    parts = []
    for row, card in enumerate(cards):
        top = 4 + row * lane
        parts.append(svg.text(left - 8, top + lane / 2 + 3, card.card, "tick", "end"))
        parts.append(svg.bar(left, top + 3, x.stop - left, lane - 8, "lane"))
        for start, share in enumerate(_busy(card, begin, span)):
            if share > 0:
                slot = (x.stop - left) / _N_SLOTS
                parts.append(
                    f'<rect class="busy" style="opacity:{0.25 + 0.75 * share:.2f}" '
                    f'x="{left + start * slot:.2f}" y="{top + 3:.1f}" width="{slot + 0.3:.2f}" '
                    f'height="{lane - 8:.1f}"/>'
                )
        parts += [
            f'<circle class="incident" cx="{x(at):.1f}" cy="{top + lane / 2 - 1:.1f}" r="4.5">'
            f"<title>{escape(hint)}</title></circle>"
            for at, hint in _incident_marks(card.card, incidents, begin)
            if 0 <= at <= span
        ]
    for value, label in x.ticks:
        parts.append(svg.text(x(value), bottom + 14, label, "tick", "middle"))
    started = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    parts.append(
        svg.text((left + x.stop) / 2, bottom + 32, f"time since {started}", "title", "middle")
    )
    return svg.picture(width, height, "Activity of the cards over time", "".join(parts))


def _span_ticks(span: float) -> tuple[tuple[float, str], ...]:
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200)
    longest = 86400.0 * math.ceil(span / 86400 / 8)
    step: float = next((s for s in steps if span / s <= 8), longest)
    if span < 2:
        step = svg.nice_step(span, 5)
    return tuple((i * step, _elapsed(i * step)) for i in range(int(span / step) + 1))


def _elapsed(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s" if seconds else "0"
    return time_span(seconds).replace(" 00 s", "").replace(" 00 min", "")


def _busy(card: CardFacts, begin: float, span: float) -> list[float]:
    """Share of each slot of the time axis in which the card was at work."""
    edges = np.linspace(0, span, _N_SLOTS + 1)
    starts = np.array([start - begin for start, _, _ in card.spans])
    ends = np.array([end - begin for _, end, _ in card.spans])
    # Time at work before t, summed over the chunks: differences of it are the time in each slot.
    before = [
        float(np.sum(np.clip(edge, starts, np.maximum(starts, ends)) - starts)) for edge in edges
    ]
    return [float(v) for v in np.clip(np.diff(before) / (span / _N_SLOTS), 0, 1)]


def _incident_marks(
    card: str, incidents: Sequence[Mapping[str, Any]], begin: float
) -> list[tuple[float, str]]:
    marks = []
    for incident in incidents:
        if incident.get("card") != card:
            continue
        try:
            at = datetime.fromisoformat(str(incident.get("time"))).timestamp() - begin
        except ValueError:
            continue
        marks.append((at, f"{incident.get('kind', '')}: {incident.get('message', '')}"))
    return marks


def share_bar(parts: Sequence[tuple[str, int, str]]) -> str:
    """Draw a stacked bar of (name, count, class) over the whole width."""
    total = sum(count for _, count, _ in parts) or 1
    at, drawn = 0.0, []
    for name, count, kind in parts:
        width = 1000 * count / total
        # A sliver of one vector among millions must still be seen.
        hint = f"{name}: {count} ({significant(100 * count / total)} %)"
        drawn.append(svg.bar(at, 0, max(width, 2.0) if count else 0, 18, kind, hint=hint))
        at += width
    return (
        '<svg class="share" viewBox="0 0 1000 18" preserveAspectRatio="none" role="img" '
        f'aria-label="Vectors by status">{"".join(drawn)}</svg>'
    )
