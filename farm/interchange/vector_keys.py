"""The ids that tt-metal knows the vectors of a sweep directory by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm.errors import UsageError
from farm.interchange import reshard_entries
from farm.interchange.vector_survey import digest_of
from farm.store.directory import SweepDirectory
from farm.store.manifest import Manifest
from farm.tt_metal.input_hash import NAME, branch_input_hash


def keys_of(manifest: Manifest, vectors: pa.Table) -> list[str]:
    """Return the ids of the vectors of a chunk.

    Raises
    ------
    UsageError
        If they have none.
    """
    if NAME in vectors.column_names:
        keys: list[str] = vectors[NAME].to_pylist()
        return keys
    if manifest.op != reshard_entries.OP:
        raise UsageError(
            f"vectors of the sweep {manifest.sweep} have no ids in tt-metal: it is neither reshard "
            f"nor a sweep module of tt-metal"
        )
    names = [axis.name for axis in manifest.axes]
    return [branch_key(params) for params in vectors.select(names).to_pylist()]


def branch_key(params: dict[str, object]) -> str:
    """Return the id of a vector of the sweep ``reshard`` on the reshard-modelling branch."""
    suite = reshard_entries.suite_of(params)
    return branch_input_hash(
        {**reshard_entries.entries_of(params), **reshard_entries.bookkeeping(suite)}
    )


def all_digests(directory: SweepDirectory) -> npt.NDArray[np.uint64]:
    """Return a digest of the id of every vector, in order, shape (n,).

    Raises
    ------
    UsageError
        If they have none.
    """
    return np.fromiter(
        (
            digest_of(key)
            for chunk in directory.chunks()
            for key in keys_of(directory.manifest, directory.vectors(chunk.chunk_id))
        ),
        np.uint64,
    )
