"""``farm op-model evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.op_model.commands.options import (
    ArchOption,
    FallbackOption,
    ModelOption,
    ModeOption,
    ParamsOption,
    SparseTablesOption,
    VersionOption,
)
from farm.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analysis.op_model.evaluate.evaluation import Evaluation, Share


def evaluate(
    sweep: Annotated[
        Path, typer.Argument(metavar="SWEEP.csv", help="Measured sweep, of any generation.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT.csv", help="All its columns, and the estimates.")
    ],
    op: Annotated[
        str | None,
        typer.Option(
            help="Operation, such as exp or exp_approx: which rows of a file with several, or what "
            "the file does not tell.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    params: ParamsOption = None,
    params_version: VersionOption = None,
    arch: ArchOption = None,
    sparse: Annotated[
        str | None,
        typer.Option(
            metavar="v1|v2",
            help="Formula of sparse products: from non-zero tiles alone, or from blocks and strips "
            "too; default: v2 where they are known.",
            show_default=False,
        ),
    ] = None,
    sparse_tables: SparseTablesOption = None,
    mode: ModeOption = "normal",
    fallback: FallbackOption = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Draw estimate against silicon and ratio against size.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare estimates with a measured sweep: how far they are off, and where.

    Writes all input columns, then estimate, runtime and ratio = estimate / runtime.
    """
    from analysis.console import warn
    from analysis.op_model.estimator.opening import Source
    from analysis.op_model.evaluate.evaluation_csv import write_evaluation
    from analysis.op_model.evaluate.sweep_evaluation import evaluate_sweep, evaluate_sweep_by_model
    from analysis.op_model.sweep_files.chosen import read_chosen

    table = read_chosen(sweep, arch, op)
    if model is not None:
        found = evaluate_sweep_by_model(table, model)
        source = {"model": str(model)}
    else:
        given = Source(params, params_version, arch, sparse_tables, mode, fallback)
        estimator = given.open(table.arch)
        warn(estimator.parameters.warnings)
        found = evaluate_sweep(table, estimator, sparse)
        parameters = estimator.parameters
        source = {"params": f"{parameters.source}, version {parameters.version}", "mode": mode}
    write_evaluation(out, table, found.cycles)
    pictures = found.draw(plot) if plot else []
    if as_json:
        told = {
            "n_dropped": len(table.dropped),
            "out": str(out),
            "pictures": [str(path) for path in pictures],
            "warnings": list(found.warnings),
        }
        typer.echo(json.dumps({**found.evaluation.as_json(), **source, **told}))
        return
    warn(found.warnings)
    _print(found.evaluation)
    for name, value in source.items():
        typer.echo(f"{name}: {value}")
    for path in (out, *pictures):
        typer.echo(f"wrote {path}")


def _print(evaluation: Evaluation) -> None:
    from rich.table import Table

    from analysis.console import show
    from analysis.op_model.commands.numerals import percent

    errors = evaluation.errors
    table = Table(box=None, show_header=False)
    table.add_row("rows", f"{errors.n:,}")
    table.add_row("MAPE", percent(errors.mape))
    table.add_row("RRMSE", percent(errors.rrmse))
    table.add_row("RMSRE", percent(errors.rmsre))
    table.add_row("R²", f"{errors.r2:.5f}")
    show(table)
    ratios = Table(title="estimate / runtime", title_justify="left", box=None, pad_edge=False)
    for percentile in evaluation.ratio_percentiles:
        ratios.add_column(
            {0: "least", 50: "median", 100: "largest"}.get(percentile, f"{percentile} %")
        )
    ratios.add_row(*(f"{ratio:.3f}" for ratio in evaluation.ratio_percentiles.values()))
    show(ratios)
    _print_shares("errors by size", evaluation.by_size)
    if evaluation.by_attribute:
        _print_shares("errors by attribute", evaluation.by_attribute)


def _print_shares(title: str, shares: Iterable[Share]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from analysis.console import show
    from analysis.op_model.commands.numerals import percent

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("")
    for name in ("rows", "MAPE", "RRMSE", "RMSRE", "mean ratio", "least", "largest"):
        table.add_column(name, justify="right")
    shown = ""
    for share in shares:
        errors = share.errors
        ratios = (share.mean_ratio, share.least_ratio, share.largest_ratio)
        table.add_row(
            "" if share.name == shown else share.name,
            escape(share.value),
            f"{errors.n:,}",
            *map(percent, (errors.mape, errors.rrmse, errors.rmsre)),
            *(f"{ratio:.3f}" for ratio in ratios),
        )
        shown = share.name
    show(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "evaluate",
        epilog="Example: farm op-model evaluate wormhole_b0/exp-op-performance.csv exp.csv "
        "--params params/ --plot pictures/",
    )(evaluate)
