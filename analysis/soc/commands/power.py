"""``farm soc power``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.console import say, show
from analysis.soc.commands.options import (
    ChipOption,
    ConfigOption,
    PlotOption,
    PowerOption,
    SetOption,
    checked_plot,
    chosen_precision,
    chosen_soc,
)
from farm.cli.options import JsonOption
from farm.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.chip.formulas import PowerParts
    from analysis.soc.models.power import PowerModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "power", epilog="Example: farm soc power --chip realistic -s clock_mhz=1800 --plot p.png"
    )(power)


def power(
    config: ConfigOption = None,
    chip: ChipOption = None,
    changes: SetOption = [],  # noqa: B006 - typer needs a list
    utilization: Annotated[
        str,
        typer.Option(
            "--utilization", "-u", metavar="SHARE,...", help="Shares of the peak, 0 to 1."
        ),
    ] = "0,0.25,0.5,0.75,1",
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", "-p", metavar="NAME", help="What is computed in.", show_default="FP16"
        ),
    ] = None,
    semantics: PowerOption = "physical",
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where the watts of a chip go, and how warm its junction gets."""
    from analysis.soc.models.power import PowerModel

    checked_plot(plot)
    soc = chosen_soc(config, chip, changes)
    shares = parse_shares(utilization)
    chosen = chosen_precision(precision, soc)
    model = PowerModel(soc, semantics)
    parts = [model.parts(share, chosen) for share in shares]
    if plot is not None:
        from analysis.soc.charts.power import power_figure
        from analysis.soc.charts.style import save

        save(power_figure(model, chosen), plot)
    if as_json:
        points = [
            {"utilization": share} | parts_json(part)
            for share, part in zip(shares, parts, strict=True)
        ]
        typer.echo(
            json.dumps(
                {
                    "chip": soc.name,
                    "power": model.semantics,
                    "precision": chosen,
                    "voltage_v": model.voltage_v,
                    "points": points,
                }
            )
        )
        return
    show(_table(model, shares, parts))
    say(f"\n{_closing(model, parts[-1])}")
    if plot is not None:
        typer.echo(f"wrote {plot}")


def parse_shares(text: str) -> list[float]:
    """Read shares separated by commas.

    Raises
    ------
    UsageError
        If one is not a number from 0 to 1.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--utilization {text}: write numbers from 0 to 1, such as 0.5,1"
        ) from None
    for share in shares:
        if not 0 <= share <= 1:
            raise UsageError(f"--utilization {share:g}: a share from 0 to 1 is expected")
    return shares


def parts_json(parts: PowerParts) -> dict[str, float]:
    """Plain values of all parts, their sum and the temperature."""
    from analysis.soc.models.power import PART_NAMES

    fields = (*PART_NAMES, "total_w", "junction_c")
    return {name: float(getattr(parts, name)) for name in fields}


def _table(model: PowerModel, shares: list[float], parts: list[PowerParts]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.models.power import PART_NAMES

    table = Table(
        title=f"{escape(model.soc.name)}: power in W, {model.semantics} formulas",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("at utilisation")
    for share in shares:
        table.add_column(f"{100 * share:g} %", justify="right")
    for field, name in PART_NAMES.items():
        table.add_row(name, *(f"{float(getattr(part, field)):.1f}" for part in parts))
    table.add_section()
    table.add_row("[b]total[/b]", *(f"[b]{float(part.total_w):.1f}[/b]" for part in parts))
    table.add_row("junction °C", *(f"{float(part.junction_c):.1f}" for part in parts))
    return table


def _closing(model: PowerModel, parts: PowerParts) -> str:
    soc = model.soc
    lines: list[Any] = []
    if model.voltage_v is not None:
        lines.append(f"{soc.sm.clock_mhz:g} MHz at {model.voltage_v:.3f} V")
    hottest = soc.technology.max_junction_c
    if float(parts.junction_c) > hottest:
        lines.append(
            f"the junction would be above the {hottest:g} °C that it may have: "
            f"the chip would slow down"
        )
    return "; ".join(lines) or "clock and voltage do not enter these formulas"
