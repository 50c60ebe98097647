"""Names beside points, none over another one or over another point."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
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


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    color: str,
    taken: Sequence[Text] = (),
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
    """
    # Pixels are final only after the layout.
    axes.figure.figure.draw_without_rendering()
    obstacles = [text.get_window_extent() for text in taken]
    obstacles += [_around(axes, point) for point in points]
    for point, name in zip(points, names, strict=True):
        label = axes.annotate(
            name, point, (0, 0), textcoords="offset points", fontsize=11.5, color=color
        )
        label.set_in_layout(False)
        obstacles.append(_settle(axes, label, obstacles))


def _around(axes: Axes, point: tuple[float, float]) -> Bbox:
    x, y = axes.transData.transform(point)
    return Bbox.from_extents(
        x - _POINT_RADIUS, y - _POINT_RADIUS, x + _POINT_RADIUS, y + _POINT_RADIUS
    )


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
