"""Evaluate an estimator on a sweep file: choose its rows, estimate them, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.descriptor import Sizes
from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.estimator.estimator import Estimates, Estimator
from analysis.op_model.evaluate.estimate_frame import warning_counts
from analysis.op_model.evaluate.evaluation import Evaluation, evaluate, work_tiles
from analysis.op_model.fit.fitted_model import digest_of
from analysis.op_model.fit.model_estimates import estimate_rows, open_models
from analysis.op_model.sweep_files.reader import SweepTable
from farm.errors import UsageError

Floats = npt.NDArray[np.float64]

SPARSE_FORMULAS = ("v1", "v2")


@dataclass(frozen=True, eq=False)
class SweepEvaluation:
    """Estimates of a sweep, and how far they are off.

    Attributes
    ----------
    sweep : SweepTable
        The sweep.
    cycles : ndarray
        Estimates of its n rows, shape (n,).
    sizes : Sizes
        Sizes of the rows, shape (n,) each.
    sets : ndarray
        What estimated each row: formula and parameter set, or model; shape (n,).
    evaluation : Evaluation
        Their errors.
    warnings : tuple of str
        What limits the worth of it.
    """

    sweep: SweepTable
    cycles: Floats
    sizes: Sizes
    sets: npt.NDArray[np.str_]
    evaluation: Evaluation
    warnings: tuple[str, ...]

    def draw(self, folder: Path) -> list[Path]:
        """Draw the pictures into a folder; returns their files."""
        from analysis.op_model.evaluate.evaluation_charts import draw_evaluation

        return draw_evaluation(
            folder,
            self.sweep.path.stem,
            self.sweep.frame["runtime_cycles"].to_numpy(np.float64),
            self.cycles,
            work_tiles(self.sizes),
            self.sets,
        )


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
        raise _named(sweep, error) from error
    n_rows = len(frame)
    return _compared(
        sweep,
        estimates.cycles,
        estimates.sizes,
        set_names(estimates),
        [f"{n:,} of {n_rows:,} rows: {text}" for text, n in warning_counts(estimates).items()],
    )


def evaluate_sweep_by_model(sweep: SweepTable, model: Path) -> SweepEvaluation:
    """Estimate every row of a sweep with fitted models and compare with its runtime.

    Parameters
    ----------
    sweep : SweepTable
        The sweep.
    model : Path
        Model file, or a folder of them.

    Raises
    ------
    UsageError
        If no model knows a row.
    FormatError
        If a file is no model.
    """
    try:
        descriptors = Descriptors.from_frame(sweep.frame)
        answers = estimate_rows(open_models(model), descriptors.as_frame())
    except RowError as error:
        raise _named(sweep, error) from error
    warnings = [
        f"{named.path} was fitted on these very rows: of rows held back its MAPE was "
        f"{named.model.validation.configurations.mape:.3g} %"
        for number, named in enumerate(answers.models)
        if digest_of(sweep.frame[answers.model_of_row == number]) == named.model.rows_digest
    ]
    return _compared(
        sweep,
        answers.cycles,
        descriptors.sizes,
        np.array([answers.models[i].path.name for i in answers.model_of_row]),
        [*answers.warnings, *warnings],
    )


def _compared(
    sweep: SweepTable,
    cycles: Floats,
    sizes: Sizes,
    sets: npt.NDArray[np.str_],
    more_warnings: Sequence[str],
) -> SweepEvaluation:
    warnings = [f"{sweep.path}: {warning}" for warning in sweep.warnings]
    if sweep.dropped:
        warnings.append(f"{sweep.path}: {len(sweep.dropped):,} rows without a runtime are left out")
    evaluation = evaluate(sweep.frame, sizes, cycles, sets)
    return SweepEvaluation(sweep, cycles, sizes, sets, evaluation, (*warnings, *more_warnings))


def _named(sweep: SweepTable, error: RowError) -> UsageError:
    return UsageError(f"{sweep.path}: measured row {error.row + 1}: {error.reason}")


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
