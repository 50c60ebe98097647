"""How far estimates are from silicon: in all, by size and by attribute."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.op_model.descriptors.descriptor import Sizes
from analysis.op_model.error_measures import ErrorMeasures, measure_errors

Floats = npt.NDArray[np.float64]

PERCENTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
"""Percentiles of the ratio that are told."""

ATTRIBUTES = (
    "op",
    "input_format",
    "output_format",
    "fidelity",
    "vector_mode",
    "approx",
    "l1_accumulate",
    "attribute",
)
"""Columns by which errors are told."""

_BIN_FACTOR = 4


@dataclass(frozen=True)
class Share:
    """Errors of the rows that have something in common.

    Attributes
    ----------
    name : str
        What they have in common, such as ``fidelity``.
    value : str
        Its value.
    errors : ErrorMeasures
        Their errors.
    mean_ratio, least_ratio, largest_ratio : float
        Of estimate over runtime.
    """

    name: str
    value: str
    errors: ErrorMeasures
    mean_ratio: float
    least_ratio: float
    largest_ratio: float


@dataclass(frozen=True)
class Evaluation:
    """Estimates against silicon.

    Attributes
    ----------
    errors : ErrorMeasures
        Of all rows.
    ratio_percentiles : dict
        Percentile -> ratio of estimate to runtime.
    by_size : tuple of Share
        By tiles of work, in bins of a factor of four.
    by_attribute : tuple of Share
        By everything that takes more than one value.
    """

    errors: ErrorMeasures
    ratio_percentiles: dict[int, float]
    by_size: tuple[Share, ...]
    by_attribute: tuple[Share, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def work_tiles(sizes: Sizes) -> npt.NDArray[np.int64]:
    """Count the tiles, or pairs of tiles, that an operation works on, shape (n,)."""
    n_output = sizes.t * sizes.mblock_m * sizes.mblock_n * sizes.ublock_rt * sizes.ublock_ct
    n_steps = np.maximum(sizes.mblock_k * sizes.ublock_kt, 1) * np.maximum(sizes.reduce_z, 1)
    n_sparse = sizes.nz_tiles * sizes.mblock_n * sizes.ublock_ct
    return np.asarray(np.where(sizes.nz_tiles > 0, n_sparse, n_output * n_steps))


def evaluate(
    frame: pd.DataFrame, sizes: Sizes, estimate: Floats, sets: npt.NDArray[np.str_]
) -> Evaluation:
    """Compare the estimates of a sweep with its runtimes.

    Parameters
    ----------
    frame : pandas.DataFrame
        Canonical table of the sweep, n rows.
    sizes : Sizes
        Its sizes, shape (n,) each.
    estimate : ndarray
        Estimated cycles, shape (n,).
    sets : ndarray
        Name of the parameter set of each row, shape (n,).
    """
    runtime = frame["runtime_cycles"].to_numpy(np.float64)
    ratio = estimate / runtime
    labels = {name: frame[name].astype(str).to_numpy(str) for name in ATTRIBUTES}
    by_attribute = [
        share
        for name, values in {**labels, "parameter set": sets}.items()
        if len(np.unique(values)) > 1
        for share in _by_value(name, values, estimate, runtime)
    ]
    percentiles = np.percentile(ratio, PERCENTILES)
    return Evaluation(
        measure_errors(estimate, runtime),
        dict(zip(PERCENTILES, percentiles.tolist(), strict=True)),
        tuple(_by_size(work_tiles(sizes), estimate, runtime)),
        tuple(by_attribute),
    )


def _by_size(tiles: npt.NDArray[np.int64], estimate: Floats, runtime: Floats) -> list[Share]:
    # A small part more, or the logarithm of 64 might round down to just below 3.
    bins = np.floor(np.log(np.maximum(tiles, 1)) / np.log(_BIN_FACTOR) + 1e-9).astype(int)
    shares = []
    for number in np.unique(bins).tolist():
        first, last = _BIN_FACTOR**number, _BIN_FACTOR ** (number + 1) - 1
        shares.append(_share("tiles", f"{first:,} to {last:,}", bins == number, estimate, runtime))
    return shares


def _by_value(
    name: str, values: npt.NDArray[np.str_], estimate: Floats, runtime: Floats
) -> list[Share]:
    return [
        _share(name, str(value), values == value, estimate, runtime) for value in np.unique(values)
    ]


def _share(
    name: str, value: str, rows: npt.NDArray[np.bool_], estimate: Floats, runtime: Floats
) -> Share:
    ratio = estimate[rows] / runtime[rows]
    return Share(
        name,
        value,
        measure_errors(estimate[rows], runtime[rows]),
        float(ratio.mean()),
        float(ratio.min()),
        float(ratio.max()),
    )
