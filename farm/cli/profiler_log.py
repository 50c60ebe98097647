"""``farm profiler-log``: durations of launches from a device-profiler log of tt-metal."""

from __future__ import annotations

import contextlib
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli.places import local_path
from farm.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from farm.profiler.log_reader import Profile

_MAX_ROWS_SHOWN = 200


class Format(StrEnum):
    """What is written."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"


class Names(StrEnum):
    """Whose column names."""

    FARM = "farm"
    TT_METAL = "tt-metal"


class Pause(StrEnum):
    """Between what the op-to-op latency is."""

    FIRMWARE = "firmware"
    KERNEL = "kernel"


def profiler_log(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A profile_log_device.csv, of any generation.")
    ],
    form: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: table on a terminal, else csv."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Write here, not to stdout.", parser=local_path
        ),
    ] = None,
    names: Annotated[
        Names,
        typer.Option(
            help="farm: every column, in cycles and exact ns. tt-metal: the names and whole ns of "
            "its own post-processing."
        ),
    ] = Names.FARM,
    op_to_op: Annotated[
        Pause,
        typer.Option(
            help="Op-to-op latency from the end of one launch's firmware to the start of the "
            "next's, or between their kernels, as tt-metal has it since 2025-01-19. In farm's "
            "names csv and parquet have both."
        ),
    ] = Pause.FIRMWARE,
) -> None:
    """Print the durations of the launches in a tt-metal device-profiler log.

    One row per launch: firmware, kernel and per-RISC kernel durations, pause since the last launch,
    cores. A launch whose records are incomplete has a status and no durations.

    Example: [b]farm profiler-log generated/profiler/.logs/profile_log_device.csv[/b]

    Example: [b]farm profiler-log profile_log_device.csv --format parquet --out launches.parquet[/b]
    """
    from farm.profiler.launches import with_reference_names
    from farm.profiler.log_reader import read_log

    profile = read_log(file)
    launches = profile.launches
    if names is Names.TT_METAL:
        launches = with_reference_names(launches, op_to_op is Pause.KERNEL)
    is_terminal = out is None and sys.stdout.isatty()
    if form is None:
        form = Format.TABLE if is_terminal else Format.CSV
    if form is Format.TABLE:
        columns = launches.slice(0, _MAX_ROWS_SHOWN)
        shown = _short(columns, op_to_op) if names is Names.FARM else columns.to_pydict()
        _print_table(shown, launches.num_rows, out)
    elif form is Format.PARQUET and is_terminal:
        raise UsageError("Parquet is not for a terminal: name a file with --out")
    else:
        _write(launches, form, out)
    typer.echo(_summary(profile), err=True)


def _summary(profile: Profile) -> str:
    """Say in one line what was found."""
    n = profile.launches.num_rows
    n_incomplete = sum(status != 0 for status in profile.launches["status"].to_pylist())
    parts = [f"{n:,} launches", f"{profile.n_rows:,} rows"]
    for count, what in (
        (n_incomplete, "launches incomplete"),
        (profile.n_other_rows, "rows of other zones"),
        (profile.n_repeated_rows, "rows twice"),
        (profile.n_bad_lines, "bad lines"),
        (profile.n_torn_bytes, "bytes of a line without an end"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    if profile.bad_lines:
        first = profile.bad_lines[0]
        where = "somewhere" if first.number is None else f"line {first.number}"
        parts.append(f"the first bad one, {where}: {first.text[:60]!r}")
    header = profile.header
    known = f"{header.arch}, {header.chip_mhz} MHz, format {header.generation}: " if header else ""
    return known + ", ".join(parts)


def _write(launches: pa.Table, form: Format, out: Path | None) -> None:
    from pyarrow import csv, parquet

    try:
        # A descriptor of its own: Arrow closes what it has written to.
        place = os.dup(sys.stdout.fileno()) if out is None else out
        with open(place, "wb") as file:
            if form is Format.CSV:
                csv.write_csv(launches, file, csv.WriteOptions(quoting_style="none"))
            else:
                parquet.write_table(launches, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"cannot write {out or 'to stdout'}: {error}") from error


def _print_table(columns: dict[str, list[Any]], n_launches: int, out: Path | None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(_shown(value) for value in row))
    # A number that is cut off is worse than a line that is too long.
    n_columns = Console(width=1000).measure(table).maximum
    try:
        with contextlib.nullcontext() if out is None else out.open("w") as file:
            console = Console(file=file)
            console.width = max(console.width, n_columns)
            console.print(table)
            console.print(_caption(n_launches), highlight=False)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error


def _short(launches: pa.Table, op_to_op: Pause) -> dict[str, list[Any]]:
    """Pick the columns that fit a terminal; zones that no launch has are left out."""
    from farm.profiler.launch_cells import LaunchStatus

    shown = {
        "chip": "chip",
        "run_host_id": "id",
        "core_count": "cores",
        "firmware_ns": "firmware",
        "kernel_ns": "kernel",
        "brisc_kernel_ns": "BRISC",
        "ncrisc_kernel_ns": "NCRISC",
        "trisc0_kernel_ns": "TRISC0",
        "trisc1_kernel_ns": "TRISC1",
        "trisc2_kernel_ns": "TRISC2",
        "erisc_kernel_ns": "ERISC",
        "op_to_op_ns" if op_to_op is Pause.FIRMWARE else "kernel_to_kernel_ns": "op to op",
        "status": "status",
    }
    columns = {
        title: launches[name].to_pylist()
        for name, title in shown.items()
        if launches[name].null_count < len(launches) or not name.endswith("kernel_ns")
    }
    columns["status"] = [
        "" if value == 0 else str(LaunchStatus(value).name) for value in columns["status"]
    ]
    return columns


def _caption(n: int) -> str:
    more = f"; {n - _MAX_ROWS_SHOWN:,} more launches: --format csv has all"
    return f"durations in ns{more if n > _MAX_ROWS_SHOWN else ''}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("profiler-log")(profiler_log)
