"""Journals: whatever is recorded is read, whatever is damaged is not made up."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from farm.store.journal import decode_journal, encode_frame

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=5)


@given(RECORDS, st.integers(0, 40))
def test_records_survive_and_a_torn_one_is_not_invented(records: list[dict], cut: int) -> None:
    frames = [encode_frame(record) for record in records]
    whole = b"".join(frames)
    content = decode_journal(whole)
    assert content.records == records
    assert (content.n_good_bytes, content.is_torn, content.n_bad) == (len(whole), False, 0)
    torn = whole[: max(0, len(whole) - cut)]
    kept = decode_journal(torn)
    assert kept.records == records[: len(kept.records)]
    assert torn[: kept.n_good_bytes] == b"".join(frames[: len(kept.records)])
    assert kept.n_bad == 0
    assert kept.is_torn == (kept.n_good_bytes < len(torn))


@given(RECORDS.filter(bool), st.data())
def test_a_flipped_bit_costs_its_record_and_no_other(
    records: list[dict], data: st.DataObject
) -> None:
    frames = [encode_frame(record) for record in records]
    whole = bytearray(b"".join(frames))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= 1 << data.draw(st.integers(0, 7))
    content = decode_journal(bytes(whole))
    ends = [sum(map(len, frames[: i + 1])) for i in range(len(frames))]
    hit = next(i for i, end in enumerate(ends) if position < end)
    # A lost line feed joins two frames.
    lost = {hit, hit + 1} if position == ends[hit] - 1 else {hit}
    survivors = [record for i, record in enumerate(records) if i not in lost]
    if content.records != records:
        assert content.records == survivors
        assert content.n_bad + content.is_torn > 0


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    content = decode_journal(data)
    assert content.n_good_bytes <= len(data)
