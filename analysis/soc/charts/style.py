"""The look of the SoC charts: light, colour-blind safe, legible on a slide, the same every time.

A chart is a function from numbers to a `matplotlib.figure.Figure`, drawn inside `style()` and
written by `save`.  Figures are 1280 x 720 points of a slide; nothing is smaller than 11 of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.soc.errors import ConfigError
from analysis.soc.numerals import number_text

INK, SOFT, FAINT, GRID = "#16202b", "#55606e", "#8e98a4", "#e3e7ec"

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4a4a4a")
"""Colours that stay apart for all kinds of colour vision (Okabe and Ito, 2008)."""

ACCENT, WARNING = PALETTE[0], PALETTE[1]
SUFFIXES = (".png", ".svg")

_INCHES = (12.8, 7.2)
_DOTS_PER_INCH = 150
_HEADER = 0.87
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.color": INK,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlecolor": INK,
    "axes.labelsize": 12,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.9,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "lines.linewidth": 2.4,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 11.5,
    "figure.facecolor": "white",
    "svg.hashsalt": "sweepfarm",
}


@contextmanager
def style() -> Iterator[None]:
    """Make everything that is drawn inside look like the house's charts."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(
    title: str, subtitle: str, n_rows: int = 1, n_columns: int = 1, **subplots: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure with a headline and empty panels, row by row.

    Parameters
    ----------
    title : str
        What the chart says, in a few words.
    subtitle : str
        What it shows, and under which conditions.
    n_rows, n_columns : int, optional
        Panels.
    **subplots : object
        Passed to `matplotlib.figure.Figure.subplots`.
    """
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0.012, 0.015, 0.976, _HEADER - 0.015), wspace=0.05, hspace=0.07)
    figure.text(0.02, 0.965, title, fontsize=20, fontweight="bold", va="top")
    figure.text(0.02, 0.912, subtitle, fontsize=12.5, color=SOFT, va="top")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **subplots)
    return figure, list(axes.flat)


def check_path(path: Path) -> None:
    """Refuse a file that `save` could not write, before anything is computed.

    Raises
    ------
    ConfigError
        If the suffix is not known or the folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: a chart is a {' or '.join(SUFFIXES)} file")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by its suffix; the same bytes each time.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    check_path(path)
    kind = path.suffix.lower().removeprefix(".")
    metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    _freeze_layout(figure)
    try:
        with style():
            figure.savefig(path, format=kind, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _freeze_layout(figure: Figure) -> None:
    """Round where the panels are: the layout's last digits differ from run to run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(edge, 4) for edge in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def log_axis(axis: Axis) -> None:
    """Give a logarithmic axis ticks such as 0.1, 1, 10, 1 000."""
    axis.set_major_locator(LogLocator(base=10, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value)))
    axis.set_minor_formatter(NullFormatter())


def linear_axis(axis: Axis) -> None:
    """Give a linear axis ticks with thin spaces between thousands."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value)))
