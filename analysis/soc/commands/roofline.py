"""``farm soc roofline``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.console import show
from analysis.soc.commands.options import (
    ChipOption,
    ConfigOption,
    PlotOption,
    SetOption,
    checked_plot,
    chosen_processor,
    parse_precisions,
)
from farm.cli.options import JsonOption
from farm.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.chip.precision import Precision
    from analysis.soc.models.marker import Marker
    from analysis.soc.models.performance import PerformanceModel, Placement, Processor

_MOST_ROWS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "roofline",
        epilog="Example: farm soc roofline --chip h100 -p FP16,FP8 --plot roofline.png",
    )(roofline)


def roofline(
    config: ConfigOption = None,
    chip: ChipOption = None,
    changes: SetOption = [],  # noqa: B006 - typer needs a list
    precision: Annotated[
        list[str],
        typer.Option(
            "--precision",
            "-p",
            metavar="NAME,...",
            help="Peaks to show; operations are held against the first.",
            show_default="FP16, else the widest; and all others of the chip",
        ),
    ] = [],  # noqa: B006 - typer needs a list
    marker: Annotated[
        list[str],
        typer.Option(
            "--marker",
            "-m",
            metavar="NAME=FLOPS/BYTES[@SECONDS]",
            help="An operation, such as [b]gemm=1.4e11/1e8@3e-3[/b]; without a time it is put on "
            "the roof. May be repeated; default: four that everybody knows.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    sweep: Annotated[
        list[Path],
        typer.Option(
            "--sweep",
            metavar="DIR",
            help="Put the measured ops of a sweep on it. May be repeated. Without a chip the "
            "ceilings are measured, too: give a sweep of products (matmul) and one of copies "
            "(memcpy).",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    gemm: Annotated[
        list[Path],
        typer.Option(
            "--gemm",
            metavar="FILE.parquet",
            help="Put recorded matrix products of a GPU on it. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer needs a list
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what limits operations on a chip: its peaks, or the bandwidth of a memory level."""
    from analysis.soc.models.marker import typical_markers
    from analysis.soc.models.performance import PerformanceModel

    checked_plot(plot)
    processor, markers = _measured(sweep, gemm, config, chip, changes)
    model = PerformanceModel(processor)
    usual = tuple(dict.fromkeys(m.precision for m in markers if m.precision is not None))
    precisions = parse_precisions(precision, usual or _usual_order(model))
    for wanted in precisions:
        model.processor.peak_compute(wanted)
    markers += [parse_marker(text) for text in marker]
    markers = markers or list(typical_markers(precisions[0]))
    placements = [model.place(one, precisions[0]) for one in markers]
    if plot is not None:
        model.plot_roofline(precisions, markers=markers, save_path=plot)
    if as_json:
        typer.echo(json.dumps(_as_json(model, precisions, placements)))
        return
    show(_ceilings_table(model, precisions))
    typer.echo()
    show(_placements_table(placements))
    if sum(p.efficiency is not None for p in placements) > _MOST_ROWS:
        typer.echo()
        show(_efficiency_table(placements))
    if plot is not None:
        typer.echo(f"\nwrote {plot}")


def _measured(
    sweeps: list[Path],
    gemms: list[Path],
    config: Path | None,
    chip: str | None,
    changes: list[str],
) -> tuple[Processor, list[Marker]]:
    """Find the processor, and the measured ops that are to be put under its roof."""
    from analysis.soc.measured.ceilings import measured_ceilings
    from analysis.soc.measured.sources import markers_of, no_ceilings, read_ops

    ops = read_ops(sweeps, gemms)
    markers = [marker for source in ops for marker in markers_of(source)]
    if config is not None or chip is not None or changes or not ops:
        return chosen_processor(config, chip, changes), markers
    if gemms:
        raise no_ceilings(gemms[0])
    return measured_ceilings(ops).processor, markers


