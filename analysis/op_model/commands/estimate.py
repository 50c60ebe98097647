"""``farm op-model estimate``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from farm.errors import UsageError
from farm.store.disk_access import StoreAccess

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from analysis.op_model.descriptors.descriptor import Descriptor
    from analysis.op_model.estimator.estimator import Estimate
    from analysis.op_model.estimator.opening import Source


def estimate(
    assignments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE...]", help="The descriptor, if not --from.", show_default=False
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|-",
            help="Descriptors: JSON (one object or a list; - is stdin), or a CSV table with a "
            "column per key.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Where to write a table's estimates.", show_default="stdout"
        ),
    ] = None,
    model: ModelOption = None,
    params: ParamsOption = None,
    params_version: VersionOption = None,
    arch: ArchOption = None,
    sparse_tables: SparseTablesOption = None,
    mode: ModeOption = "normal",
    fallback: FallbackOption = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate the cycles of operations from their descriptors.

    Keys: op, t, mblock_m, mblock_n, ublock_rt, ublock_ct, mblock_k, ublock_kt, reduce_z, nz_tiles,
    nz_ublocks, nz_strips, input_format, output_format, fidelity, vector_mode, approx,
    l1_accumulate, attribute, arch.
    """
    from analysis.console import warn
    from analysis.op_model.estimator.opening import Source

    if bool(assignments) == bool(source):
        raise UsageError(
            "describe the operation: KEY=VALUE..., such as op=add mblock_m=4, or --from"
        )
    given = Source(params, params_version, arch, sparse_tables, mode, fallback)
    is_table = source is not None and source.suffix.lower() == ".csv"
    if out is not None and not is_table:
        raise UsageError("--out is for the estimates of a table: --from FILE.csv")
    if source is not None and is_table:
        _write_table(_estimated(source, given, model), out, as_json)
        return
    descriptors = _descriptors(assignments or [], source)
    if model is not None:
        _answer_by_model(model, descriptors, arch, as_json)
        return
    estimators = {arch: given.open(arch) for arch in dict.fromkeys(d.arch for d in descriptors)}
    warn(text for estimator in estimators.values() for text in estimator.parameters.warnings)
    answers = [estimators[descriptor.arch].estimate(descriptor) for descriptor in descriptors]
    if as_json:
        _print_json([answer.as_json() for answer in answers])
        return
    for descriptor, answer in zip(descriptors, answers, strict=True):
        _print(descriptor, answer)


def _print_json(answers: list[dict[str, Any]]) -> None:
    typer.echo(json.dumps(answers[0] if len(answers) == 1 else answers))


def _answer_by_model(
    model: Path, descriptors: list[Descriptor], arch: str | None, as_json: bool
) -> None:
    from analysis.console import show, warn
    from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
    from analysis.op_model.fit.model_estimates import estimate_rows, open_models

    rows = Descriptors.of(descriptors).as_frame()
    if arch:
        rows["arch"] = arch
    try:
        found = estimate_rows(open_models(model), rows)
    except RowError as error:
        raise UsageError(error.reason) from error
    answers = found.as_json()
    if as_json:
        _print_json(answers)
        return
    for descriptor, answer in zip(descriptors, answers, strict=True):
        show(_model_table(descriptor, answer))
    warn(found.warnings)


def _model_table(descriptor: Descriptor, answer: dict[str, Any]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_row(descriptor.op, f"[bold]{answer['cycles']:,.0f} cycles[/bold]")
    ends = f"{answer['low_cycles']:,.0f} to {answer['high_cycles']:,.0f}"
    table.add_row("interval", f"{ends}, {answer['level']:.0%} of measurements")
    error = answer["expected_error_percent"]
    known = f"mean error {error:.3g} % of rows not fitted" if error is not None else "unknown"
    table.add_row("sureness", known + (", beyond the fit" if answer["is_extrapolated"] else ""))
    table.add_row("model", escape(f"{answer['op']} on {answer['arch']}, recipe {answer['recipe']}"))
    table.add_row("fitted on", escape(f"{answer['source']}, {answer['n_rows']} rows"))
    table.add_row("file", escape(answer["model_file"]))
    return table


def _descriptors(assignments: list[str], source: Path | None) -> list[Descriptor]:
    from analysis.op_model.descriptors.descriptor import Descriptor

    if source is None:
        return [Descriptor.parse(assignments)]
    found = (
        Descriptor.loads(sys.stdin.read(), "stdin")
        if str(source) == "-"
        else Descriptor.read(source)
    )
    if not found:
        raise UsageError(f"{source}: the list of descriptors is empty")
    return found


def _print(descriptor: Descriptor, answer: Estimate) -> None:
    from rich.markup import escape
    from rich.table import Table

    from analysis.console import show, warn

    choice = answer.choice
    table = Table(box=None, show_header=False)
    cycles = f"{answer.cycles:,.0f}" if answer.cycles >= 100 else f"{answer.cycles:.4g}"
    table.add_row(descriptor.op, f"[bold]{cycles} cycles[/bold]")
    table.add_row("sureness", escape(answer.sureness))
    table.add_row("formula", answer.formula)
    table.add_row(
        "parameters",
        escape(f"{choice.op}/{choice.set_name} of {choice.arch} version {choice.version}"),
    )
    table.add_row("chosen", escape(choice.reason))
    table.add_row("file", escape(choice.source))
    show(table)
    warn(answer.warnings)


def _estimated(path: Path, given: Source, model: Path | None) -> pd.DataFrame:
    """Read a table and put the estimates beside it."""
    from analysis.console import warn
    from analysis.op_model.evaluate.estimate_frame import (
        estimate_frame,
        estimate_frame_by_model,
        read_descriptor_table,
    )

    table, unused = read_descriptor_table(path)
    if unused:
        warn([f"{path}: columns that say nothing about an operation: {', '.join(unused)}"])
    if model is None:
        estimated = estimate_frame(table, given.open, str(path))
    else:
        estimated = estimate_frame_by_model(table, model, given.arch or "", str(path))
    warn(estimated.warnings)
    return estimated.frame


def _write_table(frame: pd.DataFrame, out: Path | None, as_json: bool) -> None:
    text = (
        frame.to_json(orient="records")
        if as_json
        else frame.to_csv(index=False, lineterminator="\n")
    )
    if out is None:
        typer.echo(text, nl=as_json)
        return
    with StoreAccess("write", out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {len(frame):,} estimates to {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "estimate",
        epilog="Example: farm op-model estimate op=exp mblock_m=4 mblock_n=4 ublock_rt=2 "
        "ublock_ct=2 output_format=Float16_b --params params/ --arch wormhole_b0",
    )(estimate)
