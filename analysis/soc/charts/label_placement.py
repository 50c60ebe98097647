"""Names beside points, none over another one or over another point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

# Offset in points and alignment, best first.
_PLACES = (
    ((9, -4), "left", "top"),
    ((9, 6), "left", "bottom"),
    ((-9, 6), "right", "bottom"),
    ((-9, -4), "right", "top"),
    ((0, -12), "center", "top"),
    ((0, 12), "center", "bottom"),
    ((9, -22), "left", "top"),
    ((-9, 24), "right", "bottom"),
    ((14, -40), "left", "top"),
    ((-14, 42), "right", "bottom"),
)
_POINT_RADIUS = 7.0
_LINE_RADIUS = 3.0


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    color: str,
    taken: Sequence[Text] = (),
    lines: Sequence[Line2D] = (),
) -> None:
    """Write a name beside each point, where there is most room.

    Parameters
    ----------
    axes : Axes
        With its final limits.
    points : sequence of tuple
        In data coordinates.
    names : sequence of str
        One per point.
    color : str
        Of the text.
    taken : sequence of Text, optional
        What is written there already.
    lines : sequence of Line2D, optional
        What is drawn there already, in straight pieces.
    """
    # Pixels are final only after the layout.
    axes.figure.figure.draw_without_rendering()
    obstacles = [text.get_window_extent() for text in taken]
    obstacles += [_around(axes, point) for point in points]
    obstacles += [box for line in lines for box in _along(axes, line)]
    for point, name in zip(points, names, strict=True):
        label = axes.annotate(
            name,
            point,
            (0, 0),
            textcoords="offset points",
            fontsize=11.5,
            color=color,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            zorder=7,
        )
        label.set_in_layout(False)
        obstacles.append(_settle(axes, label, obstacles))


def _around(axes: Axes, point: tuple[float, float]) -> Bbox:
    x, y = axes.transData.transform(point)
    return Bbox.from_extents(
        x - _POINT_RADIUS, y - _POINT_RADIUS, x + _POINT_RADIUS, y + _POINT_RADIUS
    )


def _along(axes: Axes, line: Line2D) -> list[Bbox]:
    """Cover a line with small squares."""
    corners = axes.transData.transform(np.column_stack(line.get_data()))
    length = float(np.hypot(*np.diff(corners, axis=0).T).sum())
    at = np.linspace(0, len(corners) - 1, max(2, math.ceil(length / (2 * _LINE_RADIUS))))
    x, y = (np.interp(at, range(len(corners)), column) for column in corners.T)
    r = _LINE_RADIUS
    squares = zip(x.tolist(), y.tolist(), strict=True)
    return [Bbox.from_extents(a - r, b - r, a + r, b + r) for a, b in squares]


def _settle(axes: Axes, label: Annotation, obstacles: list[Bbox]) -> Bbox:
    """Move a label to the place with the smallest overlap; return its rectangle."""
    tried = []
    for place in _PLACES:
        box = _put(label, place)
        outside = box.width * box.height - _overlap(box, axes.bbox)
        tried.append((sum(_overlap(box, other) for other in obstacles) + outside, place))
        if tried[-1][0] == 0:
            break
    _, best = min(tried, key=lambda candidate: candidate[0])
    return _put(label, best)


def _put(label: Annotation, place: tuple[tuple[int, int], str, str]) -> Bbox:
    offset, horizontal, vertical = place
    label.set_position(offset)
    label.set_horizontalalignment(horizontal)  # type: ignore[arg-type]  # one of the literals
    label.set_verticalalignment(vertical)  # type: ignore[arg-type]  # one of the literals
    return label.get_window_extent()


def _overlap(a: Bbox, b: Bbox) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return float(max(0.0, width) * max(0.0, height))
