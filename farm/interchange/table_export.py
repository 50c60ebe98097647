"""A sweep directory as one table: a row per vector, measured or not.

Columns: ``id`` (hexadecimal), ``suite``, the axes, the features, the labels, ``status`` (empty
before it is measured), ``mean_ns``, ``std_ns``, ``min_ns``, ``median_ns``, ``n_launches``,
``reason``, ``card`` and ``started_at``.  Where an axis or feature has one of these names, ``_`` is
appended to it.  In CSV, grids and shapes are written as on a command line: ``2x3``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from farm.outcome import OUTCOME_SCHEMA
from farm.store.directory import SweepDirectory
from farm.store.disk_access import new_file
from farm.store.results import ResultMeta

_OUTCOMES = ("status", "mean_ns", "std_ns", "min_ns", "median_ns")
_AFTER = ("reason", "card", "started_at")
_OWN = {"id", "n_launches", *_OUTCOMES, *_AFTER}


def tables(directory: SweepDirectory) -> Iterator[pa.Table]:
    """Yield the table, chunk by chunk.

    Raises
    ------
    DamagedStoreError
        If a file of the directory is damaged.
    """
    committed = directory.committed()
    wanted = [c.chunk_id for c in directory.chunks() if c.chunk_id in committed]
    results = directory.results(wanted)
    for chunk in directory.chunks():
        vectors = directory.vectors(chunk.chunk_id)
        if chunk.chunk_id in committed:
            outcomes, meta = next(results)
            n_launches = _n_launches(outcomes, meta)
        else:
            outcomes = pa.table({f.name: pa.nulls(chunk.n_rows, f.type) for f in OUTCOME_SCHEMA})
            n_launches = pa.nulls(chunk.n_rows, pa.int32())
        ids = [vector_id.hex() for vector_id in vectors["vector_id"].to_pylist()]
        named = vectors.drop_columns(["vector_id", "group_id"])
        columns = {"id": pa.array(ids, pa.string())}
        columns |= {f"{n}_" if n in _OWN else n: named[n] for n in named.column_names}
        columns |= {name: outcomes[name] for name in _OUTCOMES}
        columns |= {"n_launches": n_launches}
        columns |= {name: outcomes[name] for name in _AFTER}
        yield _plain(pa.table(columns))


def _n_launches(outcomes: pa.Table, meta: ResultMeta) -> pa.Array:
    counted = pc.list_value_length(outcomes["durations_ns"])
    runs = meta.device.get("details", {}).get("runs")
    if runs is None:
        return counted
    imported = pc.if_else(pc.is_valid(outcomes["mean_ns"]), pa.scalar(int(runs), pa.int32()), None)
    return pc.coalesce(counted, imported)


def _plain(table: pa.Table) -> pa.Table:
    """Give each column the type that it has in every chunk."""
    fields = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
        for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def _texts(table: pa.Table, are_lists_text: bool) -> pa.Table:
    """Write times, and grids and shapes where asked for, as text."""
    for i, field in enumerate(table.schema):
        values = table[field.name]
        if are_lists_text and pa.types.is_fixed_size_list(field.type):
            texts = [None if v is None else "x".join(map(str, v)) for v in values.to_pylist()]
        elif pa.types.is_timestamp(field.type):
            texts = [None if v is None else v.isoformat() for v in values.to_pylist()]
        else:
            continue
        table = table.set_column(i, field.name, pa.array(texts, pa.string()))
    return table


def _write_csv(parts: Iterator[pa.Table], file: BinaryIO) -> None:
    texts = (_texts(part, are_lists_text=True) for part in parts)
    first = next(texts)
    with pa_csv.CSVWriter(file, first.schema) as writer:
        for part in chain([first], texts):
            writer.write_table(part)


def _write_parquet(parts: Iterator[pa.Table], file: BinaryIO) -> None:
    first = next(parts)
    with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        for part in chain([first], parts):
            writer.write_table(part)


def _write_json(parts: Iterator[pa.Table], file: BinaryIO) -> None:
    before = b"[\n"
    for part in parts:
        for row in _texts(part, are_lists_text=False).to_pylist():
            file.write(before + json.dumps(row, ensure_ascii=False).encode())
            before = b",\n"
    file.write(b"\n]\n")


FORMATS: dict[str, Callable[[Iterator[pa.Table], BinaryIO], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
"""Format -> what writes it."""


def export_table(directory: SweepDirectory, kind: str, path: Path) -> int:
    """Write the table of a sweep directory.

    Parameters
    ----------
    directory : SweepDirectory
        The directory.
    kind : str
        One of `FORMATS`.
    path : Path
        The file to write.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    StoreAccessError
        If it cannot be written.
    """
    with new_file(path) as file:
        FORMATS[kind](tables(directory), file)
    return directory.manifest.n_vectors