def parse_marker(text: str) -> Marker:
    """Read ``NAME=FLOPS/BYTES[@SECONDS]``.

    Raises
    ------
    UsageError
        If the text is anything else.
    """
    from analysis.soc.models.marker import Marker

    name, _, work = text.partition("=")
    work, is_timed, seconds = work.partition("@")
    flops, is_divided, n_bytes = work.partition("/")
    try:
        if not name.strip() or not is_divided:
            raise ValueError
        numbers = [float(flops), float(n_bytes), float(seconds) if is_timed else math.nan]
    except ValueError:
        raise UsageError(
            f"--marker {text}: write NAME=FLOPS/BYTES or NAME=FLOPS/BYTES@SECONDS"
        ) from None
    return Marker(name.strip(), numbers[0], numbers[1], numbers[2] if is_timed else None)


def _usual_order(model: PerformanceModel) -> tuple[Precision, ...]:
    from analysis.soc.chip.precision import Precision

    have = model.processor.precisions
    first = next((p for p in (Precision.FP16, Precision.BF16) if p in have), have[-1])
    return tuple(dict.fromkeys((first, *have)))


def _ceilings_table(model: PerformanceModel, precisions: tuple[Precision, ...]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.numerals import number_text

    levels = model.processor.memory_levels
    table = Table(
        title=f"{escape(model.title)}: ceilings", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("precision")
    table.add_column("peak TFLOPS", justify="right")
    for level, bandwidth in levels.items():
        table.add_column(f"ridge at {escape(level)} {number_text(bandwidth)} GB/s", justify="right")
    for precision in precisions:
        ridges = (model.ridge_point(precision, level) for level in levels)
        peak = model.processor.peak_compute(precision)
        table.add_row(
            str(precision), number_text(peak), *(f"{number_text(r)} flop/byte" for r in ridges)
        )
    return table


def _placements_table(placements: list[Placement]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.numerals import number_text
    from analysis.units import percent

    table = Table(title="operations", title_justify="left", box=None, pad_edge=False)
    table.add_column("name")
    table.add_column("precision")
    for name in ("flop/byte", "roof TFLOPS", "achieved", "of the roof"):
        table.add_column(name, justify="right")
    table.add_column("bound by")
    for p in placements[:_MOST_ROWS]:
        is_measured = p.efficiency is not None
        table.add_row(
            escape(p.marker.name),
            str(p.precision),
            number_text(p.marker.intensity),
            number_text(p.attainable_tflops),
            number_text(p.achieved_tflops) if is_measured else "-",
            percent(p.efficiency) if p.efficiency is not None else "-",
            p.bound,
        )
    if len(placements) > _MOST_ROWS:
        table.caption = f"and {len(placements) - _MOST_ROWS} more; --json has all"
        table.caption_justify = "left"
    return table


def _efficiency_table(placements: list[Placement]) -> Table:
    from collections import Counter, defaultdict

    import numpy as np
    from rich.markup import escape
    from rich.table import Table

    from analysis.units import count, percent

    groups: dict[str, list[Placement]] = defaultdict(list)
    for p in placements:
        if p.efficiency is not None:
            groups[p.marker.group].append(p)
    table = Table(title="measured, of the roof", title_justify="left", box=None, pad_edge=False)
    table.add_column("group")
    for name in ("ops", "p10", "median", "p90", "max"):
        table.add_column(name, justify="right")
    table.add_column("bound by")
    for group, mine in groups.items():
        shares = np.quantile([p.efficiency or 0.0 for p in mine], [0.1, 0.5, 0.9, 1.0]).tolist()
        bounds = Counter(p.bound for p in mine).most_common()
        table.add_row(
            escape(group),
            count(len(mine)),
            *(percent(share) for share in shares),
            ", ".join(f"{escape(name)} {percent(n / len(mine))}" for name, n in bounds),
        )
    return table


def _as_json(
    model: PerformanceModel, precisions: tuple[Precision, ...], placements: list[Placement]
) -> dict[str, Any]:
    levels = model.processor.memory_levels
    return {
        "chip": model.processor.name,
        "memory_gb_s": dict(levels),
        "precisions": {
            precision: {
                "peak_tflops": model.processor.peak_compute(precision),
                "ridge_point": {level: model.ridge_point(precision, level) for level in levels},
            }
            for precision in precisions
        },
        "markers": [
            {
                "name": p.marker.name,
                "precision": p.precision,
                "intensity": p.marker.intensity,
                "attainable_tflops": p.attainable_tflops,
                "achieved_tflops": p.marker.achieved_tflops,
                "efficiency": p.efficiency,
                "bound": p.bound,
            }
            for p in placements
        ],
    }
