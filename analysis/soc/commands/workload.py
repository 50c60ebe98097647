"""``farm soc workload``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.console import say, show
from analysis.soc.commands.options import (
    ChipOption,
    ConfigOption,
    PlotOption,
    SetOption,
    checked_plot,
    chosen_processor,
)
from farm.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.workload.analysis import OpShare, WorkloadAnalysis

_EXAMPLE = "Example: farm soc workload decode.yaml --chip h100 --plot decode.png"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("workload", epilog=_EXAMPLE)(workload)


def workload(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.yaml", help="Operations: see docs/how-to/soc.md.", show_default=False
        ),
    ],
    config: ConfigOption = None,
    chip: ChipOption = None,
    changes: SetOption = [],  # noqa: B006 - typer needs a list
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="FILE.json",
            help="What [b]farm soc calibrate --json[/b] printed: the shares of peak and bandwidth "
            "that the chip reaches, and its launch overhead. Without it the chip is taken at its "
            "ceilings.",
            show_default=False,
        ),
    ] = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where time and energy of a list of operations go, and where the chip should change."""
    from analysis.soc.workload.analysis import WorkloadAnalysis
    from analysis.soc.workload.machine import Machine, read_reach
    from analysis.soc.workload.workload import Workload

    checked_plot(plot)
    machine = Machine.of(
        chosen_processor(config, chip, changes),
        None if calibration is None else read_reach(calibration),
    )
    analysis = WorkloadAnalysis(Workload.load(file), machine)
    if plot is not None:
        from analysis.soc.charts.style import save
        from analysis.soc.charts.workload import workload_figure

        save(workload_figure(analysis), plot)
    if as_json:
        typer.echo(json.dumps(analysis.as_json()))
        return
    show(_table(analysis))
    typer.echo()
    for sentence in analysis.words():
        say(sentence)
    if analysis.energy_j is None:
        say(
            f"No energy: the structure of {machine.processor.name} is not public, so its power "
            f"cannot be modelled."
        )
    if plot is not None:
        typer.echo(f"\nwrote {plot}")


def _table(analysis: WorkloadAnalysis) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.units import significant

    title = f"{analysis.workload.name} on {analysis.machine.processor.name}"
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    table.add_column("op")
    table.add_column("precision")
    for name in ("runs", "flop", "bytes", "flop/byte", "time", "of all", "energy"):
        table.add_column(name, justify="right")
    table.add_column("bound by")
    for share in analysis.shares:
        table.add_row(*_row(share, analysis.time_s))
    table.add_section()
    table.add_row(
        "total",
        "",
        "",
        _amount(analysis.flops),
        _amount(analysis.n_bytes),
        significant(analysis.flops / analysis.n_bytes),
        _time(analysis.time_s),
        "100 %",
        _energy(analysis.energy_j),
        "",
        style="bold",
    )
    return table


def _row(share: OpShare, total_s: float) -> tuple[str, ...]:
    from rich.markup import escape

    from analysis.units import count, percent, significant

    op, spent = share.op, share.spent
    return (
        escape(op.label),
        str(op.precision),
        count(op.count),
        _amount(spent.flops * op.count),
        _amount(spent.n_bytes * op.count),
        significant(share.intensity),
        _time(share.time_s),
        percent(share.time_s / total_s),
        _energy(share.energy_j),
        spent.bound,
    )


def _amount(value: float) -> str:
    from analysis.units import prefixed

    return prefixed(value)


def _time(time_s: float) -> str:
    from analysis.units import duration_text

    return duration_text(time_s * 1e9)


def _energy(energy_j: float | None) -> str:
    from analysis.units import significant

    if energy_j is None:
        return "-"
    return f"{significant(energy_j)} J" if energy_j >= 0.1 else f"{significant(energy_j * 1e3)} mJ"
