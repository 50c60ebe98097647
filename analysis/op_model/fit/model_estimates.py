"""Estimates from fitted models: choose the model of each row, and say how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.op_model.descriptors.descriptor import Traits
from analysis.op_model.descriptors.descriptor_table import RowError
from analysis.op_model.fit.fitted_model import FittedModel, is_model, read_model
from farm.errors import UsageError

Floats = npt.NDArray[np.float64]

_IN_FOLDER = ("*.json", "*/*.json", "models/*/*.json")


@dataclass(frozen=True, eq=False)
class NamedModel:
    """A fitted model and its file."""

    path: Path
    model: FittedModel


@dataclass(frozen=True, eq=False)
class ModelEstimates:
    """Estimates of n rows.

    Attributes
    ----------
    cycles, low_cycles, high_cycles : ndarray
        Cycles per input, and the interval that a measurement falls into with the model's level,
        shape (n,).
    is_extrapolated : ndarray
        Whether a size is beyond what was fitted, shape (n,), bool.
    models : tuple of NamedModel
        The models that were used.
    model_of_row : ndarray
        Index into `models`, shape (n,).
    """

    cycles: Floats
    low_cycles: Floats
    high_cycles: Floats
    is_extrapolated: npt.NDArray[np.bool_]
    models: tuple[NamedModel, ...]
    model_of_row: npt.NDArray[np.intp]

    @property
    def expected_error_percent(self) -> Floats:
        """Cross-validated MAPE of each row's model; not a number beyond what was fitted."""
        known = np.array([m.model.validation.configurations.mape for m in self.models])
        return np.where(self.is_extrapolated, np.nan, known[self.model_of_row])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What limits the worth of the estimates."""
        n_outside, n_rows = int(self.is_extrapolated.sum()), len(self.cycles)
        if not n_outside:
            return ()
        return (f"{n_outside:,} of {n_rows:,} rows: an extrapolation beyond the fitted sizes",)

    def as_frame(self) -> pd.DataFrame:
        """Put estimates and where they come from into columns."""
        return pd.DataFrame(
            {
                "estimate_cycles": self.cycles,
                "low_cycles": self.low_cycles,
                "high_cycles": self.high_cycles,
                "model": [self.models[i].path.name for i in self.model_of_row],
                "is_extrapolated": self.is_extrapolated,
                "expected_error_percent": self.expected_error_percent,
            }
        )

    def as_json(self) -> list[dict[str, Any]]:
        """Return plain data, one object per row."""
        found = []
        for i, number in enumerate(self.model_of_row.tolist()):
            model = self.models[number].model
            outside = bool(self.is_extrapolated[i])
            error = model.validation.configurations.mape
            found.append(
                {
                    "cycles": float(self.cycles[i]),
                    "low_cycles": float(self.low_cycles[i]),
                    "high_cycles": float(self.high_cycles[i]),
                    "level": model.level,
                    "expected_error_percent": None if outside else error,
                    "is_extrapolated": outside,
                    "model_file": str(self.models[number].path),
                    "recipe": model.recipe,
                    "op": model.op,
                    "arch": model.arch,
                    "source": model.source,
                    "n_rows": model.training.n,
                }
            )
        return found


def open_models(path: Path) -> list[NamedModel]:
    """Read a model file, or all of a folder: of one architecture, of several, or of ``run-sweep``.

    Raises
    ------
    UsageError
        If there is none.
    FormatError
        If a file is no model.
    """
    paths = [path]
    if path.is_dir():
        candidates = [file for pattern in _IN_FOLDER for file in sorted(path.glob(pattern))]
        paths = [file for file in candidates if is_model(file)]
    if not paths:
        where = ", ".join(str(path / pattern) for pattern in _IN_FOLDER)
        raise UsageError(f"{path}: no model files ({where}); farm op-model fit writes them")
    return [NamedModel(file, read_model(file)) for file in paths]


def estimate_rows(models: Sequence[NamedModel], rows: pd.DataFrame) -> ModelEstimates:
    """Estimate rows, each with the model of its operation, formats and modes.

    Parameters
    ----------
    models : Sequence of NamedModel
        The models to choose from; where several fit, the one with the least error.
    rows : pandas.DataFrame
        Rows in canonical columns, at least one.

    Raises
    ------
    RowError
        If no model knows a row.
    """
    n_rows = len(rows)
    numbers = np.zeros(n_rows, np.intp)
    columns = np.empty((3, n_rows))
    is_extrapolated = np.zeros(n_rows, bool)
    known = sorted(models, key=lambda named: named.model.validation.configurations.mape)
    for _, alike in rows.reset_index(drop=True).groupby(list(Traits._fields), sort=False):
        at = alike.index.to_numpy()
        number = _choose(known, alike.iloc[:1], int(at[0]))
        found = known[number].model.predict(alike)
        numbers[at] = number
        columns[:, at] = found.cycles, found.low_cycles, found.high_cycles
        is_extrapolated[at] = found.is_extrapolated
    cycles, low, high = columns
    return ModelEstimates(cycles, low, high, is_extrapolated, tuple(known), numbers)


def _choose(models: Sequence[NamedModel], row: pd.DataFrame, number: int) -> int:
    op, arch = row["op"].iloc[0], row["arch"].iloc[0]
    reasons = []
    for i, named in enumerate(models):
        model = named.model
        if model.op != op or arch not in {"", model.arch}:
            continue
        try:
            model.basis.check(row)
        except UsageError as error:
            reasons.append(f"{named.path}: {error}")
            continue
        return i
    if reasons:
        raise RowError(number, "; ".join(reasons))
    have = ", ".join(dict.fromkeys(f"{m.model.op} on {m.model.arch}" for m in models))
    on = f" on {arch}" if arch else ""
    raise RowError(number, f"no model of {op}{on}; there are {have}")
