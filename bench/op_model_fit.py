"""Fits of recorded op sweeps against their bars, one row per file.

Run ``python bench/op_model_fit.py [FOLDER]``; FOLDER holds the sweeps, ``reference_errors.csv`` and
``reference_coefs.csv``, ``opmodel`` in the folder SWEEPFARM_DATA if left out.  The exit
code is 1 if a bar is missed.

``ours`` is the MAPE of rows held back, in percent (5 folds, the recipe chosen within each),
``apart`` with all repeats of a configuration held back together; ``noise`` what the mean of its
repeats leaves; ``reference`` a cross-validated model made elsewhere, ``original`` the regression of
the parameter files on its own rows.  Bars: at most max(1.25 reference, reference + 0.10), and below
the original; where repeats differ by more than 2 %, at most 1.35 of that; of sparse products at
most 1.5, and 5.0 without a process.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.op_model.error_measures import measure_errors
from analysis.op_model.fit.fitted_model import FittedModel
from analysis.op_model.fit.fitting import fit_model
from analysis.op_model.fit.folds import configurations
from analysis.op_model.fit.reference_regression import fit_reference
from analysis.op_model.sweep_files.reader import SweepTable, find_sweeps, read_sweep

LARGEST_MEDIAN = 0.6
LEAST_SHARE_BELOW_ORIGINAL = 0.95
SPARSE_BEST, SPARSE_CLOSED_FORM = 1.5, 5.0
NOISY, SLACK_OF_NOISE = 2.0, 1.35
LARGEST_COEFFICIENT_ERROR = 1e-6


def noise_floor(rows: pd.DataFrame) -> float:
    """MAPE of the mean of each configuration's repeats, in percent, over those with repeats."""
    repeats = rows.assign(unit=configurations(rows)).groupby("unit")["runtime_cycles"]
    mean, count = repeats.transform("mean"), repeats.transform("count")
    is_repeated = (count > 1).to_numpy()
    if not is_repeated.any():
        return 0.0
    return measure_errors(
        mean.to_numpy()[is_repeated], rows["runtime_cycles"].to_numpy(np.float64)[is_repeated]
    ).mape


def coefficient_error(table: SweepTable, op: str, coefficients: pd.DataFrame) -> float:
    """Largest relative difference from the original's coefficients."""
    own = coefficients[(coefficients["arch"] == table.arch) & (coefficients["op"] == op)]
    weights = fit_reference(table)[0].weights if len(own) else {}
    differences = [
        abs(weights[name] - value) / max(abs(value), 1e-8)
        for name, value in zip(own["coefficient"], own["value"], strict=True)
    ]
    return max(differences, default=0.0)


def judge(
    model: FittedModel, reference: float | None, original: float | None, noise: float
) -> tuple[float, list[str]]:
    """Bar of a fit, and what it misses."""
    ours = model.validation.rows.mape
    missed = []
    if model.op == "matmul_sparse":
        bar = SPARSE_BEST
        if model.validation.by_recipe["full"] > SPARSE_CLOSED_FORM:
            missed.append("closed form")
    elif reference is None or original is None:
        bar = float("nan")
    else:
        bar = max(1.25 * reference, reference + 0.10)
        if ours >= original:
            missed.append("original")
    if noise > NOISY:
        bar = min(bar, SLACK_OF_NOISE * noise)
    return bar, (["bar"] if ours > bar else []) + missed


def main() -> int:
    named = os.environ.get("SWEEPFARM_DATA")
    if len(sys.argv) < 2 and named is None:
        print("name the folder of recorded op sweeps, or set SWEEPFARM_DATA", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(str(named)) / "opmodel"
    errors = pd.read_csv(folder / "reference_errors.csv")
    coefficients = pd.read_csv(folder / "reference_coefs.csv")
    known = {(file, model): mape for file, model, mape in errors[["file", "model", "mape"]].values}
    op_of = dict(zip(errors["file"], errors["op"], strict=True))
    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    for name in ("n", "ours", "apart", "noise", "reference", "bar", "original", "s"):
        table.add_column(name, justify="right")
    table.add_column("recipe")
    table.add_column("missed")
    found: list[tuple[float, float | None, list[str], float]] = []
    started_s = time.monotonic()
    for path in find_sweeps([folder]):
        sweep, name = read_sweep(path), str(path.relative_to(folder))
        for op in sweep.ops:
            began_s = time.monotonic()
            rows = sweep.frame[sweep.frame["op"] == op].reset_index(drop=True)
            model = fit_model(rows, name)
            reference, original = (known.get((name, m)) for m in ("ours_cv", "their_regression"))
            noise = noise_floor(rows)
            bar, missed = judge(model, reference, original, noise)
            parity = coefficient_error(sweep, op_of.get(name, ""), coefficients)
            if parity > LARGEST_COEFFICIENT_ERROR:
                missed.append(f"coefficients {parity:.1e}")
            ours = model.validation.rows.mape
            found.append((ours, original, missed, parity))
            table.add_row(
                f"{name} {op}" if len(sweep.ops) > 1 else name,
                str(len(rows)),
                *(f"{ours:.4f}", f"{model.validation.configurations.mape:.4f}"),
                f"{noise:.4f}" if noise else "-",
                *("-" if v is None else f"{v:.4f}" for v in (reference, bar, original)),
                *(f"{time.monotonic() - began_s:.1f}", model.recipe),
                f"[red]{', '.join(missed)}[/red]",
            )
    Console(width=170).print(table)
    return report(found, time.monotonic() - started_s)


def report(found: list[tuple[float, float | None, list[str], float]], wall_s: float) -> int:
    """Print totals; returns the exit code."""
    middle = median(ours for ours, original, *_ in found if original is not None)
    against = [(ours, original) for ours, original, *_ in found if original is not None]
    n_below = sum(ours < original for ours, original in against)
    n_missed = sum(bool(missed) for _, _, missed, _ in found)
    print(
        f"{len(found)} fits in {wall_s:.0f} s; median MAPE {middle:.4f} (of dense files at most "
        f"{LARGEST_MEDIAN}); below the original: {n_below} of {len(against)}; bars missed: "
        f"{n_missed}; original's coefficients within {max(parity for *_, parity in found):.1e}"
    )
    is_good = (
        middle <= LARGEST_MEDIAN
        and n_below >= LEAST_SHARE_BELOW_ORIGINAL * len(against)
        and not n_missed
    )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
