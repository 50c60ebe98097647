"""The join by tag against a reference that looks at one record at a time."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from hypothesis import given

from farm.card.join import Joined, join_by_tag
from farm.devices.device import PROFILE_SCHEMA

Record = tuple[int, int, float]


def reference(records: list[Record], first_tag: int, n: int, repeats: int) -> Joined:
    is_complete, durations, n_records = [], [], []
    for tag in range(first_tag, first_tag + n):
        own = [(repeat, duration) for t, repeat, duration in records if t == tag]
        n_records.append(len(own))
        usable = {r: d for r, d in own if 0 <= r < repeats and math.isfinite(d) and d > 0}
        is_whole = len(own) == repeats and set(usable) == set(range(repeats))
        is_complete.append(is_whole)
        durations.append([usable[r] if is_whole else math.nan for r in range(repeats)])
    n_foreign = sum(not first_tag <= tag < first_tag + n for tag, _, _ in records)
    return Joined(
        np.array(is_complete, np.bool_),
        np.array(durations, np.float64).reshape(n, repeats),
        np.array(n_records, np.int64),
        n_foreign,
    )


def joined(records: list[Record], first_tag: int, n: int, repeats: int) -> Joined:
    columns = list(zip(*records, strict=True)) or [(), (), ()]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, PROFILE_SCHEMA, strict=True)]
    profile = pa.Table.from_arrays(arrays, schema=PROFILE_SCHEMA)
    return join_by_tag(profile, first_tag, n, repeats)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Record], int, int, int]:
    """The records of a batch, some of them missing, doubled, spoilt, foreign; in any order."""
    first_tag = draw(st.sampled_from([0, 7, 2**40, 2**63 - 10]))
    n, repeats = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    records = [
        (first_tag + i, repeat, 100.0 + 10 * i + repeat)
        for i in range(n)
        for repeat in range(repeats)
    ]
    n_faults = draw(st.integers(0, 4))
    for _ in range(n_faults):
        fault = draw(st.sampled_from(["missing", "doubled", "spoilt", "renumbered", "foreign"]))
        at = draw(st.integers(0, max(0, len(records) - 1)))
        if fault == "foreign" or not records:
            tag = draw(st.integers(-(2**63), 2**63 - 1))
            records.append((tag, draw(st.integers(-1, repeats)), 5.0))
            continue
        tag, repeat, duration = records[at]
        if fault == "missing":
            del records[at]
        elif fault == "doubled":
            records.append((tag, repeat, duration + 1))
        elif fault == "spoilt":
            bad = draw(st.sampled_from([math.nan, 0.0, -1.0, math.inf, -math.inf]))
            records[at] = (tag, repeat, bad)
        else:
            records[at] = (tag, draw(st.integers(-2, repeats + 1)), duration)
    return draw(st.permutations(records)), first_tag, n, repeats


@given(batches())
def test_the_join_equals_the_reference(batch: tuple[list[Record], int, int, int]) -> None:
    found, expected = joined(*batch), reference(*batch)
    np.testing.assert_array_equal(found.is_complete, expected.is_complete)
    np.testing.assert_array_equal(found.durations_ns, expected.durations_ns)
    np.testing.assert_array_equal(found.n_records, expected.n_records)
    assert found.n_foreign == expected.n_foreign
