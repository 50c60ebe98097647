"""What became of a swept operation: its tests, its parameter sets, its model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.op_model.fit.parameter_fit import SetFit, fit_sets
from analysis.op_model.run_sweep.export import failure_reasons
from analysis.op_model.sweep_files.reader import NothingMeasuredError, SweepTable, read_sweep
from farm.errors import FormatError, UsageError
from sweeps.op_model.operation import Operation

if TYPE_CHECKING:
    import pandas as pd


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
    reasons = failure_reasons(raw, operation)
    try:
        table = read_sweep(path, arch)
    except NothingMeasuredError as error:
        problem = f"none of {error.n_rows} tests was measured"
        return Swept(operation.op_name, str(path), error.n_rows, 0, reasons, problem=problem)
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
    from analysis.op_model.fit.fit_sweeps import FitOptions, fit_table

    try:
        (result,) = fit_table(table, FitOptions(out=models))
    except UsageError as error:
        return replace(swept, warnings=(*swept.warnings, f"{swept.op_name}: no model: {error}"))
    mape = result.held_back.mape if result.held_back else None
    return replace(swept, model=result.model, model_mape=mape)


def _rows_of(operation: Operation, table: SweepTable) -> tuple[pd.DataFrame, list[str]]:
    """Rows of an operation, and the other operations in its file."""
    rows = table.frame
    if not table.tells_op:
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
