"""``farm soc compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.console import say, show
from analysis.soc.commands.options import PlotOption, PowerOption, checked_plot, chosen
from farm.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.models.comparison import Comparison, Entry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "compare",
        epilog="Example: farm soc compare --chip realistic --chip a100 --chip h100 --plot c.png",
    )(compare)


def compare(
    chip: Annotated[
        list[str],
        typer.Option(
            "--chip",
            metavar="NAME",
            help="A published design or a public chip. May be repeated; default: the published "
            "designs.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    config: Annotated[
        list[Path],
        typer.Option(
            "--config",
            "-c",
            metavar="FILE.yaml",
            help="A chip of yours. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    precision: Annotated[
        str, typer.Option("--precision", "-p", metavar="NAME", help="Of the peaks.")
    ] = "FP16",
    semantics: PowerOption = "physical",
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put chips side by side: peak, density, bandwidth, power, and the models against reality."""
    from analysis.soc.chip.designs import BASELINE, DESIGNS
    from analysis.soc.chip.precision import Precision
    from analysis.soc.models.comparison import compare as side_by_side
    from analysis.soc.models.power import PowerModel

    checked_plot(plot)
    chips = [chosen(None, name) for name in chip] + [chosen(path, None) for path in config]
    comparison = side_by_side(
        chips or list(DESIGNS.values()),
        Precision.parse(precision),
        PowerModel(BASELINE, semantics).semantics,
    )
    if plot is not None:
        from analysis.soc.charts.comparison import comparison_figure
        from analysis.soc.charts.style import save

        save(comparison_figure(comparison), plot)
    if as_json:
        typer.echo(json.dumps(comparison.as_json()))
        return
    show(_table(comparison))
    for entry in comparison.entries:
        if entry.reason:
            say(f"\n{entry.reason}")
    if comparison.checks:
        typer.echo()
        show(_check_table(comparison))
    if plot is not None:
        typer.echo(f"\nwrote {plot}")


def _table(comparison: Comparison) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.numerals import number_text

    def text(value: float | None) -> str:
        return "-" if value is None else number_text(value)

    table = Table(
        title=f"{comparison.precision} dense, {comparison.semantics} power formulas",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("chip")
    table.add_column("figures")
    for name in (
        *("TFLOPS", "TFLOPS/mm²", "memory GB/s", "ridge flop/byte"),
        *("power W", "junction °C", "TFLOPS/W"),
    ):
        table.add_column(name, justify="right")
    for entry in comparison.entries:
        table.add_row(
            escape(entry.name),
            "published" if entry.is_published else "modelled",
            text(entry.peak_tflops),
            text(entry.density_tflops_mm2),
            text(entry.bandwidth_gb_s),
            text(entry.ridge_point),
            "runaway" if entry.reason else text(entry.power_w),
            _junction_text(entry),
            text(entry.tflops_per_w),
        )
    return table


def _junction_text(entry: Entry) -> str:
    if entry.junction_c is None:
        return "-"
    warm = f"{entry.junction_c:.0f}"
    return f"[red]{warm} too hot[/red]" if entry.is_too_hot else warm


def _check_table(comparison: Comparison) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.numerals import number_text

    table = Table(
        title="models against published figures", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("chip")
    for name in (
        *("model TFLOPS", "published", "off by"),
        *("model W", "design power W", "off by"),
    ):
        table.add_column(name, justify="right")
    for check in comparison.checks:
        power, ratio = check.modelled.power_w, check.power_ratio
        table.add_row(
            escape(check.chip.name),
            number_text(check.modelled.peak_tflops),
            number_text(check.published_tflops),
            f"{100 * (check.peak_ratio - 1):+.1f} %",
            "runaway" if power is None else number_text(power),
            "-" if check.chip.tdp_w is None else number_text(check.chip.tdp_w),
            "-" if ratio is None else f"{100 * (ratio - 1):+.0f} %",
        )
    return table
