"""``farm soc calibrate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.console import say, show
from analysis.soc.commands.options import PlotOption, checked_plot, chosen
from farm.cli.options import JsonOption
from farm.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.soc.measured.assessment import Assessment
    from analysis.soc.measured.calibration import Calibration
    from analysis.soc.measured.sources import MeasuredSources

_N_WORST = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "calibrate",
        epilog="Example: farm soc calibrate my-matmul my-memcpy --plot cpu.png",
    )(calibrate)


def calibrate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Sweep directories, or Parquet files of recorded matrix products.",
            show_default=False,
        ),
    ],
    chip: Annotated[
        str | None,
        typer.Option(
            "--chip",
            metavar="NAME",
            help="Whose published peaks and bandwidth count, such as h100.",
            show_default="what the sweeps themselves show: a matmul and a memcpy sweep",
        ),
    ] = None,
    dtype: Annotated[
        list[str],
        typer.Option(
            "--dtype",
            metavar="NAME",
            help="Only this kind of arithmetic, as the source calls it. May be repeated.",
            show_default="all",
        ),
    ] = [],  # noqa: B006 - typer needs a list
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the shares of peak and bandwidth that measured ops reach, and their launch overhead."""
    from analysis.soc.measured.assessment import assess, names
    from analysis.soc.measured.sources import read_sources

    checked_plot(plot)
    processor = None if chip is None else chosen(None, chip)
    read = read_sources([Path(source) for source in sources], processor)
    assessments = [
        one for ops in read.ops for one in assess(ops, read.processor, read.cache_bytes, dtype)
    ]
    if not assessments:
        known = sorted({name for ops in read.ops for name in ops.dtypes})
        raise UsageError(f"--dtype {', '.join(dtype)}: the sources have {', '.join(known)}")
    if plot is not None:
        from analysis.soc.charts.calibration import calibration_figure
        from analysis.soc.charts.style import save

        save(calibration_figure(read, assessments), plot)
    if as_json:
        typer.echo(json.dumps(_as_json(read, assessments)))
        return
    show(_ceilings_table(read, assessments))
    typer.echo()
    show(_efficiency_table(assessments))
    typer.echo()
    show(_factors_table(assessments))
    for one, name in zip(assessments, names(assessments), strict=True):
        typer.echo()
        show(_worst_table(read, one, name))
    for note in _notes(read, assessments):
        say(f"\n{note}")
    if plot is not None:
        typer.echo(f"\nwrote {plot}")


def _as_json(read: MeasuredSources, assessments: list[Assessment]) -> dict[str, Any]:
    processor = read.processor
    return {
        "chip": processor.name,
        "cache_bytes": read.cache_bytes,
        "memory_gb_s": dict(processor.memory_levels),
        "peak_tflops": {p: processor.peak_compute(p) for p in processor.precisions},
        "ceilings": None if read.measured is None else read.measured.as_json(),
        "assessments": [one.as_json() for one in assessments],
    }


