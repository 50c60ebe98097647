"""Commands of the SoC models: ``farm soc ...``."""

from __future__ import annotations

import typer

from analysis.soc import (
    calibrate_command,
    chips_command,
    compare_command,
    explore_command,
    power_command,
    roofline_command,
    scaling_command,
    sensitivity_command,
    workload_command,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the farm's application."""
    group = typer.Typer(
        name="soc", help="SoC models: what would another chip do?", no_args_is_help=True
    )
    for command in (
        roofline_command,
        power_command,
        scaling_command,
        compare_command,
        chips_command,
        explore_command,
        sensitivity_command,
        workload_command,
        calibrate_command,
    ):
        command.register(group)
    app.add_typer(group, rich_help_panel="Learn")
