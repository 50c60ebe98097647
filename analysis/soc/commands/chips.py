"""``farm soc chips``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from analysis.console import say, show
from farm.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.table import Table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chips", epilog="Example: farm soc chips --json")(chips)


def chips(as_json: JsonOption = False) -> None:
    """List the published designs and the public chips, with where each figure is from."""
    from analysis.soc.chip.designs import DESIGNS
    from analysis.soc.chip.public_chips import library

    if as_json:
        public = {
            chip.name: {
                "title": chip.title,
                "aliases": list(chip.aliases),
                "peak_tflops": dict(chip.peak_tflops),
                "memory_gb_s": dict(chip.memory_levels),
                "tdp_w": chip.tdp_w,
                "die_area_mm2": chip.die_area_mm2,
                "has_design": chip.design is not None,
                "sources": list(chip.sources),
            }
            for chip in library().values()
        }
        typer.echo(json.dumps({"designs": list(DESIGNS), "chips": public}))
        return
    typer.echo(f"published designs: {', '.join(DESIGNS)}\n")
    show(_table())
    say("\n* its structure is public too: power, scaling and --set work on it\n\nsources")
    for chip in library().values():
        also = f", also {', '.join(chip.aliases)}" if chip.aliases else ""
        typer.echo(f"{chip.name}{also}: {chip.title}")
        for source in chip.sources:
            say(f"  {source}")


def _table() -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.chip.precision import Precision
    from analysis.soc.chip.public_chips import library
    from analysis.soc.numerals import number_text

    shown = [p for p in reversed(Precision) if any(p in c.peak_tflops for c in library().values())]
    table = Table(
        title="public chips: dense peaks in TFLOPS, of integers in TOPS",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("name")
    for name in (*shown, "memory GB/s", "TDP W", "die mm²"):
        table.add_column(name, justify="right")
    for chip in library().values():
        peaks = [chip.peak_tflops.get(precision) for precision in shown]
        memory = next(iter(chip.memory_levels.values()))
        table.add_row(
            escape(chip.name) + ("*" if chip.design else ""),
            *("-" if x is None else number_text(x) for x in peaks),
            number_text(memory),
            *("-" if x is None else number_text(x) for x in (chip.tdp_w, chip.die_area_mm2)),
        )
    return table
