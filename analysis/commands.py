"""Commands of the analysis: ``farm fit``, ``farm predict``, ``farm report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.console import show
from farm.cli.options import JsonOption
from farm.cli.places import DirectoryArgument

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.models import Models
    from analysis.prediction import Prediction


_N_WORST = 5


def register(app: typer.Typer) -> None:
    """Add the commands to the farm's application."""
    app.command(
        "fit", epilog="Example: farm fit my-sweep --over size-means", rich_help_panel="Learn"
    )(fit)
    app.command(
        "predict",
        epilog="Example: farm predict my-sweep --op reshard input_grid=1x1 output_grid=1x2 "
        "input_strategy=BLOCK output_strategy=WIDTH tiles=64",
        rich_help_panel="Learn",
    )(predict)
    app.command("report", epilog="Example: farm report my-sweep --open", rich_help_panel="Learn")(
        report
    )


def fit(
    directory: DirectoryArgument,
    over: Annotated[
        str,
        typer.Option(
            metavar="vectors|size-means",
            help="Points of a fit: every vector, or the mean duration of each distinct size.",
        ),
    ] = "vectors",
    as_json: JsonOption = False,
) -> None:
    """Fit a line of duration on size per group, from the results alone.

    Writes models/linear.csv and models/linear.parquet: the same bytes that a run writes.
    """
    from analysis.models import CSV_FILE, read_models
    from analysis.worker import AnalysisWorker
    from farm.store.directory import SweepDirectory

    target = SweepDirectory.open(directory)
    path = str(directory)
    summary = AnalysisWorker.publish(path, over, [AnalysisWorker(path, over).fits()])
    if as_json:
        typer.echo(json.dumps(summary))
        return
    show(_summary_table(summary))
    models = read_models(target)
    if models.fitted:
        show(_worst_table(models, target.manifest.group_by))
    typer.echo(f"wrote {directory / CSV_FILE} and its .parquet")


def _summary_table(summary: dict[str, Any]) -> Table:
    from rich.table import Table

    from analysis.units import count, significant

    table = Table(box=None, show_header=False)
    median = summary["median_r2"]
    table.add_row("groups", count(summary["n_groups"]))
    table.add_row("fitted", count(summary["n_fitted"]))
    table.add_row("points", f"{count(summary['n_points'])} ({summary['over']})")
    table.add_row("median R²", "-" if median is None else significant(median, 5))
    for reason, n in summary["reasons"].items():
        table.add_row(f"[dim]{count(n)} without numbers[/dim]", reason)
    return table


def _worst_table(models: Models, axes: tuple[str, ...]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.ranking import constant_axes, ranked
    from analysis.units import percent, significant

    constant = constant_axes(axes, [group.key for group in models.groups])
    table = Table(title="worst groups", title_justify="left", box=None, pad_edge=False)
    shown = [i for i, axis in enumerate(axes) if axis not in constant]
    for i in shown:
        table.add_column(escape(axes[i]))
    for name in ("n", "R²", "RRMSE", "RMSRE"):
        table.add_column(name, justify="right")
    for group in reversed(ranked(models.groups)[-_N_WORST:]):
        line = group.fit
        table.add_row(
            *(escape(group.key[i]) for i in shown),
            str(line.n),
            "-" if line.r2 is None else significant(line.r2, 4),
            "-" if line.rrmse is None else percent(line.rrmse),
            "-" if line.rmsre is None else percent(line.rmsre),
        )
    return table


def predict(
    directory: DirectoryArgument,
    op: Annotated[str, typer.Option(help="Operation.", show_default=False)],
    assignments: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...",
            help="The axes that name the group, and the size or the axes it derives from.",
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Predict the duration of one vector from the fitted models."""
    from analysis.prediction import predict as answer
    from farm.store.directory import SweepDirectory

    prediction = answer(SweepDirectory.open(directory), op, assignments)
    if as_json:
        typer.echo(json.dumps(prediction.as_json()))
        return
    for warning in prediction.warnings:
        typer.echo(f"warning: {warning}", err=True)
    show(_prediction_table(prediction))


def _prediction_table(prediction: Prediction) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from analysis.units import duration_text, percent, significant

    line = prediction.fit
    table = Table(box=None, show_header=False)
    in_unit = duration_text(prediction.duration_ns)
    exact = f"{significant(prediction.duration_ns, 6)} ns"
    same = in_unit.endswith(" ns")
    table.add_row("predicted", f"[bold]{exact}[/bold]" + ("" if same else f" ({in_unit})"))
    table.add_row(prediction.size_name, f"{prediction.size:.17g}")
    if line.rrmse is not None and line.rmsre is not None and line.r2 is not None:
        table.add_row(
            "error of the group",
            f"RRMSE {percent(line.rrmse)}, RMSRE {percent(line.rmsre)}, "
            f"R² {significant(line.r2, 4)}",
        )
    table.add_row(
        "fitted on",
        f"{line.n} points ({prediction.over}), {prediction.size_name} {line.size_min:.17g} to "
        f"{line.size_max:.17g}",
    )
    table.add_row(
        "group", escape(", ".join(f"{name}={value}" for name, value in prediction.group.items()))
    )
    return table


def report(
    directory: DirectoryArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Where to write it.", show_default="DIR/report.html"
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page about a sweep, finished or not."""
    from analysis.report import write_report
    from farm.errors import UsageError
    from farm.store.directory import SweepDirectory

    if open_it and out is None and not directory.is_local:
        raise UsageError(f"--open: {directory} is in a bucket; name a file here by --out FILE.html")
    facts, place = write_report(SweepDirectory.open(directory), out)
    if as_json:
        typer.echo(json.dumps({"file": str(place), **facts.as_json()}))
    else:
        typer.echo(f"wrote {place}")
    if open_it:
        typer.launch(place.path.resolve().as_uri())
