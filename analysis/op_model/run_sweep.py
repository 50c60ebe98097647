"""From measured operations to parameters: raw CSV files, regression, a version of the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from analysis.op_model.attribute_sets import BASE
from analysis.op_model.fit_record import FitRecord
from analysis.op_model.operation_results import operation_results
from analysis.op_model.ops import Category, category
from analysis.op_model.parameter_fit import SetFit, fit_sets, specificity
from analysis.op_model.parameter_versions import find_versions, next_version_path
from analysis.op_model.parameters import Parameters, Sets, read_parameters, write_parameters
from analysis.op_model.sweep_csv import SweepTable, read_sweep
from analysis.op_model.sweep_csv_writer import csv_text
from analysis.op_model.sweep_folder import Part
from farm.errors import FormatError, UsageError
from farm.store.directory import SweepDirectory
from farm.store.files import TEMPORARY, Files, StoreAccess
from farm.store.manifest import Manifest
from sweeps.op_model.operation import SHAPE_PARTS, Operation

if TYPE_CHECKING:
    import pandas as pd

_OP_COLUMNS = frozenset({"Unary-Type", "Binary-Type", "quant_type"})


@dataclass(frozen=True)
class Swept:
    """What became of one operation.

    Attributes
    ----------
    op_name : str
        The operation.
    file : str
        Its raw CSV file.
    n_tests, n_ok : int
        Configurations, and how many were measured.
    reasons : dict
        Why the others were not -> how many.
    fits : tuple of SetFit
        The parameter sets that were fitted.
    model : str
        The file of its model, which is more exact than parameter sets; empty if there is none.
    model_mape : float or None
        Mean error of the model on rows that were held back, in percent.
    problem : str
        Why nothing was fitted; empty if something was.
    warnings : tuple of str
        What limits their worth.
    """

    op_name: str
    file: str
    n_tests: int
    n_ok: int
    reasons: dict[str, int] = field(default_factory=dict)
    fits: tuple[SetFit, ...] = ()
    model: str = ""
    model_mape: float | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**own, "fits": [fit.as_json() for fit in self.fits]}


def export(parts: Iterable[Part], operations: Sequence[Operation], raw: Path) -> list[str]:
    """Write the raw CSV files of operations, and for each a list of its failed tests.

    Parameters
    ----------
    parts : Iterable of Part
        Completed sweep directories that hold the operations.
    operations : Sequence of Operation
        The operations.
    raw : Path
        Folder of the files.

    Returns
    -------
    list of str
        Which operations have no configuration that fits a core, and why.

    Raises
    ------
    FarmError
        If a directory is damaged, or the disk refuses.
    """
    warnings = []
    wanted = {operation.op_name: operation for operation in operations}
    with StoreAccess("make", raw):
        raw.mkdir(parents=True, exist_ok=True)
    files = Files(raw)
    for part in parts:
        directory = SweepDirectory.open(part.path)
        results = operation_results(directory)
        warnings += _without_tests(directory.manifest, wanted)
        for name in wanted.keys() & results.keys():
            operation, rows = wanted[name], results[name]
            files.replace(operation.data_file, csv_text(operation, rows).encode())
            failed = [
                {"Test-ID": i, **_failure(row)}
                for i, row in enumerate(rows)
                if row["cycles"] is None
            ]
            path = failed_tests_path(raw, operation)
            if failed:
                text = yaml.safe_dump(failed, sort_keys=False, width=1000)
                files.replace(path.name, text.encode())
            else:
                path.unlink(missing_ok=True)
    _remove_empty(raw / TEMPORARY)
    return warnings


def _without_tests(manifest: Manifest, wanted: Collection[str]) -> list[str]:
    """Say which operations have no configuration that fits a core, and why."""
    said = []
    for suite in manifest.suites:
        if suite["name"] in wanted and not suite["n_vectors"]:
            reasons = [f"{reason} ({n})" for reason, n in suite["rejected"].items() if n]
            said.append(f"{suite['name']} has no configuration to measure: {'; '.join(reasons)}")
    return said


def failed_tests_path(raw: Path, operation: Operation) -> Path:
    """Where the failed tests of an operation are listed."""
    return raw / f"{operation.data_file.removesuffix('.csv')}-failed.yaml"


def _failure(row: Mapping[str, Any]) -> dict[str, Any]:
    axes = ("input_format", "output_format", "fidelity", "vector_mode")
    return {
        "status": row["status"],
        "reason": row["reason"],
        **{axis: row[axis] for axis in axes},
        **{part: row[part] for part in SHAPE_PARTS if row[part]},
    }


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def assess(
    operation: Operation,
    raw: Path,
    arch: str,
    is_fitted: bool = True,
    models: Path | None = None,
) -> Swept:
    """Count the tests in the raw CSV file of an operation, and fit its parameter sets to them.

    Parameters
    ----------
    operation : Operation
        The operation.
    raw : Path
        Folder of the file.
    arch : str
        Architecture.
    is_fitted : bool
        Whether parameter sets are wanted.
    models : Path or None
        Folder for a model of the operation; None: none is wanted.

    Raises
    ------
    UsageError
        If there is no such file.
    FormatError
        If it is no sweep.
    """
    path = raw / operation.data_file
    if not path.exists():
        raise UsageError(f"{path}: there are no measurements of {operation.op_name}")
    reasons = _reasons(raw, operation)
    n_failed, n_rows = sum(reasons.values()), max(path.read_bytes().count(b"\n") - 1, 0)
    if n_failed and n_failed == n_rows:
        problem = f"none of {n_failed} tests was measured"
        return Swept(operation.op_name, str(path), n_failed, 0, reasons, problem=problem)
    table = read_sweep(path, arch)
    rows, others = _rows_of(operation, table)
    reasons = reasons or dict(Counter(row.reason for row in table.dropped))
    warnings = list(table.warnings)
    if others:
        warnings.append(f"{path}: rows of {', '.join(others)} are passed over")
    swept = Swept(
        operation.op_name,
        str(path),
        len(rows) + len(table.dropped),
        len(rows),
        reasons,
        tuple(fit_sets(rows)) if is_fitted else (),
        warnings=tuple(warnings),
    )
    return _with_model(swept, replace(table, frame=rows), models) if models else swept


def _with_model(swept: Swept, table: SweepTable, models: Path) -> Swept:
    from analysis.op_model.fit_sweeps import FitOptions, fit_table

    try:
        (result,) = fit_table(table, FitOptions(out=models))
    except UsageError as error:
        return replace(swept, warnings=(*swept.warnings, f"{swept.op_name}: no model: {error}"))
    mape = result.held_back.mape if result.held_back else None
    return replace(swept, model=result.model, model_mape=mape)


def _reasons(raw: Path, operation: Operation) -> dict[str, int]:
    path = failed_tests_path(raw, operation)
    if not path.exists():
        return {}
    try:
        failed = yaml.safe_load(path.read_text())
        return dict(Counter(f"{test['status']}: {test['reason']}" for test in failed))
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: no list of failed tests: {error}") from error


def _rows_of(operation: Operation, table: SweepTable) -> tuple[pd.DataFrame, list[str]]:
    """Rows of an operation, and the other operations in its file."""
    rows = table.frame
    if not _OP_COLUMNS & set(table.header):
        rows = rows.assign(op=operation.op)
    for name in ("approx", "l1_accumulate"):
        values = operation.values()[name]
        if len(values) == 1:
            rows = rows.assign(**{name: values[0]})
    is_own = rows["op"] == operation.op
    others = sorted(set(rows["op"][~is_own]))
    if not is_own.any():
        raise FormatError(f"{table.path}: it holds {', '.join(others)}, and no {operation.op}")
    return rows[is_own], others


def publish(folder: Path, arch: str, results: Sequence[Swept]) -> tuple[Parameters, bool]:
    """Write what was fitted as a new version, together with all else that the newest one has.

    Returns
    -------
    tuple
        The parameters, read back, and whether they are new: no version is written for weights that
        the newest one has already.

    Raises
    ------
    UsageError
        If nothing was fitted.
    FormatError
        If the newest version does not load.
    """
    fits = {(fit.op, fit.set_name): (fit, result) for result in results for fit in result.fits}
    if not fits:
        raise UsageError(
            "no operation was measured, so there are no weights to write; "
            + "; ".join(f"{result.op_name}: {result.problem}" for result in results[:3])
        )
    versions = find_versions(folder).get(arch, {})
    newest = max(versions, default=0)
    before = read_parameters(versions[newest], arch, newest) if newest else None
    operations: dict[str, dict[str, Mapping[str, float]]] = {}
    records = dict(before.records) if before else {}
    if before:
        operations = {op: dict(sets) for op, sets in before.operations.items()}
    for (op, name), (fit, result) in fits.items():
        operations.setdefault(op, {})[name] = fit.weights
        records[op, name] = FitRecord(
            fit.errors.n, fit.errors.mape, False, Path(result.file).name, fit.ranges
        )
    merged = {op: _ordered(op, sets) for op, sets in operations.items()}
    if before and merged == before.operations:
        return before, False
    path = next_version_path(folder, arch)
    write_parameters(path, merged, records)
    return read_parameters(path, arch, newest + 1), True


def _ordered(op: str, sets: Sets) -> Sets:
    """Put the most special sets last, for readers that take the last one that holds."""
    own = dict(sets)
    if category(op) is Category.QUANTISATION:
        # All questions are of whole numbers and base is never the answer; but it has to exist.
        own[BASE] = own[min(own.keys() - {BASE}, key=specificity)]
    return {name: own[name] for name in sorted(own, key=specificity)}
