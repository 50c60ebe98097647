"""Join of vectors and outcomes: what the analysis fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from farm.outcome import Status
from farm.store.manifest import Manifest


@dataclass(frozen=True)
class Measured:
    """The measured vectors of one chunk.

    Attributes
    ----------
    rows : pyarrow.Table
        ``group_id`` int64, ``size`` float64, ``duration_ns`` float64 (mean over the launches); one
        row per vector with status OK.
    groups : dict
        Every group of the chunk, measured or not: group_id -> value of each `group_by` axis as
        text.
    """

    rows: pa.Table
    groups: dict[int, tuple[str, ...]]


def measured(manifest: Manifest, vectors: pa.Table, outcomes: pa.Table) -> Measured:
    """Join the vectors of a chunk with their outcomes, which are in the same order."""
    is_ok = _is_ok(outcomes)
    rows = pa.table(
        {
            "group_id": vectors["group_id"].filter(is_ok),
            "size": vectors[manifest.size].filter(is_ok).cast(pa.float64(), safe=False),
            "duration_ns": outcomes["mean_ns"].filter(is_ok),
        }
    )
    ids, first = np.unique(vectors["group_id"].to_numpy(), return_index=True)
    axes = [manifest.axis(name) for name in manifest.group_by]
    keys = vectors.select(["group_id", *manifest.group_by]).take(pa.array(first)).to_pylist()
    texts = [tuple(axis.format(key[axis.name]) for axis in axes) for key in keys]
    return Measured(rows, dict(zip(ids.tolist(), texts, strict=True)))


def measured_columns(
    vectors: pa.Table, outcomes: pa.Table, names: Sequence[str], statistic: str = "median_ns"
) -> pa.Table:
    """Parameters and features of the measured vectors of a chunk, with their durations.

    Parameters
    ----------
    vectors, outcomes : pyarrow.Table
        Of one chunk, in the same order.
    names : sequence of str
        Columns of the vectors to keep.
    statistic : str
        Which duration over the launches: ``mean_ns``, ``median_ns`` or ``min_ns``.  An imported
        result may have a mean only; then it is that.

    Returns
    -------
    pyarrow.Table
        These columns, and ``duration_ns``; one row per vector with status OK.
    """
    is_ok = _is_ok(outcomes)
    rows = vectors.select(list(names)).filter(is_ok)
    durations = pc.coalesce(outcomes[statistic], outcomes["mean_ns"])
    return rows.append_column("duration_ns", durations.filter(is_ok))


def _is_ok(outcomes: pa.Table) -> pa.Array:
    return pc.equal(outcomes["status"].combine_chunks().dictionary_decode(), Status.OK.value)
