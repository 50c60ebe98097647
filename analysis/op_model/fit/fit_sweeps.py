"""Fit many sweep files, one operation of one file after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from analysis.op_model.descriptors.ops import CATEGORIES
from analysis.op_model.fit.fit_result import FitResult
from analysis.op_model.fit.fitted_model import FittedModel, write_model
from analysis.op_model.fit.fitting import LEVEL, fit_model
from analysis.op_model.fit.parameter_fit import fit_sets, operations_of
from analysis.op_model.fit.reference_regression import (
    ReferenceFit,
    assess_reference,
    fit_reference,
)
from analysis.op_model.sweep_files.reader import SweepTable
from farm.errors import UsageError
from farm.store.disk_access import StoreAccess


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes
    ----------
    n_folds : int
        Outer folds of the cross-validation.
    recipe : str or None
        The recipe; None to choose.
    out : Path or None
        Folder of the models; None to write none.
    taken : set of Path
        Model files that were written already: each is of one sweep.
    """

    n_folds: int = 5
    recipe: str | None = None
    out: Path | None = None
    taken: set[Path] = field(default_factory=set)


class NoRegressionError(UsageError):
    """The original has no regression for a file's operation."""


Fitter = Callable[[SweepTable, FitOptions], list[FitResult]]


def fit_table(table: SweepTable, options: FitOptions) -> list[FitResult]:
    """Fit a model to each operation of a file, and write it where a folder is given.

    Raises
    ------
    UsageError
        If an operation has too few rows, or the recipe is unknown.
    StoreAccessError
        If the disk refuses.
    """
    originals = {(f.op, f.vector_mode): f for f in fit_reference(table)}
    results = []
    for op in table.ops:
        rows = table.frame[table.frame["op"] == op].reset_index(drop=True)
        try:
            model = fit_model(rows, str(table.path), options.n_folds, options.recipe)
        except UsageError as error:
            raise UsageError(f"{table.path}: {error}") from error
        name = f"{table.path.stem}-{op}" if len(table.ops) > 1 else table.path.stem
        written = ""
        if options.out is not None:
            path = options.out / table.arch / f"{name}.json"
            if path in options.taken:
                raise UsageError(
                    f"{table.path}: {path} is the model of another sweep of this name; give them "
                    f"different --out folders"
                )
            options.taken.add(path)
            write_model(path, model)
            written = str(path)
        own = [f for (f_op, _), f in originals.items() if f_op == op]
        results.append(_result(table, model, own, written))
    return results


def fit_table_as_original(table: SweepTable, options: FitOptions) -> list[FitResult]:
    """Fit a file as the original does.

    Raises
    ------
    NoRegressionError
        If the original has none for the file's operation.
    UsageError
        If a recipe is asked for.
    """
    if options.recipe is not None:
        raise UsageError("--recipe is for --method default: the reference has one recipe")
    fits = fit_reference(table)
    if not fits:
        raise NoRegressionError(
            f"{table.path}: the original has no regression for {', '.join(table.ops)}; leave out "
            f"--method reference"
        )
    results = []
    for original in fits:
        validated, coefficients = assess_reference(original, options.n_folds, LEVEL)
        mode = original.vector_mode
        recipe = "original, mixed" if original.is_mixture else "original"
        result = FitResult(
            path=table.path,
            arch=original.arch,
            op=original.op,
            recipe=f"{recipe} ({mode})" if mode not in {"", "rc"} else recipe,
            training=original.errors,
            held_back=validated,
            configurations=validated,
            reference_mape=original.errors.mape,
            coefficients=coefficients,
            by_recipe={},
            n_dropped=len(table.dropped),
        )
        results.append(result)
    return results


def write_parameter_files(tables: list[SweepTable], out: Path) -> list[Path]:
    """Write the regression of many files as ``OUT/<arch>_params.yaml``.

    Rows of several files that belong to one attribute set are fitted together.  Where t or the
    depth of a reduction is not 1, the regression knows them (`analysis.op_model.fit.parameter_fit`)
    and the original does not; elsewhere both are the same.

    Raises
    ------
    UsageError
        If such a file exists: versions are never edited.
    StoreAccessError
        If the disk refuses.
    """
    import pandas as pd

    from analysis.op_model.parameters.parameter_file import write_parameters

    written = []
    for arch in dict.fromkeys(table.arch for table in tables):
        own = [table for table in tables if table.arch == arch]
        rows = pd.concat([table.frame for table in own])
        fits = fit_sets(rows[rows["op"].isin(CATEGORIES)])
        if fits:
            source = own[0].path.name if len(own) == 1 else f"{len(own)} sweeps"
            records = {(fit.op, fit.set_name): fit.record(source) for fit in fits}
            with StoreAccess("make", out):
                out.mkdir(parents=True, exist_ok=True)
            path = out / f"{arch}_params.yaml"
            write_parameters(path, operations_of(fits), records)
            written.append(path)
    return written


def _result(
    table: SweepTable, model: FittedModel, originals: list[ReferenceFit], written: str
) -> FitResult:
    n = sum(original.errors.n for original in originals)
    weighted = sum(original.errors.n * original.errors.mape for original in originals)
    return FitResult(
        path=table.path,
        arch=model.arch,
        op=model.op,
        recipe=model.recipe,
        training=model.training,
        held_back=model.validation.rows,
        configurations=model.validation.configurations,
        reference_mape=weighted / n if n else None,
        coefficients=model.coefficients,
        by_recipe=dict(model.validation.by_recipe),
        n_dropped=len(table.dropped),
        model=written,
    )
