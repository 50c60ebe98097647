"""Evaluate an estimator on a sweep file: choose its rows, estimate them, compare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptor_table import Descriptors, RowError
from analysis.op_model.estimate_frame import warning_counts
from analysis.op_model.estimator import Estimates, Estimator
from analysis.op_model.evaluation import Evaluation, evaluate, work_tiles
from analysis.op_model.sweep_csv import SweepTable, read_sweep
from analysis.op_model.sweep_names import parse_sweep_name
from farm.errors import UsageError

SPARSE_FORMULAS = ("v1", "v2")


@dataclass(frozen=True, eq=False)
class SweepEvaluation:
    """Estimates of a sweep, and how far they are off.

    Attributes
    ----------
    sweep : SweepTable
        The sweep.
    estimates : Estimates
        Estimates of its rows.
    evaluation : Evaluation
        Their errors.
    warnings : tuple of str
        What limits the worth of it.
    """

    sweep: SweepTable
    estimates: Estimates
    evaluation: Evaluation
    warnings: tuple[str, ...]

    def draw(self, folder: Path) -> list[Path]:
        """Draw the pictures into a folder; returns their files."""
        from analysis.op_model.evaluation_charts import draw_evaluation

        return draw_evaluation(
            folder,
            self.sweep.path.stem,
            self.sweep.frame["runtime_cycles"].to_numpy(np.float64),
            self.estimates.cycles,
            work_tiles(self.estimates.sizes),
            set_names(self.estimates),
        )


def read_chosen(path: Path, arch: str | None, op: str | None) -> SweepTable:
    """Read a sweep, or its rows of one operation.

    Parameters
    ----------
    path : Path
        The file.
    arch : str, optional
        Architecture, if the file does not tell it.
    op : str, optional
        Operation, with its attributes, such as ``exp_approx``: chooses the rows of it in a file
        of several operations, else says what the file's rows are.

    Raises
    ------
    UsageError, FormatError
        As `read_sweep`.
    """
    if op is None:
        return read_sweep(path, arch)
    name = parse_sweep_name(Path(op))
    sweep = read_sweep(path, arch)
    warnings = list(sweep.warnings)
    if name.op not in sweep.ops:
        warnings.append(f"{path} is of {', '.join(sweep.ops)}; it is taken for {name.op}")
        sweep = read_sweep(path, arch, name.op)
    rows = (sweep.frame["op"] == name.op).to_numpy()
    frame = sweep.frame[rows].reset_index(drop=True)
    if name.approx:
        frame["approx"] = True
    if name.l1_accumulate:
        frame["l1_accumulate"] = True
    if name.attribute:
        frame["attribute"] = name.attribute
    cells = sweep.cells[rows].reset_index(drop=True)
    return replace(sweep, frame=frame, cells=cells, warnings=tuple(warnings))


def evaluate_sweep(
    sweep: SweepTable, estimator: Estimator, sparse: str | None = None
) -> SweepEvaluation:
    """Estimate every row of a sweep and compare with its runtime.

    Parameters
    ----------
    sweep : SweepTable
        The sweep.
    estimator : Estimator
        What estimates.
    sparse : str, optional
        Formula of sparse products, ``v1`` or ``v2``; v2 where it can be by default.

    Raises
    ------
    UsageError
        If `sparse` is unknown or cannot be followed, or a row cannot be estimated.
    """
    frame = sweep.frame
    if sparse is not None:
        _check_sparse(sweep, estimator, sparse)
    if sparse == "v1":
        frame = frame.assign(nz_ublocks=-1, nz_strips=-1)
    try:
        estimates = estimator.estimate_table(Descriptors.from_frame(frame))
    except RowError as error:
        raise UsageError(f"{sweep.path}: measured row {error.row + 1}: {error.reason}") from error
    n_rows = len(frame)
    warnings = [f"{sweep.path}: {warning}" for warning in sweep.warnings]
    if sweep.dropped:
        warnings.append(f"{sweep.path}: {len(sweep.dropped):,} rows without a runtime are left out")
    warnings += [f"{n:,} of {n_rows:,} rows: {w}" for w, n in warning_counts(estimates).items()]
    evaluation = evaluate(frame, estimates.sizes, estimates.cycles, set_names(estimates))
    return SweepEvaluation(sweep, estimates, evaluation, tuple(warnings))


def set_names(estimates: Estimates) -> npt.NDArray[np.str_]:
    """Name formula and parameter set of each row, shape (n,)."""
    names = [
        f"{plan.formula.name}: {plan.choice.op}/{plan.choice.set_name}" for plan in estimates.plans
    ]
    return np.array(names)[estimates.plan_of_row]


def _check_sparse(sweep: SweepTable, estimator: Estimator, sparse: str) -> None:
    if sparse not in SPARSE_FORMULAS:
        raise UsageError(f"--sparse {sparse!r}: it is {' or '.join(SPARSE_FORMULAS)}")
    if "matmul_sparse" not in sweep.ops:
        raise UsageError(f"--sparse: {sweep.path} has no sparse products")
    if sparse == "v2" and estimator.tables is None:
        raise UsageError(
            f"--sparse v2 needs the sparse tables of {estimator.parameters.arch}: name their "
            f"folder with --sparse-tables"
        )
