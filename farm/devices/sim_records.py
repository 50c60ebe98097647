"""Pure: profiler records that a faulty profiler lost, doubled, or mixed up.

All functions take and return tables of `farm.devices.device.PROFILE_SCHEMA`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from farm.devices.device import PROFILE_SCHEMA
from farm.devices.sim_faults import FaultKind

FOREIGN_TAG = 1 << 60


def altered(
    profile: pa.Table,
    tags: Sequence[int],
    faults: Mapping[int, FaultKind],
    before: pa.Table | None,
) -> pa.Table:
    """Do to the records of a batch what its faulty vectors ask for.

    Parameters
    ----------
    profile : pyarrow.Table
        Records of the batch.
    tags : Sequence of int
        Tags of the batch, in the order of execution.
    faults : Mapping of int to FaultKind
        Tag -> what happens to its records, or to those of its whole batch.
    before : pyarrow.Table or None
        Records of the batch before.

    Returns
    -------
    pyarrow.Table
        What the profiler says.
    """
    dropped = [tag for tag, kind in faults.items() if kind is FaultKind.DROP]
    doubled = [tag for tag, kind in faults.items() if kind is FaultKind.DOUBLE]
    kinds = set(faults.values())
    if dropped:
        profile = profile.filter(pc.invert(_has_tag(profile, dropped)))
    if doubled:
        profile = pa.concat_tables([profile, profile.filter(_has_tag(profile, doubled))])
    if FaultKind.TRUNCATE in kinds:
        profile = _first_half(profile, tags)
    if FaultKind.STALE in kinds and before is not None:
        profile = pa.concat_tables([profile, before])
    if FaultKind.FOREIGN in kinds:
        profile = pa.concat_tables([profile, _foreign(tags)])
    return profile


def _has_tag(profile: pa.Table, tags: Sequence[int]) -> pa.ChunkedArray:
    return pc.is_in(profile["tag"], value_set=pa.array(tags, pa.int64()))


def _first_half(profile: pa.Table, tags: Sequence[int]) -> pa.Table:
    """Keep what a buffer half as large would have held: records in the order of execution."""
    places = pc.index_in(profile["tag"], value_set=pa.array(tags, pa.int64())).to_numpy()
    in_order = np.lexsort((profile["repeat"].to_numpy(), places))
    return profile.take(pa.array(in_order[: len(in_order) // 2]))


def _foreign(tags: Sequence[int]) -> pa.Table:
    # The neighbours' tags are the easiest to be taken in by mistake.
    others = [min(tags) - 1, max(tags) + 1, FOREIGN_TAG, -FOREIGN_TAG]
    n = len(others)
    return pa.Table.from_arrays(
        [pa.array(others), pa.array([0] * n, pa.int32()), pa.array([1.0] * n)],
        schema=PROFILE_SCHEMA,
    )
