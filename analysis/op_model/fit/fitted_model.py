"""A fitted model of one operation: what it estimates, how sure it is, and its file.

Format, JSON object: `format`, `version`, and the fields of `FittedModel`; a process is stored as
its points, residuals and hyperparameters, from which its matrices follow.  Nothing in it is code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analysis.op_model.error_measures import ErrorMeasures
from analysis.op_model.fit.basis import Basis
from analysis.op_model.fit.coefficients import Coefficient
from analysis.op_model.fit.features import SIZES, TRAITS
from analysis.op_model.fit.recipe_fit import RecipeFit
from analysis.op_model.fit.residual_process import ResidualProcess
from farm.errors import FormatError, StoreAccessError, UsageError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

FORMAT = "sweepfarm op-model"
VERSION = 1


@dataclass(frozen=True)
class Validation:
    """Errors on rows that were held back, the choice of the recipe included.

    Attributes
    ----------
    n_folds : int
        Outer folds.
    rows : ErrorMeasures
        With rows dealt out singly.
    configurations : ErrorMeasures
        With all repeats of a configuration in one fold; the same where nothing repeats.
    by_recipe : Mapping
        Name of each recipe -> its error had it always been taken, in percent (MAPE).
    chosen : tuple of str
        The recipe of each outer fold.
    """

    n_folds: int
    rows: ErrorMeasures
    configurations: ErrorMeasures
    by_recipe: Mapping[str, float]
    chosen: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of n rows.

    Attributes
    ----------
    cycles : ndarray
        Cycles per input, shape (n,).
    low_cycles, high_cycles : ndarray
        Interval that a measurement falls into with the model's level, shape (n,).
    is_extrapolated : ndarray
        Whether a size is beyond what was fitted, shape (n,), bool.
    """

    cycles: Floats
    low_cycles: Floats
    high_cycles: Floats
    is_extrapolated: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A model of one operation on one architecture.

    Attributes
    ----------
    op, arch, source : str
        Operation, architecture, and where the data came from.
    rows_digest : str
        Of the fitted rows, see `digest_of`.
    recipe : str
        Name of the recipe.
    basis : Basis
        What of a row it looks at.
    fit : RecipeFit
        Coefficients and process.
    coefficients : tuple of Coefficient
        Those that are not 0, with their errors.
    level : float
        Of all intervals, such as 0.9.
    log_half_width : float
        Of the prediction interval: it is from ``cycles / exp(w)`` to ``cycles * exp(w)``.
    typical_deviation : float
        Median of the process's own standard deviation at its data; 0 without a process.
    training : ErrorMeasures
        On the rows of the fit.
    validation : Validation
        On rows that were held back.
    ranges : Mapping
        Size -> its least and largest fitted value.
    """

    op: str
    arch: str
    source: str
    rows_digest: str
    recipe: str
    basis: Basis
    fit: RecipeFit
    coefficients: tuple[Coefficient, ...]
    level: float
    log_half_width: float
    typical_deviation: float
    training: ErrorMeasures
    validation: Validation
    ranges: Mapping[str, tuple[int, int]]

    def predict(self, rows: pd.DataFrame) -> Estimates:
        """Estimate rows in canonical columns.

        The interval is as wide as the relative errors of held-back rows were, and wider where the
        process is less sure than it is at its data.

        Raises
        ------
        UsageError
            If a column is missing, or the data had nothing of a row's format, fidelity or mode.
        """
        missing = [name for name in (*SIZES, *self.basis.traits) if name not in rows]
        if missing:
            raise UsageError(f"rows to estimate need the columns {', '.join(missing)}")
        self.basis.check(rows)
        points = None if self.fit.process is None else self.basis.points(rows)
        cycles = self.fit.predict(self.basis.design(rows), points)
        width = np.full(len(rows), self.log_half_width)
        if self.fit.process is not None and points is not None and self.typical_deviation > 0:
            ratio = self.fit.process.deviation(points) / self.typical_deviation
            width = width * np.maximum(ratio, 1.0)
        beyond = np.zeros(len(rows), dtype=bool)
        for name, (low, high) in self.ranges.items():
            beyond |= ~rows[name].between(low, high).to_numpy(bool)
        return Estimates(cycles, cycles * np.exp(-width), cycles * np.exp(width), beyond)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        process = self.fit.process
        return {
            "format": FORMAT,
            "version": VERSION,
            "op": self.op,
            "arch": self.arch,
            "source": self.source,
            "rows_digest": self.rows_digest,
            "recipe": self.recipe,
            "basis": self.basis.as_json(),
            "fit": {
                "coefficients": self.fit.coefficients.tolist(),
                "floor_cycles": self.fit.floor_cycles,
                "process": None
                if process is None
                else {
                    "points": process.points.tolist(),
                    "residuals": process.residuals.tolist(),
                    "hyperparameters": process.hyperparameters.tolist(),
                },
            },
            "coefficients": [asdict(coefficient) for coefficient in self.coefficients],
            "level": self.level,
            "log_half_width": self.log_half_width,
            "typical_deviation": self.typical_deviation,
            "training": self.training.as_json(),
            "validation": asdict(self.validation),
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
        }


def digest_of(rows: pd.DataFrame) -> str:
    """Tell measured rows from others, whatever their file and order: SHA-256 of what they say."""
    columns = [rows[name].astype(str) for name in (*SIZES, *TRAITS, "runtime_cycles")]
    lines = sorted(",".join(values) for values in zip(*columns, strict=True))
    return sha256("\n".join(lines).encode()).hexdigest()


def is_model(path: Path) -> bool:
    """Whether a JSON file says that it is a model, sound or not."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("format") == FORMAT


