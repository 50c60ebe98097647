"""Commands of the op parameter models: ``farm run-sweep`` and ``farm op-model ...``."""

from __future__ import annotations

import typer

from analysis.op_model.commands import diff, estimate, evaluate, fit, run_sweep


def register(app: typer.Typer) -> None:
    """Add the commands to the farm's application."""
    group = typer.Typer(
        name="op-model", help="Op parameter models: fit, estimate, evaluate.", no_args_is_help=True
    )
    for command in (fit, estimate, evaluate, diff):
        command.register(group)
    app.add_typer(group, rich_help_panel="Learn")
    run_sweep.register(app)
