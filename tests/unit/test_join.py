"""The join by tag, one fault at a time."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from farm.card.join import Joined, join_by_tag

WHOLE = [(5, 0, 1.0), (5, 1, 2.0), (6, 0, 3.0), (6, 1, 4.0)]


def joined(records: list[tuple[int, int, float]]) -> Joined:
    profile = pa.table(
        {
            "tag": pa.array([r[0] for r in records], pa.int64()),
            "repeat": pa.array([r[1] for r in records], pa.int32()),
            "duration_ns": pa.array([r[2] for r in records], pa.float64()),
        }
    )
    return join_by_tag(profile, 5, 2, 2)


def test_records_find_their_vector_in_any_order() -> None:
    for records in (WHOLE, WHOLE[::-1], WHOLE[2:] + WHOLE[:2]):
        found = joined(records)
        assert found.durations_ns.tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert found.is_complete.tolist() == [True, True]
        assert found.n_foreign == 0


@pytest.mark.parametrize(
    "records",
    [
        WHOLE[1:],
        [*WHOLE, (5, 0, 1.0)],
        [*WHOLE, (5, 2, 1.0)],
        [(5, 1, 9.0), *WHOLE[1:]],
        [(5, -1, 9.0), *WHOLE[1:]],
        [(5, 0, math.nan), *WHOLE[1:]],
        [(5, 0, 0.0), *WHOLE[1:]],
        [(5, 0, -1.0), *WHOLE[1:]],
        [(5, 0, math.inf), *WHOLE[1:]],
    ],
    ids=["missing", "surplus", "one too many", "doubled", "before", "nan", "zero", "neg", "inf"],
)
def test_a_vector_with_anything_amiss_is_incomplete_and_its_neighbour_is_not(
    records: list[tuple[int, int, float]],
) -> None:
    found = joined(records)
    assert found.is_complete.tolist() == [False, True]
    assert np.isnan(found.durations_ns[0]).all()
    assert found.durations_ns[1].tolist() == [3.0, 4.0]


def test_foreign_records_are_dropped_and_counted() -> None:
    found = joined([*WHOLE, (4, 0, 7.0), (7, 0, 8.0), (-1, 0, 9.0)])
    assert found.n_foreign == 3
    assert found.is_complete.all()
    assert found.n_records.tolist() == [2, 2]


def test_an_empty_profile() -> None:
    found = joined([])
    assert not found.is_complete.any()
    assert found.n_records.tolist() == [0, 0]
