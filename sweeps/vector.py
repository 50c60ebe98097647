"""Vectors and their content-derived identity.

``vector_id`` is the first 128 bits of SHA-256 over the canonical JSON of ``{"op": ..., "params":
...}``: keys sorted, no white space, UTF-8, tuples as lists.  It depends on nothing else, so it is
the same on every machine, for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sweeps.axis import Axis, Value

VECTOR_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Vector:
    """One point of a sweep, as a device receives it.

    Attributes
    ----------
    index : int
        Position in the sweep, counted over all shards.
    vector_id : bytes
        16 bytes, derived from `op` and `params` alone.
    op : str
        Name of the operation.
    params : Mapping
        Axis name -> value.
    features : Mapping
        Derived feature -> number, such as ``tiles``, ``flops`` and ``bytes_moved``.
    suite : str
        Suite that it stands in; empty for vectors of no sweep, such as probes.
    """

    index: int
    vector_id: bytes
    op: str
    params: Mapping[str, Value]
    features: Mapping[str, int | float]
    suite: str = ""


def canonical_json(value: object) -> bytes:
    """Encode `value` as canonical JSON: sorted keys, no white space, UTF-8."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def vector_id(op: str, params: Mapping[str, Value]) -> bytes:
    """Identity of one vector, 16 bytes."""
    encoded = canonical_json({"op": op, "params": dict(params)})
    return hashlib.sha256(encoded).digest()[:VECTOR_ID_BYTES]


def vector_ids(
    op: str, axes: Sequence[Axis], codes: Mapping[str, npt.NDArray[np.intp]]
) -> npt.NDArray[np.void]:
    """Identities of many vectors given by their positions on each axis.

    Parameters
    ----------
    op : str
        Name of the operation.
    axes : Sequence of Axis
        All axes of the sweep.
    codes : Mapping
        Axis name -> positions in ``axis.values``, each of shape (n,).

    Returns
    -------
    ndarray
        Shape (n,), dtype ``V16``; element i equals `vector_id` of vector i.
    """
    columns = []
    ordered = sorted(axes, key=lambda axis: axis.name)
    for i, axis in enumerate(ordered):
        separator = b"," if i else b""
        key = canonical_json(axis.name) + b":"
        needed = np.unique(codes[axis.name])
        fragments = {
            int(c): separator + key + canonical_json(axis.values[c]) for c in needed.tolist()
        }
        columns.append([fragments[c] for c in codes[axis.name].tolist()])
    prefix = b'{"op":' + canonical_json(op) + b',"params":{'
    sha256, join = hashlib.sha256, b"".join
    rows = zip(*columns, strict=True)
    digests = b"".join(
        [sha256(prefix + join(row) + b"}}").digest()[:VECTOR_ID_BYTES] for row in rows]
    )
    return np.frombuffer(digests, dtype=f"V{VECTOR_ID_BYTES}")


def vector_ids_of_columns(op: str, params: pa.Table) -> list[bytes]:
    """Identities of vectors from their stored parameters.

    Parameters
    ----------
    op : str
        Name of the operation.
    params : pyarrow.Table
        The axis columns and nothing else, shape (n, axes).  A vector has no parameter where its
        value is null.

    Returns
    -------
    list of bytes
        Shape (n,); element i equals `vector_id` of row i.
    """
    columns = []
    for name in sorted(params.column_names):
        key = canonical_json(name) + b":"
        fragments: dict[object, bytes] = {None: b""}
        encoded = []
        for value in params[name].to_pylist():
            hashable = tuple(value) if isinstance(value, list) else value
            if hashable not in fragments:
                fragments[hashable] = key + canonical_json(value)
            encoded.append(fragments[hashable])
        columns.append(encoded)
    prefix = b'{"op":' + canonical_json(op) + b',"params":{'
    return [
        hashlib.sha256(prefix + b",".join(filter(None, row)) + b"}}").digest()[:VECTOR_ID_BYTES]
        for row in zip(*columns, strict=True)
    ]
