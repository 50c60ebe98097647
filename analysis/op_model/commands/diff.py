"""``farm op-model diff``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.op_model.commands.options import (
    ArchOption,
    FallbackOption,
    ModeOption,
)
from farm.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.op_model.estimator.estimator import Estimator
    from analysis.op_model.evaluate.parameter_diff import OpChange, WeightChange


def diff(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="Parameter file, or a folder: its newest.")
    ],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The other one.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            metavar="SWEEP.csv|DIR",
            help="Measured sweeps: by how much estimates change on them. May be repeated.",
            show_default=False,
        ),
    ] = None,
    arch: ArchOption = None,
    mode: ModeOption = "normal",
    fallback: FallbackOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two parameter files, and by how much on measured data."""
    from analysis.console import warn
    from analysis.op_model.estimator.opening import Source
    from analysis.op_model.evaluate.parameter_diff import changed_weights, reordered

    estimators = [
        Source(path, arch=arch, mode=mode, may_fall_back=fallback).open()
        for path in (before, after)
    ]
    old, new = (estimator.parameters.operations for estimator in estimators)
    weights, moved = changed_weights(old, new), reordered(old, new)
    estimates, warnings = _estimates(data or [], estimators)
    archs = dict.fromkeys(estimator.parameters.arch for estimator in estimators)
    if len(archs) > 1:
        warnings.insert(0, f"parameters of different architectures: {' and '.join(archs)}")
    warnings[:0] = [text for estimator in estimators for text in estimator.parameters.warnings]
    if as_json:
        listed = [asdict(change) | {"percent": change.percent} for change in weights]
        typer.echo(
            json.dumps(
                {
                    "weights": listed,
                    "reordered": moved,
                    "estimates": [{"sweep": path, **asdict(row)} for path, row in estimates],
                    "warnings": warnings,
                }
            )
        )
        return
    warn(warnings)
    _print_weights(weights)
    for op in moved:
        typer.echo(f"{op}: the same sets in another order; parity takes the last that holds")
    if not weights and not moved:
        typer.echo("the parameters are the same")
    _print_estimates(estimates)


def _estimates(
    paths: Sequence[Path], estimators: Sequence[Estimator]
) -> tuple[list[tuple[str, OpChange]], list[str]]:
    """Return the changes by sweep file and operation, and what was passed over."""
    if not paths:
        return [], []
    from analysis.op_model.evaluate.parameter_diff import changed_estimates
    from analysis.op_model.sweep_files.reader import find_sweeps, read_sweep

    archs = {estimator.parameters.arch for estimator in estimators}
    passed_over: Counter[str] = Counter()
    found: list[tuple[str, OpChange]] = []
    warnings: list[str] = []
    for path in find_sweeps(paths):
        sweep = read_sweep(path)
        warnings += [f"{path}: {warning}" for warning in sweep.warnings]
        if archs != {sweep.arch}:
            passed_over[sweep.arch] += 1
            continue
        found += [(str(path), row) for row in changed_estimates(sweep.frame, *estimators)]
    warnings += [
        f"{n} of the sweeps are of {arch}, not of {' and '.join(sorted(archs))}: passed over"
        for arch, n in passed_over.items()
    ]
    return found, warnings


def _print_weights(changes: Sequence[WeightChange]) -> None:
    from rich.table import Table

    from analysis.console import show
    from analysis.op_model.parameters.yaml_mapping import number_text

    if not changes:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("op", "set", "weight"):
        table.add_column(name)
    for name in ("before", "after", "change"):
        table.add_column(name, justify="right")
    for change in changes:
        values = (change.before, change.after)
        table.add_row(
            *(change.op, change.set_name, change.weight),
            *("-" if value is None else number_text(value) for value in values),
            _signed(change.percent),
        )
    show(table)


def _print_estimates(changes: Sequence[tuple[str, OpChange]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from analysis.console import show
    from analysis.op_model.commands.numerals import percent

    if not changes:
        return
    table = Table(title="estimates on the data", title_justify="left", box=None, pad_edge=False)
    for name in ("sweep", "op", "set"):
        table.add_column(name)
    for name in ("rows", "mean", "least", "largest", "MAPE before", "after"):
        table.add_column(name, justify="right")
    for path, change in changes:
        table.add_row(
            *(escape(Path(path).name), change.op, escape(change.sets), str(change.n_rows)),
            _signed(change.mean_percent),
            _signed(change.least_percent),
            _signed(change.largest_percent),
            *(
                "-" if value is None else percent(value)
                for value in (change.mape_before, change.mape_after)
            ),
        )
    show(table)
    for path, change in changes:
        if change.reason:
            typer.echo(f"{Path(path).name}, {change.op}: {change.reason}")


def _signed(change: float | None) -> str:
    return "-" if change is None else f"{change:+.2f} %"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "diff",
        epilog="Example: farm op-model diff params/wormhole_b0/params_v1.yaml "
        "params/wormhole_b0/params_v3.yaml --data wormhole_b0/",
    )(diff)
