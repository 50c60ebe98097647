"""The footer of a Parquet file, read from its end: one short request to a far store."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from farm.store.files import Files

TAIL_BYTES = 16 << 10
"""What is read at first; the footer of a results file takes a few thousand bytes."""

_MAGIC = b"PAR1"
_END_BYTES = 8


def schema_of(files: Files, relative: str) -> pa.Schema:
    """Read the schema of a Parquet file, with its metadata.

    Raises
    ------
    ValueError
        If it is no Parquet file, or truncated.
    pyarrow.ArrowException
        If the footer is damaged.
    StoreAccessError
        If it cannot be read.
    """
    tail = files.read_tail(relative, TAIL_BYTES)
    n_bytes = _footer_bytes(tail)
    if n_bytes > len(tail):
        tail = files.read_tail(relative, n_bytes)
        if n_bytes > len(tail):
            raise ValueError("it is shorter than its footer says")
    # The footer names no byte outside of itself that a schema needs.
    return pq.read_schema(pa.BufferReader(_MAGIC + tail[-n_bytes:]))


def _footer_bytes(tail: bytes) -> int:
    if len(tail) < _END_BYTES or tail[-4:] != _MAGIC:
        raise ValueError("it does not end as a Parquet file does")
    return int.from_bytes(tail[-_END_BYTES:-4], "little") + _END_BYTES
