r"""``models/linear.csv`` and ``models/linear.parquet``: one row per group.

=================== ======== =====================================================================
column              type     value
=================== ======== =====================================================================
the `group_by` axes text     key of the group; an axis called like a column below gets a ``_``
``size``            text     name of the size variable
``over``            text     what the points are: ``vectors`` or ``size-means``
``coefficient``     float64  slope in ns per unit of size
``intercept``       float64  duration at size 0 in ns
``n``               int64    points of the fit
``r2``              float64  coefficient of determination
``rrmse``           float64  sqrt(mean r^2) / mean y
``rmsre``           float64  sqrt(mean (r / y)^2)
``size_min``        float64  smallest fitted size
``size_max``        float64  largest fitted size
``reason``          text     why numbers are missing; empty where none is
=================== ======== =====================================================================

Numbers that do not exist are empty, never NaN.  Rows are ordered by the group key, numbers as
numbers.  The CSV has ``\n`` line ends and as many digits as bring the same float64 back.  The
Parquet footer's key ``sweepfarm.models`` holds JSON: ``format``, ``sweep``, ``op``,
``fingerprint``.  The same results give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.linear import LinearFit
from farm.errors import DamagedStoreError, UsageError
from farm.store.directory import SweepDirectory
from farm.store.manifest import NO_VALUE, Manifest

CSV_FILE = "models/linear.csv"
PARQUET_FILE = "models/linear.parquet"
FOOTER_KEY = b"sweepfarm.models"

_FIT_FIELDS = (
    pa.field("size", pa.string(), nullable=False),
    pa.field("over", pa.string(), nullable=False),
    pa.field("coefficient", pa.float64()),
    pa.field("intercept", pa.float64()),
    pa.field("n", pa.int64(), nullable=False),
    pa.field("r2", pa.float64()),
    pa.field("rrmse", pa.float64()),
    pa.field("rmsre", pa.float64()),
    pa.field("size_min", pa.float64()),
    pa.field("size_max", pa.float64()),
    pa.field("reason", pa.string(), nullable=False),
)
_FIT_NAMES = tuple(field.name for field in _FIT_FIELDS)


@dataclass(frozen=True)
class GroupModel:
    """The line of one group.

    Attributes
    ----------
    key : tuple of str
        Value of each `group_by` axis as text.
    fit : LinearFit
        Its line.
    """

    key: tuple[str, ...]
    fit: LinearFit


@dataclass(frozen=True)
class Models:
    """What the model files hold.

    Attributes
    ----------
    size : str
        Name of the size variable.
    over : str
        What the points of the fits are; empty where there is no group.
    groups : list of GroupModel
        In the order of the files.
    """

    size: str
    over: str
    groups: list[GroupModel]

    @property
    def fitted(self) -> list[GroupModel]:
        """Groups that have a line."""
        return [group for group in self.groups if group.fit.is_fitted]


def model_schema(manifest: Manifest) -> pa.Schema:
    """Return the schema of the models of a sweep."""
    about = {
        "format": 1,
        "sweep": manifest.sweep,
        "op": manifest.op,
        "fingerprint": manifest.fingerprint,
    }
    keys = [pa.field(_key_column(name), pa.string(), nullable=False) for name in manifest.group_by]
    return pa.schema([*keys, *_FIT_FIELDS], {FOOTER_KEY: json.dumps(about).encode()})


def _key_column(axis: str) -> str:
    return f"{axis}_" if axis in _FIT_NAMES else axis


def model_table(manifest: Manifest, over: str, groups: Sequence[GroupModel]) -> pa.Table:
    """Rows of some groups, in the order given."""
    keys = [[group.key[i] for group in groups] for i in range(len(manifest.group_by))]
    fits = [group.fit for group in groups]
    columns = [
        *keys,
        [manifest.size] * len(fits),
        [over] * len(fits),
        [fit.coefficient for fit in fits],
        [fit.intercept_ns for fit in fits],
        [fit.n for fit in fits],
        [fit.r2 for fit in fits],
        [fit.rrmse for fit in fits],
        [fit.rmsre for fit in fits],
        [fit.size_min for fit in fits],
        [fit.size_max for fit in fits],
        [fit.reason for fit in fits],
    ]
    schema = model_schema(manifest)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def ordered(manifest: Manifest, table: pa.Table) -> pa.Table:
    """Rows in the order of their group keys, numbers as numbers."""
    kinds = [manifest.axis(name).kind for name in manifest.group_by]
    names = [_key_column(name) for name in manifest.group_by]
    keys = zip(*(table[name].to_pylist() for name in names), strict=True)
    sortable = [tuple(map(_sort_key, kinds, key)) for key in keys]
    order = sorted(range(len(sortable)), key=sortable.__getitem__)
    return table.take(pa.array(order, pa.int64())) if order else table


def _sort_key(kind: str, text: str) -> tuple[float, ...] | str:
    if kind in {"int", "float", "grid", "shape"} and text == NO_VALUE:
        return ()
    if kind in {"int", "float"}:
        return (float(text),)
    if kind in {"grid", "shape"}:
        return tuple(float(part) for part in text.split("x"))
    return text


def encode_csv(table: pa.Table) -> bytes:
    """Return the bytes of the CSV file."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [
        ["" if value is None else repr(value) for value in column.to_pylist()]
        if pa.types.is_floating(column.type)
        else column.to_pylist()
        for column in table.columns
    ]
    writer.writerows(zip(*columns, strict=True))
    return sink.getvalue().encode()


