"""The launches of an executor and the log that tells their durations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from farm.devices import ttnn_log
from farm.devices.device import N_LAUNCHES, PROFILE_SCHEMA
from farm.devices.ttnn_log import LaunchLog, MeasuredRuns
from farm.errors import CardError
from farm.profiler.launch_join import run_host_ids
from farm.profiler.log_format import Generation
from farm.profiler.log_writer import LogWriter, ZoneTimes


class Card:
    """Launches of a given length, a buffer that drops what does not fit, and the real log."""

    def __init__(self, path: Path, generation: Generation = Generation.V5, capacity: int = 20):
        self.path, self.capacity = path, capacity
        self.n_dumps = self.n_lost = 0
        self._writer = LogWriter(path, generation)
        self._next_id, self._clock = 5, 1000
        self._buffer: list[tuple[int, int]] = []
        self.log = LaunchLog(path, self.counter, self.dump, capacity)

    def counter(self) -> int:
        return self._next_id

    def launch(self, *cycles: int) -> None:
        for each in cycles:
            if len(self._buffer) < self.capacity:
                self._buffer.append((self._next_id, each))
            else:
                self.n_lost += 1
            self._next_id += 1

    def dump(self) -> None:
        self.n_dumps += 1
        buffer, self._buffer = self._buffer, []
        if not buffer:
            return
        cycles = np.array([each for _, each in buffer])
        begin = self._clock + np.cumsum(cycles + 500) - cycles
        self._clock = int(begin[-1] + cycles[-1])
        zones = np.stack([begin - 5, begin, begin + cycles, begin + cycles + 5], axis=1)
        n = len(buffer)
        where = np.ones(n, np.int64)
        times = ZoneTimes(np.arange(n), where, where, np.zeros(n, np.int64), zones)
        ids = np.array([number for number, _ in buffer])
        self._writer.dump(times, run_host_ids(ids, self._writer.generation, 0))

    def measure(self, tag: int, *runs: tuple[int, ...], n_warmups: int = 0) -> None:
        """Run a vector whose runs have programs of these lengths."""
        start = self.counter()
        for cycles in runs:
            assert self.log.run(lambda cycles=cycles: self.launch(*cycles)) == len(cycles)
        n = len(runs) - n_warmups
        self.log.add(MeasuredRuns(tag, start, self.counter(), n, n_warmups, n))


def rows(records: pa.Table) -> list[tuple[int, int, float]]:
    columns = (records[name].to_pylist() for name in PROFILE_SCHEMA.names)
    return sorted(zip(*columns, strict=True))


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path / "log.csv")


@pytest.mark.parametrize("generation", [Generation.V1, Generation.V3, Generation.V5])
def test_programs_are_summed_and_warm_ups_left_out(tmp_path: Path, generation: Generation) -> None:
    card = Card(tmp_path / "log.csv", generation)
    card.launch(777)  # somebody else's
    card.measure(7, (900, 90), (100, 10), (200, 20), n_warmups=1)
    card.measure(3, (40,), (50,))
    records = card.log.end_batch()()
    assert rows(records) == [(3, 0, 40), (3, 1, 50), (7, 0, 110), (7, 1, 220)]
    assert records.schema.metadata == {N_LAUNCHES: b"9"}


def test_only_the_wanted_records_are_handed_out(card: Card) -> None:
    start = card.counter()
    card.log.run(lambda: card.launch(1, 2, 3, 4))
    card.log.add(MeasuredRuns(1, start, card.counter(), 4, 0, 3))
    assert rows(card.log.end_batch()()) == [(1, 0, 1), (1, 1, 2), (1, 2, 3)]


def test_the_buffer_is_drained_before_it_overflows(tmp_path: Path) -> None:
    card = Card(tmp_path / "log.csv", capacity=10)
    expected = []
    for tag in range(12):
        card.measure(tag, *((10 * tag + r, 1, 1) for r in range(1, 5)))
        expected += [(tag, r - 1, 10 * tag + r + 2) for r in range(1, 5)]
    assert rows(card.log.end_batch()()) == expected
    assert card.n_lost == 0
    # Three launches per run, so three runs fit; the first run's launches were not foreseen.
    assert 48 // 3 <= card.n_dumps <= 48 // 3 + 2


def test_a_batch_may_be_read_while_the_next_one_runs(card: Card) -> None:
    card.measure(1, (11,))
    first = card.log.end_batch()
    card.measure(2, (22,))
    second = card.log.end_batch()
    assert rows(first()) == [(1, 0, 11)]
    card.measure(3, (33,))
    assert rows(second()) == [(2, 0, 22)]
    assert rows(card.log.end_batch()()) == [(3, 0, 33)]
    assert card.log.end_batch()().num_rows == 0


def test_a_failed_run_leaves_no_record_and_its_neighbours_theirs(card: Card) -> None:
    def fail() -> None:
        card.launch(5, 6)
        raise ValueError("wrong")

    card.measure(1, (11,))
    with pytest.raises(ValueError, match="wrong"):
        card.log.run(fail)
    card.measure(2, (22,))
    assert rows(card.log.end_batch()()) == [(1, 0, 11), (2, 0, 22)]


def test_what_the_profiler_lost_is_not_made_up(tmp_path: Path) -> None:
    card = Card(tmp_path / "log.csv", capacity=4)
    card.log._capacity = 100  # the build's buffer is smaller than the environment says
    card.measure(1, (11,), (12,))
    card.measure(2, (21,), (22,), (23,))
    assert rows(card.log.end_batch()()) == [(1, 0, 11), (1, 1, 12)]
    assert card.n_lost == 1


def test_a_log_that_was_read_is_replaced_when_it_is_large(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ttnn_log, "ROTATE_BYTES", 1)
    card.measure(1, (11,), (12,))
    first = card.log.end_batch()
    size = card.path.stat().st_size
    card.measure(2, (21,))
    second = card.log.end_batch()  # the first is not read yet
    assert card.path.stat().st_size > size
    assert rows(first()) == [(1, 0, 11), (1, 1, 12)]
    assert rows(second()) == [(2, 0, 21)]
    card.measure(3, (31,))
    third = card.log.end_batch()
    assert card.path.stat().st_size < size
    assert rows(third()) == [(3, 0, 31)]
    assert card.log.end_batch()().num_rows == 0  # rotated, and nothing was launched
    card.measure(4, (41,))
    assert rows(card.log.end_batch()()) == [(4, 0, 41)]


def test_a_log_is_kept_while_a_drain_of_this_batch_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ttnn_log, "ROTATE_BYTES", 1)
    card = Card(tmp_path / "log.csv", capacity=3)
    card.measure(1, (11,))
    card.log.end_batch()()
    card.measure(2, (21,), (22,), (23,), (24,), (25,))
    assert card.n_dumps > 1
    assert rows(card.log.end_batch()()) == [(2, r, 21 + r) for r in range(5)]


def test_leftovers_of_another_process_are_skipped(tmp_path: Path) -> None:
    before = Card(tmp_path / "log.csv")
    before.measure(1, (11,), (12,))
    before.dump()
    card = Card(tmp_path / "log.csv")
    card.measure(2, (21,), (22,))
    assert rows(card.log.end_batch()()) == [(2, 0, 21), (2, 1, 22)]


def test_without_a_log_the_build_is_to_blame(tmp_path: Path) -> None:
    log = LaunchLog(tmp_path / "none.csv", iter(range(99)).__next__, lambda: None, 10)
    log.add(MeasuredRuns(1, 0, 1, 1, 0, 1))
    with pytest.raises(CardError, match=r"wrote no log to .*none.csv: .*--enable-profiler"):
        log.end_batch()()


def test_a_log_without_ids_is_refused(tmp_path: Path) -> None:
    card = Card(tmp_path / "log.csv", Generation.V0)
    card.measure(1, (11,))
    with pytest.raises(CardError, match="logs no launch ids"):
        card.log.end_batch()()


def test_a_file_that_is_no_log_is_the_cards_fault(card: Card) -> None:
    card.measure(1, (11,))
    read = card.log.end_batch()
    card.path.write_text("something else\n" * 100)
    with pytest.raises(CardError, match="cannot be read"):
        read()