def write_model(path: Path, model: FittedModel) -> None:
    """Write a model file; one of the same name is replaced.

    Raises
    ------
    StoreAccessError
        If the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(model.as_json(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreAccessError(f"{path}: {error.strerror}") from error


def read_model(path: Path) -> FittedModel:
    """Read a model file.

    Raises
    ------
    UsageError
        If it cannot be opened.
    FormatError
        If it is no model file, of a later version, or damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not a model file: it is no JSON ({error})") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FormatError(f"{path} is not a model file: its format is not {FORMAT!r}")
    if data.get("version") != VERSION:
        raise FormatError(
            f"{path} is of version {data.get('version')}; this farm reads version {VERSION}: fit "
            f"the data anew"
        )
    try:
        return _model(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{path} is damaged: {type(error).__name__} {error}") from error


def _model(data: Mapping[str, Any]) -> FittedModel:
    basis = Basis.from_json(data["basis"])
    fit = _fit(data["fit"])
    n_inputs = None if fit.process is None else fit.process.points.shape[1]
    if len(fit.coefficients) != len(basis.names) or (n_inputs is None) != (not basis.has_process):
        raise ValueError("terms and coefficients do not belong together")
    numbers = {name: float(data[name]) for name in ("log_half_width", "typical_deviation")}
    if not all(math.isfinite(value) and value >= 0 for value in numbers.values()):
        raise ValueError("widths must be numbers from 0")
    validation = dict(data["validation"])
    for name in ("rows", "configurations"):
        validation[name] = ErrorMeasures(**validation[name])
    validation["chosen"] = tuple(validation["chosen"])
    return FittedModel(
        op=str(data["op"]),
        arch=str(data["arch"]),
        source=str(data["source"]),
        rows_digest=str(data["rows_digest"]),
        recipe=str(data["recipe"]),
        basis=basis,
        fit=fit,
        coefficients=tuple(Coefficient(**item) for item in data["coefficients"]),
        level=float(data["level"]),
        training=ErrorMeasures(**data["training"]),
        validation=Validation(**validation),
        ranges={str(name): (int(low), int(high)) for name, (low, high) in data["ranges"].items()},
        **numbers,
    )


def _fit(data: Mapping[str, Any]) -> RecipeFit:
    coefficients = np.array(data["coefficients"], dtype=np.float64)
    stored = data["process"]
    process = None
    if stored is not None:
        points, residuals, hyperparameters = (
            np.array(stored[name], dtype=np.float64)
            for name in ("points", "residuals", "hyperparameters")
        )
        if points.shape != (len(residuals), len(hyperparameters) - 2):
            raise ValueError("points, residuals and hyperparameters do not belong together")
        process = ResidualProcess(points, residuals, hyperparameters)
    if not np.isfinite(coefficients).all():
        raise ValueError("a coefficient is not a number")
    return RecipeFit(coefficients, float(data["floor_cycles"]), process)
