"""Print tables, for people and for pipes."""

from __future__ import annotations

from collections.abc import Iterable

import typer
from rich.console import Console
from rich.table import Table

_PIPE_COLUMNS = 500


def percent(value: float) -> str:
    """Write a percentage to four digits, so that the errors of good and bad models can be told.

    Examples
    --------
    >>> percent(0.00125), percent(6.1144), percent(325.98)
    ('0.00125 %', '6.114 %', '326 %')
    """
    return f"{value:.4g} %" if value < 999.5 else f"{value:,.0f} %"


def show(table: Table) -> None:
    """Print a table; into a pipe without wrapping, for programs that read line by line."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_COLUMNS)
    console.print(table)


def warn(warnings: Iterable[str]) -> None:
    """Say each warning once, on stderr."""
    for warning in dict.fromkeys(warnings):
        typer.echo(f"warning: {warning}", err=True)
