"""The reader agrees with one that goes row by row, whatever happens to the rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farm.profiler.log_format import Generation
from farm.profiler.log_reader import read_log
from farm.profiler.log_tail import LogTail
from tests.profiler_rows import log_text, read_row_by_row

WITH_IDS = [generation for generation in Generation if generation.has_host_ids]
SEEDS = st.integers(0, 2**32 - 1)
CLOCKS_MHZ = st.sampled_from([1, 800, 1000, 1202, 1350])


def _read(text: bytes, piece_bytes: int = 1 << 20) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        path.write_bytes(text)
        return _by_id(read_log(path, piece_bytes).launches)


def _by_id(launches, keys=None) -> dict:
    rows = launches.to_pylist()
    found = {(row["chip"], row["run_host_id"]): row for row in rows}
    assert len(found) == len(rows), "a launch came out twice"
    return found


def _assert_equal(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for key, facts in expected.items():
        assert {name: found[key][name] for name in facts} == facts, key


@given(
    st.integers(1, 12),
    SEEDS,
    st.sampled_from(WITH_IDS),
    CLOCKS_MHZ,
    st.sampled_from([0.0, 0.02, 0.2]),
    st.booleans(),
    st.integers(40, 20_000),
)
def test_rows_may_be_shuffled_and_removed(
    n, seed, generation, mhz, share_removed, is_shuffled, piece_bytes
):
    header, lines = log_text(n, seed, generation, chip_mhz=mhz)
    random = np.random.default_rng(seed)
    kept = [line for line in lines if random.random() >= share_removed]
    if is_shuffled:
        random.shuffle(kept)
    text = header + b"".join(kept)
    _assert_equal(_read(text, piece_bytes), read_row_by_row(text))


@given(st.integers(1, 6), SEEDS, st.sampled_from(WITH_IDS), SEEDS)
def test_chips_may_be_interleaved(n, seed, generation, order):
    header, first = log_text(n, seed, generation, chip=0)
    _, second = log_text(n, seed + 1, generation, chip=7, first_cycle=2**43)
    rows = [first, second]
    random, lines = np.random.default_rng(order), []
    while rows[0] or rows[1]:
        chip = int(random.integers(2))
        lines += [rows[chip].pop(0)] if rows[chip] else []
    text = header + b"".join(lines)
    _assert_equal(_read(text), read_row_by_row(text))


@given(st.integers(1, 8), SEEDS, st.sampled_from(WITH_IDS), st.data())
def test_what_follows_the_last_line_end_is_not_read(n, seed, generation, data):
    header, lines = log_text(n, seed, generation)
    text = header + b"".join(lines)
    text = text[: data.draw(st.integers(len(header), len(text)))]
    _assert_equal(_read(text), read_row_by_row(text))


@given(st.integers(1, 8), SEEDS, SEEDS)
def test_exact_repeats_change_nothing(n, seed, which):
    header, lines = log_text(n, seed)
    random = np.random.default_rng(which)
    again = [line for line in lines if random.random() < 0.3]
    assert _read(header + b"".join(lines + again)) == _read(header + b"".join(lines))


@given(st.integers(1, 8), SEEDS, st.sampled_from(WITH_IDS), st.integers(1_000, 200_000))
def test_a_wrap_of_the_clock_changes_clocks_only(n, seed, generation, before_wrap):
    plain = _read(b"".join([*_joined(log_text(n, seed, generation))]))
    wrapped = _read(_joined_at(n, seed, generation, 2**44 - before_wrap))
    clocks = {"start_cycle", "end_cycle", "kernel_start_cycle", "kernel_end_cycle", "first_cycle"}
    for key, row in plain.items():
        for name, value in row.items():
            shift = 2**44 - before_wrap - 10**9 if name in clocks and value is not None else 0
            if name != "is_wrapped":
                assert wrapped[key][name] == (value + shift if shift else value), name


def _joined(header_and_lines):
    header, lines = header_and_lines
    return header, *lines


def _joined_at(n, seed, generation, first_cycle):
    return b"".join(_joined(log_text(n, seed, generation, first_cycle=first_cycle)))


@given(
    st.integers(1, 4),
    st.integers(1, 5),
    SEEDS,
    st.sampled_from([Generation.V1, Generation.V3, Generation.V5]),
    st.lists(st.integers(5, 400), min_size=1, max_size=30),
)
def test_a_growing_log_gives_each_launch_once(n_dumps, n, seed, generation, writes):
    # Bytes come in pieces of any length; the tail looks after each, takes when a dump is complete.
    header, lines = log_text(n_dumps * n, seed, generation)
    ids = sorted({_host_id(line, generation) for line in lines})
    dumps = [
        b"".join(line for line in lines if _host_id(line, generation) in ids[at : at + n])
        for at in range(0, len(ids), n)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        found: dict = {}
        written = header
        with LogTail(path) as tail:
            for dump in dumps:
                written += dump
                at, turn = path.stat().st_size if path.exists() else 0, 0
                while at < len(written):
                    step = writes[turn % len(writes)] * 20
                    with path.open("ab") as file:
                        file.write(written[at : at + step])
                    at, turn = at + step, turn + 1
                    tail.absorb()
                taken = _by_id(tail.take().launches)
                assert not taken.keys() & found.keys()
                found |= taken
                assert tail.offset == len(written)
            assert tail.take_all().launches.num_rows == 0
        whole = _by_id(read_log(path).launches)
        assert found == whole


def _host_id(line: bytes, generation: Generation) -> int:
    return int(line.split(b",")[8 if generation is Generation.V1 else 7])
