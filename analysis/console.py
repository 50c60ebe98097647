"""Tables and sentences on a terminal of any width, and in a pipe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPE_COLUMNS = 500
_BREAKS = ((r" ", "\n"), (r"/(?=\w{3})", "/\n"), (r"_(?!\n)", "_\n"))
"""Where a heading may be broken: between words, else behind a slash, else behind underscores."""


def show(table: Table) -> None:
    """Print a table; into a pipe without wrapping, for programs that read line by line.

    Where a terminal is too narrow, headings are broken, the longest first, then columns move
    closer, then texts are broken.  Nothing is ever cut off.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_COLUMNS)
    _narrow(console, table)
    for column in table.columns:
        column.no_wrap = column.justify == "right"
        column.overflow = "fold"
    console.print(table)


def _narrow(console: Console, table: Table) -> None:
    """Break headings and close gaps until a table fits, as far as that goes."""
    for pattern, broken in _BREAKS:
        for column in sorted(table.columns, key=lambda column: -len(str(column.header))):
            if _width(console, table) <= console.width:
                return
            column.header = re.sub(pattern, broken, str(column.header))
    if _width(console, table) > console.width:
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


def _width(console: Console, table: Table) -> int:
    """Columns that a table takes where it has all the room that it wants."""
    from rich.measure import Measurement

    roomy = console.options.update(width=_PIPE_COLUMNS)
    return Measurement.get(console, roomy, table).maximum
