"""Plots as inline SVG: axes with readable ticks, in colours that the page's style sheet sets.

Nothing is drawn with a colour of its own: classes (``axis``, ``grid``, ``mark`` ...) let one plot
serve light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

MARGIN_LEFT = 56.0
MARGIN_RIGHT = 14.0
MARGIN_TOP = 12.0
MARGIN_BOTTOM = 42.0

Label = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """Maps values to positions.

    Attributes
    ----------
    low, high : float
        Values at the ends.
    start, stop : float
        Positions of the ends.
    ticks : tuple of (float, str)
        Values with their labels.
    is_log : bool
        Whether positions follow the logarithm.
    """

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[tuple[float, str], ...] = ()
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a value."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.stop - self.start)


def nice_step(span: float, n_wanted: int) -> float:
    """Choose a step of 1, 2 or 5 times a power of ten for about that many ticks."""
    rough = span / max(1, n_wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def linear_scale(low: float, high: float, start: float, stop: float, label: Label) -> Scale:
    """Scale from `low` to the first tick from `high` on; an empty range is widened."""
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    step = nice_step(high - low, 4)
    first, last = math.ceil(low / step - 1e-9), math.ceil(high / step - 1e-9)
    values = [step * i for i in range(first, last + 1)]
    return Scale(low, values[-1], start, stop, tuple((v, label(v)) for v in values))


def log_scale(low: float, high: float, start: float, stop: float, label: Label) -> Scale:
    """Scale over a range of positive values widened to whole decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    values = [10.0**i for i in range(first, last + 1)]
    ticks = tuple((v, label(v)) for v in values)
    return Scale(values[0], values[-1], start, stop, ticks, is_log=True)


def frame(x: Scale, y: Scale, x_title: str, y_title: str) -> str:
    """Draw grid lines, tick labels and axis titles."""
    left, right = min(x.start, x.stop), max(x.start, x.stop)
    top, bottom = min(y.start, y.stop), max(y.start, y.stop)
    parts = []
    for value, label in y.ticks:
        at = y(value)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" {_y12(at)}/>')
        parts.append(text(left - 7, at + 3.5, label, "tick", "end"))
    for value, label in x.ticks:
        at = x(value)
        parts.append(
            f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom:.1f}" '
            f'y2="{bottom + 4:.1f}"/>'
        )
        parts.append(text(at, bottom + 16, label, "tick", "middle"))
    parts.append(f'<line class="axis" x1="{left:.1f}" x2="{right:.1f}" {_y12(bottom)}/>')
    parts.append(text((left + right) / 2, bottom + 34, x_title, "title", "middle"))
    middle = (top + bottom) / 2
    parts.append(
        f'<text class="title" text-anchor="middle" transform="translate(13 {middle:.1f}) '
        f'rotate(-90)">{escape(y_title)}</text>'
    )
    return "".join(parts)


def _y12(at: float) -> str:
    return f'y1="{at:.1f}" y2="{at:.1f}"'


def text(x: float, y: float, content: str, kind: str, anchor: str = "start") -> str:
    """Draw a line of text."""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(content)}</text>"
    )


def dots(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Draw many dots as one path of zero-length strokes with round ends."""
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
    return f'<path class="{kind}" d="{path}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Draw a line through points."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{kind}" d="M{path}"/>' if points else ""


def bar(x: float, y: float, width: float, height: float, kind: str, *, hint: str = "") -> str:
    """Draw a rectangle; `hint` shows when pointed at."""
    title = f"<title>{escape(hint)}</title>" if hint else ""
    return (
        f'<rect class="{kind}" x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" '
        f'height="{max(height, 0):.2f}">{title}</rect>'
    )


def picture(width: float, height: float, label: str, content: str) -> str:
    """Wrap drawings in an ``svg`` element that scales with the page."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}" '
        f'preserveAspectRatio="xMidYMid meet">{content}</svg>'
    )
