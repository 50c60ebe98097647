"""Commands of the SoC models: ``farm soc ...``."""

from __future__ import annotations

import typer

from analysis.soc.commands import (
    calibrate,
    chips,
    compare,
    explore,
    power,
    roofline,
    scaling,
    sensitivity,
    workload,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the farm's application."""
    group = typer.Typer(
        name="soc", help="SoC models: what would another chip do?", no_args_is_help=True
    )
    for command in (
        roofline,
        power,
        scaling,
        compare,
        chips,
        explore,
        sensitivity,
        workload,
        calibrate,
    ):
        command.register(group)
    app.add_typer(group, rich_help_panel="Learn")