def encode_parquet(table: pa.Table) -> bytes:
    """Return the bytes of the Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks(), sink, compression="zstd")
    return sink.getvalue()


def summary(table: pa.Table) -> dict[str, Any]:
    """Describe models in a few numbers.

    Returns
    -------
    dict
        ``n_groups``, ``n_fitted``, ``median_r2`` (None without a line), ``n_points``, ``reasons``
        {reason: number of groups}.
    """
    r2 = table["r2"].drop_null().to_numpy()
    reasons = Counter(reason for reason in table["reason"].to_pylist() if reason)
    return {
        "n_groups": table.num_rows,
        "n_fitted": table.num_rows - table["coefficient"].null_count,
        "median_r2": float(np.median(r2)) if len(r2) else None,
        "n_points": sum(table["n"].to_pylist()),
        "reasons": dict(reasons.most_common()),
    }


def read_models(directory: SweepDirectory) -> Models:
    """Read the models of a sweep.

    Raises
    ------
    UsageError
        If nothing has been fitted yet.
    DamagedStoreError
        If the file is not what was written.
    """
    place = directory.location
    content = directory.files.read_if_exists(PARQUET_FILE)
    if content is None:
        raise UsageError(
            f"{place} has no fitted models ({PARQUET_FILE}); make them with `farm fit {place}`"
        )
    try:
        table = pq.read_table(pa.BufferReader(content))
        return _decode(directory.manifest, table)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DamagedStoreError(
            f"models {place / PARQUET_FILE} are damaged: {error}. Make them again with "
            f"`farm fit {place}`"
        ) from error


def _decode(manifest: Manifest, table: pa.Table) -> Models:
    about = json.loads(table.schema.metadata[FOOTER_KEY])
    if about["fingerprint"] != manifest.fingerprint:
        raise ValueError("they belong to another sweep")
    over = table["over"][0].as_py() if table.num_rows else ""
    return Models(manifest.size, over, model_groups(manifest, table))


def model_groups(manifest: Manifest, table: pa.Table) -> list[GroupModel]:
    """Rows of a model table as objects."""
    return [_group(manifest, row) for row in table.to_pylist()]


def _group(manifest: Manifest, row: Mapping[str, Any]) -> GroupModel:
    fit = LinearFit(
        coefficient=row["coefficient"],
        intercept_ns=row["intercept"],
        r2=row["r2"],
        rrmse=row["rrmse"],
        rmsre=row["rmsre"],
        n=row["n"],
        size_min=row["size_min"],
        size_max=row["size_max"],
        reason=row["reason"],
    )
    return GroupModel(tuple(row[_key_column(name)] for name in manifest.group_by), fit)