def _ceilings_table(read: MeasuredSources, assessments: list[Assessment]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.numerals import number_text

    table = Table(
        title=f"ceilings of {escape(read.processor.name)}", title_justify="left", box=None
    )
    table.add_column("ceiling")
    table.add_column("value", justify="right")
    table.add_column("interval (95 %)", justify="right")
    table.add_column("ops", justify="right")
    measured = read.measured
    used = {one.precision for one in assessments}
    for level, bandwidth in read.processor.memory_levels.items():
        name = f"bandwidth of {escape(level)}"
        if measured is None:
            table.add_row(name, f"{number_text(bandwidth)} GB/s", "published", "")
        else:
            e = measured.memory_levels[level]
            spread = f"{number_text(e.low)} - {number_text(e.high)}"
            table.add_row(name, f"{number_text(e.value)} GB/s", spread, str(e.n))
    for precision in read.processor.precisions:
        name, peak = f"peak of {precision}", read.processor.peak_compute(precision)
        if measured is not None:
            e = measured.peak_tflops[precision]
            spread = f"{number_text(e.low)} - {number_text(e.high)}"
            table.add_row(name, f"{number_text(e.value)} TFLOPS", spread, str(e.n))
        elif precision in used:
            table.add_row(name, f"{number_text(peak)} TFLOPS", "published", "")
    return table


def _efficiency_table(assessments: list[Assessment]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.measured.assessment import bound_shares, names
    from analysis.soc.measured.calibration import BOUNDS
    from analysis.units import count, percent

    table = Table(
        title="efficiency (time on the roofline by measured time), and what binds the ops",
        title_justify="left",
        box=None,
    )
    table.add_column("ops of")
    for name in ("ops", "p10", "median", "p90", "max", "above 100 %"):
        table.add_column(name, justify="right")
    for bound in BOUNDS:
        table.add_column(bound, justify="right")
    for one, name in zip(assessments, names(assessments), strict=True):
        shares = bound_shares(one)
        table.add_row(
            escape(name),
            count(len(one.rows)),
            *(percent(value) for value in one.quantiles.values()),
            percent(float(one.efficiency.max())),
            count(one.n_above),
            *(percent(shares[bound]) if shares[bound] else "-" for bound in BOUNDS),
        )
    return table


def _factors_table(assessments: list[Assessment]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.measured.assessment import names

    table = Table(
        title="what a typical op reaches (95 % interval), and how far off the model is",
        title_justify="left",
        box=None,
    )
    table.add_column("ops of")
    for name in ("of the peak", "of the bandwidth", "from the cache", "launch overhead"):
        table.add_column(name, justify="right")
    for name in ("half within", "80 % within"):
        table.add_column(name, justify="right")
    for one, name in zip(assessments, names(assessments), strict=True):
        table.add_row(
            escape(name),
            *(_factor(one.calibration, factor) for factor in ("compute", "memory", "cache")),
            _overhead(one.calibration),
            *_spreads(one.calibration),
        )
    return table


def _factor(calibration: Calibration, name: str) -> str:
    from analysis.units import significant

    factor = calibration.factors.get(name)
    if factor is None:
        return "-"
    value, low, high = (significant(100 * x) for x in (factor.value, factor.low, factor.high))
    return f"{value} % ({low} - {high})"


def _overhead(calibration: Calibration) -> str:
    from analysis.units import significant

    factor = calibration.factors.get("overhead")
    if factor is None:
        return "-"
    value, low, high = (significant(1e6 * x) for x in (factor.value, factor.low, factor.high))
    return f"{value} µs ({low} - {high})"


def _spreads(calibration: Calibration) -> list[str]:
    """Between which errors of the model half of the ops lie, and four fifths of them."""
    q = calibration.error_quantiles
    return [
        f"{100 * q[low]:+.0f} to {100 * q[high]:+.0f} %" for low, high in ((0.25, 0.75), (0.1, 0.9))
    ]


def _worst_table(read: MeasuredSources, one: Assessment, called: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.soc.measured.calibration import BOUNDS
    from analysis.units import duration_text, percent, significant

    ops = next(ops for ops in read.ops if ops.source == one.source)
    title = f"{called}: slowest by the calibrated model"
    table = Table(title=escape(title), title_justify="left", box=None)
    table.add_column("op")
    for name in ("flop/byte", "measured", "predicted", "times", "efficiency"):
        table.add_column(name, justify="right")
    table.add_column("bound by")
    for at in one.worst(_N_WORST).tolist():
        row = int(one.rows[at])
        time_s, slowdown = float(ops.time_s[row]), float(one.slowdown[at])
        table.add_row(
            escape(ops.labels(row)),
            significant(float(ops.intensity[row])),
            duration_text(time_s * 1e9),
            duration_text(time_s / slowdown * 1e9),
            significant(slowdown),
            percent(float(one.efficiency[at])),
            BOUNDS[int(one.bound[at])],
        )
    return table


def _notes(read: MeasuredSources, assessments: list[Assessment]) -> list[str]:
    from analysis.soc.measured.assessment import names
    from analysis.soc.measured.sources import above_note
    from analysis.units import count

    notes = []
    if read.measured is not None:
        notes.append(
            f"The ceilings are those of {read.measured.system} with {read.measured.conditions}: "
            f"the 95th percentile of the ops that can show them."
        )
    missing = [
        f"{name}: no factor of {factor}: {reason}."
        for one, name in zip(assessments, names(assessments), strict=True)
        for factor, reason in one.calibration.reasons.items()
    ]
    notes += ["\n".join(missing)] if missing else []
    notes += above_note(assessments, read.cache_bytes)
    if n_impossible := sum(int(one.is_impossible.sum()) for one in assessments):
        notes.append(
            f"warning: {count(n_impossible)} ops were faster than the ceilings allow, whatever was "
            f"in the cache: the chip, a count of bytes or a time is not what it should be."
        )
    return notes
