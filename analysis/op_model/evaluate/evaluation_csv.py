"""A sweep with its estimates, as a CSV file.

All columns of the sweep as they were, then `estimate` in whole cycles, `runtime` per input where
the sweep has no column of that name, and `ratio` of the two in six significant digits.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.op_model.sweep_files.reader import SweepTable
from farm.errors import UsageError
from farm.store.disk_access import StoreAccess

_OWN = ("estimate", "runtime", "ratio")


def evaluation_text(sweep: SweepTable, estimate: npt.NDArray[np.float64]) -> str:
    """Write the rows of a sweep with their estimates.

    Parameters
    ----------
    sweep : SweepTable
        Sweep of n rows.
    estimate : ndarray
        Estimated cycles, shape (n,).

    Raises
    ------
    UsageError
        If the sweep has columns of estimates already.
    """
    taken = {"estimate", "ratio"} & set(sweep.header)
    if taken:
        raise UsageError(
            f"{sweep.path} has the column {' and '.join(sorted(taken))} already: is it the "
            f"output of an evaluation?"
        )
    names = [name for name in _OWN if name not in sweep.header]
    whole = np.rint(estimate)
    runtime = sweep.frame["runtime_cycles"].to_numpy(np.float64)
    columns = {
        "estimate": [f"{value:.0f}" for value in whole.tolist()],
        "runtime": [f"{value:.10g}" for value in runtime.tolist()],
        "ratio": [f"{value:.6g}" for value in (whole / runtime).tolist()],
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*sweep.header, *names])
    own = zip(*(columns[name] for name in names), strict=True)
    for cells, added in zip(sweep.cells.itertuples(index=False, name=None), own, strict=True):
        writer.writerow([*cells, *added])
    return text.getvalue()


def write_evaluation(path: Path, sweep: SweepTable, estimate: npt.NDArray[np.float64]) -> None:
    """Write `evaluation_text` to a file, which may exist but must not be the sweep.

    Raises
    ------
    UsageError
        If it is the sweep itself, or as `evaluation_text`.
    StoreAccessError
        If the disk refuses.
    """
    if path.exists() and path.samefile(sweep.path):
        raise UsageError(f"{path} is the sweep itself: it will not be overwritten")
    text = evaluation_text(sweep, estimate)
    with StoreAccess("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
