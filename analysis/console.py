"""Tables and sentences on a terminal of any width, and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.measure import Measurement
    from rich.table import Table

_PIPE_COLUMNS = 500
_BREAKS = ((r" ", "\n"), (r"/(?=\w{3})", "/\n"), (r"_(?!\n)", "_\n"))
"""Where a heading may be broken: between words, else behind a slash, else behind underscores."""


def show(table: Table) -> None:
    """Print a table; into a pipe without wrapping, for programs that read line by line.

    Where a terminal is too narrow, headings are broken, the longest first, then columns move
    closer, then texts are broken, and numbers last.  Nothing is cut off.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_COLUMNS)
    _narrow(console, table)
    numbers = [column for column in table.columns if column.justify == "right"]
    for column in table.columns:
        column.overflow = "fold"
    for column in numbers:
        column.no_wrap = True
        column.min_width = max((_extent(console, cell).maximum for cell in column.cells), default=1)
    if _extent(console, table).minimum > console.width:
        for column in numbers:
            column.no_wrap, column.min_width = False, None
    console.print(table)


def _narrow(console: Console, table: Table) -> None:
    """Break headings and close gaps until a table fits, as far as that goes."""
    for pattern, broken in _BREAKS:
        for column in sorted(table.columns, key=lambda column: -len(str(column.header))):
            if _extent(console, table).maximum <= console.width:
                return
            column.header = re.sub(pattern, broken, str(column.header))
    if _extent(console, table).maximum > console.width:
        table.padding = (0, 1, 0, 0)


def say(sentence: str) -> None:
    """Print a sentence: on a terminal broken between words, in a pipe as one line."""
    from rich.console import Console

    console = Console()
    console.print(
        sentence,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=not console.is_terminal,
    )


def warn(warnings: Iterable[str]) -> None:
    """Say each warning once, on stderr."""
    for warning in dict.fromkeys(warnings):
        typer.echo(f"warning: {warning}", err=True)


def _extent(console: Console, shown: RenderableType) -> Measurement:
    """Columns that something takes at least, and where it has all the room that it wants."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=_PIPE_COLUMNS), shown)
