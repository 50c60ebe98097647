"""Tables of descriptors: read them, and put the estimates beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.estimator.estimator import Estimates, Estimator
from analysis.op_model.fit.model_estimates import estimate_rows, open_models
from farm.errors import FormatError, UsageError

_FIRST_LINE = 2
"""Line of the first row below the header."""


@dataclass(frozen=True, eq=False)
class EstimatedFrame:
    """Descriptors with their estimates.

    Attributes
    ----------
    frame : DataFrame
        The columns given, then `estimate_cycles`, `formula`, `params_version`, `params_set`,
        `is_fallback` and `expected_error_percent`.
    warnings : tuple of str
        What limits the worth of estimates, with the number of rows that each is about.
    """

    frame: pd.DataFrame
    warnings: tuple[str, ...]


def read_descriptor_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a CSV table with a column per key of a descriptor.

    Returns
    -------
    tuple
        The table, and the names of its columns that are no keys.

    Raises
    ------
    UsageError
        If the file cannot be opened.
    FormatError
        If it is no table.
    """
    try:
        frame = pd.read_csv(path, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise FormatError(f"{path}: no CSV table: {' '.join(str(error).split())}") from error
    if frame.empty:
        raise FormatError(f"{path}: the table has no rows")
    frame.columns = [str(name).strip() for name in frame.columns]
    known = Descriptor("nop").as_json()
    return frame, [str(name) for name in frame.columns if name not in known]


def estimate_frame(
    frame: pd.DataFrame, open_estimator: Callable[[str], Estimator], where: str
) -> EstimatedFrame:
    """Estimate every row of a table.

    Parameters
    ----------
    frame : pandas.DataFrame
        Descriptors, a column per key.
    open_estimator : Callable
        Makes the estimator of an architecture; called once for each, with an empty text where
        rows do not say theirs.
    where : str
        The file, for messages.

    Raises
    ------
    UsageError
        If a row is no descriptor, or cannot be estimated; the message names its line.
    """
    archs = frame["arch"].astype(str) if "arch" in frame else pd.Series("", index=frame.index)
    parts = []
    file_warnings: list[str] = []
    warnings: dict[str, int] = {}
    for arch in archs.unique():
        rows = np.flatnonzero(archs == arch)
        estimator = open_estimator(arch)
        file_warnings += estimator.parameters.warnings
        try:
            answers = estimator.estimate_table(Descriptors.from_frame(frame.iloc[rows]))
        except RowError as error:
            line = rows[error.row] + _FIRST_LINE
            raise UsageError(f"{where}, line {line}: {error.reason}") from error
        parts.append(answer_columns(answers).set_index(frame.index[rows]))
        for warning, n_rows in warning_counts(answers).items():
            warnings[warning] = warnings.get(warning, 0) + n_rows
    return EstimatedFrame(
        frame.join(pd.concat(parts)),
        (*file_warnings, *(f"{n:,} of {len(frame):,} rows: {w}" for w, n in warnings.items())),
    )


def estimate_frame_by_model(
    frame: pd.DataFrame, model: Path, arch: str, where: str
) -> EstimatedFrame:
    """Estimate every row of a table with fitted models.

    Parameters
    ----------
    frame : pandas.DataFrame
        Descriptors, a column per key.
    model : Path
        Model file, or a folder of them.
    arch : str
        Architecture where rows do not say theirs; empty for any.
    where : str
        The file, for messages.

    Raises
    ------
    UsageError
        If a row is no descriptor, or no model knows it; the message names its line.
    FormatError
        If a file is no model.
    """
    models = open_models(model)
    try:
        rows = Descriptors.from_frame(frame).as_frame()
        rows["arch"] = rows["arch"].where(rows["arch"] != "", arch)
        answers = estimate_rows(models, rows)
    except RowError as error:
        raise UsageError(f"{where}, line {error.row + _FIRST_LINE}: {error.reason}") from error
    return EstimatedFrame(frame.join(answers.as_frame().set_index(frame.index)), answers.warnings)


def answer_columns(answers: Estimates) -> pd.DataFrame:
    """Put estimates and where they come from into columns."""
    by_plan = pd.DataFrame(
        {
            "formula": [plan.formula.name for plan in answers.plans],
            "params_version": [plan.choice.version for plan in answers.plans],
            "params_set": [f"{p.choice.op}/{p.choice.set_name}" for p in answers.plans],
            "is_fallback": [plan.choice.is_fallback for plan in answers.plans],
        }
    )
    columns = by_plan.iloc[answers.plan_of_row].reset_index(drop=True)
    columns.insert(0, "estimate_cycles", answers.cycles)
    columns["expected_error_percent"] = answers.expected_error_percent
    return columns


def warning_counts(answers: Estimates) -> dict[str, int]:
    """Count the rows that each warning is about."""
    counts: dict[str, int] = {}
    n_rows = np.bincount(answers.plan_of_row, minlength=len(answers.plans))
    for plan, n in zip(answers.plans, n_rows.tolist(), strict=True):
        for warning in plan.warnings:
            counts[warning] = counts.get(warning, 0) + n
    n_outside = int(answers.is_extrapolated.sum())
    if n_outside:
        counts["an extrapolation beyond the sizes that were fitted"] = n_outside
    return counts
