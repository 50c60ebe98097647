"""Tables of designs in CSV or Parquet: one row per design, its parameters and all metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from analysis.soc.explore.evaluation import DesignColumns
from analysis.soc.explore.metrics import METRICS
from farm.errors import UsageError

SUFFIXES = (".csv", ".parquet")


def check_table_path(path: Path) -> None:
    """Refuse a file that `open_table` could not write, before anything is computed.

    Raises
    ------
    UsageError
        If the suffix is not known or the folder does not exist.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: a table of designs is a {' or '.join(SUFFIXES)} file")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")


class DesignWriter:
    """Adds designs to a table.

    Parameters
    ----------
    writer : pyarrow.csv.CSVWriter or pyarrow.parquet.ParquetWriter
        Of a file with the schema of `schema_of`.
    schema : pyarrow.Schema
        Columns.
    """

    def __init__(self, writer: pa.csv.CSVWriter | pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write(self, designs: DesignColumns) -> None:
        """Add designs, in their order."""
        columns = [pa.array(np.asarray(designs[name])) for name in self._schema.names]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))


def schema_of(axes: Sequence[str]) -> pa.Schema:
    """Name the columns: the axes of the space, then every metric, all of them float64."""
    return pa.schema([pa.field(name, pa.float64()) for name in (*axes, *METRICS)])


@contextmanager
def open_table(path: Path, axes: Sequence[str]) -> Iterator[DesignWriter]:
    """Write a table of designs; the file appears when it is complete.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    check_table_path(path)
    schema = schema_of(axes)
    partial = path.with_name(f"{path.name}.partial")
    try:
        make = pa.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
        with make(str(partial), schema) as writer:
            yield DesignWriter(writer, schema)
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
