"""``farm op-model fit``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.options import JsonOption
from farm.errors import FarmError, UsageError

if TYPE_CHECKING:
    from analysis.op_model.fit.fit_result import FitResult
    from analysis.op_model.fit.fit_sweeps import Fitter
    from analysis.op_model.sweep_files.reader import SweepTable

_METHODS = ("default", "reference")
_MOST_WITH_COEFFICIENTS = 2
_NEWS_EVERY_S = 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fit", epilog="Example: farm op-model fit raw/wormhole_b0 --out models")(fit)


def fit(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Sweep files (CSV), or folders of them."),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="default|reference",
            help="default: chosen by nested cross-validation; reference: the original regression.",
        ),
    ] = "default",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the models, DIR/<arch>/<file>.json; with --method reference for "
            "DIR/<arch>_params.yaml.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Outer folds of the cross-validation.")] = 5,
    recipe: Annotated[
        str | None,
        typer.Option(help="Take this recipe, such as compact, instead of choosing one."),
    ] = None,
    arch: Annotated[
        str | None, typer.Option(help="Architecture; default: as folder or file name say.")
    ] = None,
    op: Annotated[
        str | None,
        typer.Option(
            help="Operation: which rows of files with several, or what files do not tell.",
            show_default=False,
        ),
    ] = None,
    coefficients: Annotated[
        bool, typer.Option("--coefficients", help="Print the coefficients of many files, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the cycles of operations to their sweeps, and say how far off the fits are.

    Errors are of rows held back from the fit and from the choice of its recipe.
    "repeats apart": all repeats of a configuration held back together.
    "in sample": of the fitted rows. "original": of the original regression.

    Of many files, those that cannot be fitted are named on stderr, and the others are fitted.
    """
    from analysis.console import warn
    from analysis.op_model.fit.fit_sweeps import (
        FitOptions,
        NoRegressionError,
        fit_table,
        fit_table_as_original,
        write_parameter_files,
    )
    from analysis.op_model.sweep_files.chosen import read_chosen
    from analysis.op_model.sweep_files.reader import find_sweeps

    if method not in _METHODS:
        raise UsageError(f"--method {method!r}: it is one of {', '.join(_METHODS)}")
    paths = find_sweeps(data)
    fitter: Fitter = fit_table if method == "default" else fit_table_as_original
    options = FitOptions(folds, recipe, out)
    tables: list[SweepTable] = []
    results: list[FitResult] = []
    problems: list[str] = []
    passed_over: list[str] = []
    for path in _followed(paths):
        try:
            table = read_chosen(path, arch, op)
            results += fitter(table, options)
        except FarmError as error:
            if len(paths) == 1:
                raise
            told = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
            told = f"not fitted: {told}"
            (passed_over if isinstance(error, NoRegressionError) else problems).append(told)
        else:
            tables.append(table)
    warn([*_remarks(tables), *passed_over, *problems])
    if not results:
        raise UsageError("no file could be fitted")
    written = write_parameter_files(tables, out) if out and method == "reference" else []
    _print(results, paths, coefficients, as_json, problems, [str(path) for path in written])


def _followed(paths: list[Path]) -> Iterator[Path]:
    """Say on stderr where a long fit is: a bar on a terminal, else a line now and then."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if console.is_terminal and len(paths) > 1:
        yield from track(paths, "fitting", console=console, transient=True)
        return
    said_s = time.monotonic()
    for i, path in enumerate(paths):
        if time.monotonic() - said_s > _NEWS_EVERY_S:
            said_s = time.monotonic()
            typer.echo(f"{i} of {len(paths)} files fitted", err=True)
        yield path


def _remarks(tables: list[SweepTable]) -> Iterator[str]:
    for table in tables:
        for warning in table.warnings:
            yield f"{table.path}: {warning}"
        if table.dropped:
            named = ", ".join(row.test_id or f"line {row.line}" for row in table.dropped[:5])
            more = ", ..." if len(table.dropped) > 5 else ""
            rows = "1 row was" if len(table.dropped) == 1 else f"{len(table.dropped)} rows were"
            yield f"{table.path}: {rows} not measured: {named}{more}"


def _print(
    results: list[FitResult],
    paths: list[Path],
    coefficients: bool,
    as_json: bool,
    problems: list[str],
    written: list[str],
) -> None:
    from os.path import commonpath

    from analysis.console import show
    from analysis.op_model.commands.fit_tables import coefficient_table, error_table, recipe_table
    from analysis.op_model.commands.numerals import percent
    from analysis.op_model.fit.fit_result import summary
    from analysis.op_model.fit.fitting import LEVEL

    total = summary(results)
    if as_json:
        fits = [result.as_json() for result in results]
        facts = {"fits": fits, "summary": total, "problems": problems, "parameters": written}
        typer.echo(json.dumps(facts))
        return
    if len(results) <= _MOST_WITH_COEFFICIENTS or coefficients:
        for result in results:
            show(coefficient_table(result, LEVEL))
            if len(result.by_recipe) > 1:
                show(recipe_table(result))
    folder = Path(commonpath([path.absolute().parent for path in paths]))
    show(error_table(results, folder))
    if len(results) > 1 and total["median_mape"] is not None:
        original = total["median_reference_mape"]
        against = "" if original is None else f"; of the original regression: {percent(original)}"
        typer.echo(
            f"{total['n_fits']} fits, {total['n_rows']:,} rows; median MAPE of rows held back: "
            f"{percent(total['median_mape'])}{against}"
        )
    for path in [*(result.model for result in results if result.model), *written]:
        typer.echo(f"wrote {path}")
