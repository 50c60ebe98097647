"""The simulated card's profiler log: what is read back is what was launched, whatever the batch."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.card_lock import private_folder
from farm.devices import sim, sim_log
from farm.devices.device import CardSlot, OverlappingDevice
from farm.devices.sim import KIND, SimDevice
from farm.devices.sim_log import LaunchBatch, SimProfiler
from farm.errors import CardError, UsageError
from farm.profiler.launch_join import id_modulus
from farm.profiler.log_format import CLOCK_BITS, RISCS, Generation
from farm.profiler.log_reader import read_log
from sweeps import eltwise, matmul, memcpy, reshard
from sweeps.axis import Value
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id


def _vector(sweep: Sweep, index: int, **params: Value) -> Vector:
    identity = vector_id(sweep.op, params)
    return Vector(index, identity, sweep.op, params, sweep.derive(params))


def _reshard(index: int, output_grid: tuple[int, int] = (2, 2)) -> Vector:
    return _vector(
        reshard.SWEEP,
        index,
        input_strategy="BLOCK",
        output_strategy="BLOCK",
        input_orientation="ROW_MAJOR",
        output_orientation="ROW_MAJOR",
        dtype="BFLOAT16",
        input_grid=(1, 1),
        output_grid=output_grid,
        shape=(1, 1, 256, 256 * (1 + index % 2)),
    )


RESHARDS = [
    _reshard(i, grid)
    for i, grid in enumerate([(1, 1), (2, 1), (1, 2), (2, 2), (8, 1), (1, 8), (4, 2), (8, 8)])
]
OTHERS = [
    _vector(matmul.SWEEP, 20, dtype="float32", M=64, K=64, N=64),
    _vector(eltwise.SWEEP, 21, ufunc="exp", dtype="float32", shape=(8, 16)),
    _vector(memcpy.SWEEP, 22, layout="copy", dtype="int8", shape=(64, 32)),
]
VECTORS = [*RESHARDS, *OTHERS]
ROWS = [("tag", "ascending"), ("repeat", "ascending")]


def opened(index: int = 0, **options: str) -> SimDevice:
    device = SimDevice(CardSlot("sim", index, options))
    device.open()
    return device


def profile_of(device: SimDevice, vectors: Sequence[Vector], repeats: int) -> pa.Table:
    for vector in vectors:
        device.execute(vector, repeats, vector.index)
    return device.read_profile()


def direct(vectors: Sequence[Vector], repeats: int) -> pa.Table:
    return profile_of(opened(profiler="direct"), vectors, repeats).sort_by(ROWS)


def batch_of(cycles: Sequence[int], start: int, grid: tuple[int, int] = (2, 2)) -> LaunchBatch:
    """One vector of one launch per duration."""
    n = len(cycles)
    starts = np.arange(start, start + n)
    grids = np.tile(np.array(grid), (n, 1))
    return LaunchBatch(
        np.arange(n), starts, starts + 1, grids, np.full(n, 2), np.array(cycles, np.int64)
    )


@pytest.fixture
def profiler() -> Iterator[SimProfiler]:
    profiler = SimProfiler(0, Generation.V5, 1 << 20)
    profiler.open()
    yield profiler
    profiler.close()


def the_log() -> Path:
    """Log of the only card that this process has open."""
    (log,) = private_folder("profiler").glob(f"{os.getpid()}-*/*/.logs/*.csv")
    return log


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize("generation", sim.GENERATIONS)
@pytest.mark.parametrize("batch_rows", [1, 3, len(VECTORS)])
def test_every_launch_reads_as_it_would_without_a_log(generation: str, batch_rows: int) -> None:
    device = opened(3, profiler_generation=generation)
    parts = [
        profile_of(device, VECTORS[i : i + batch_rows], 3)
        for i in range(0, len(VECTORS), batch_rows)
    ]
    assert pa.concat_tables(parts).equals(direct(VECTORS, 3))


@pytest.mark.parametrize("generation", [Generation.V1, Generation.V5])
def test_ids_and_the_clock_may_wrap_in_a_batch(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim, "FIRST_LAUNCH_ID", id_modulus(generation) - 16)
    monkeypatch.setattr(sim_log, "FIRST_CYCLE", (1 << CLOCK_BITS) - 20_000)
    device = opened(profiler_generation=str(generation))
    for _ in range(3):
        assert profile_of(device, VECTORS, 3).equals(direct(VECTORS, 3))
    clocks = read_log(the_log()).launches["first_cycle"].to_numpy()
    assert clocks.min() < 1 << CLOCK_BITS < clocks.max()


def test_a_clock_may_wrap_between_two_batches(
    profiler: SimProfiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler, "_clock", (1 << CLOCK_BITS) - 2 * (500 + 1000))
    for start in (1, 3, 5):
        found = profiler.dump(batch_of([500, 500], start))()
        assert found["duration_ns"].to_pylist() == [500.0, 500.0]


@given(
    cuts=st.lists(st.integers(0, len(VECTORS)), max_size=6),
    repeats=st.integers(1, 4),
    first_id=st.integers(0, (1 << 16) - 1),
    generation=st.sampled_from(["v1", "v3", "v5"]),
)
def test_where_batches_are_cut_changes_no_value(
    cuts: list[int], repeats: int, first_id: int, generation: str
) -> None:
    edges = [0, *sorted(cuts), len(VECTORS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim, "FIRST_LAUNCH_ID", first_id)
        device = opened(profiler_generation=generation)
    parts = [profile_of(device, VECTORS[a:b], repeats) for a, b in itertools.pairwise(edges)]
    device.close()
    assert pa.concat_tables(parts).equals(direct(VECTORS, repeats))


@given(cycles=st.lists(st.integers(1, 1 << 36), min_size=1, max_size=20))
def test_a_launch_lasts_exactly_as_long_as_it_is_told(cycles: list[int]) -> None:
    profiler = SimProfiler(0, Generation.V5, 1 << 20)
    profiler.open()
    found = profiler.dump(batch_of(cycles, 1))()
    profiler.close()
    # A launch that lasts for seconds may look as if its clock was misread, and is then left out.
    durations = dict(zip(found["tag"].to_pylist(), found["duration_ns"].to_pylist(), strict=True))
    assert all(cycles[tag] == duration_ns for tag, duration_ns in durations.items())
    if sum(cycles) < 1 << 30:
        assert len(durations) == len(cycles)


def test_a_launch_is_spread_over_its_cores() -> None:
    device = opened(5)
    profile_of(device, [_reshard(0, (4, 2)), *OTHERS[:1]], 1)
    profile = read_log(the_log())
    assert profile.n_bad_lines == 0
    moves, computes = profile.launches.to_pylist()
    assert (moves["core_count"], computes["core_count"]) == (8, 4)
    assert (moves["chip"], moves["run_host_id"], computes["run_host_id"]) == (5, 1029, 2053)
    assert moves["riscs"] == 0b11
    assert computes["riscs"] == (1 << RISCS.index("ERISC")) - 1
    # No RISC and no core alone sees the whole of it.
    for risc in ("brisc", "ncrisc"):
        assert 0 < moves[f"{risc}_kernel_cycles"] < moves["kernel_cycles"]
    assert moves["firmware_cycles"] > moves["kernel_cycles"]
    assert moves["end_cycle"] < computes["start_cycle"]


def test_repeats_may_differ_from_vector_to_vector() -> None:
    device, other = opened(), opened(profiler="direct")
    for each in (device, other):
        for vector, repeats in zip(VECTORS, [3, 1, 0, 3, 2, 1, 7, 1, 1, 2, 3], strict=True):
            each.execute(vector, repeats, vector.index)
    assert device.read_profile().equals(other.read_profile().sort_by(ROWS))


def test_a_long_batch_is_dumped_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim_log, "_MOST_ZONES_AT_ONCE", 40)
    assert profile_of(opened(), VECTORS, 4).equals(direct(VECTORS, 4))
    monkeypatch.setattr(sim_log, "_MOST_CYCLES_AT_ONCE", 5000)
    assert profile_of(opened(), VECTORS, 4).equals(direct(VECTORS, 4))


def test_more_launches_than_ids_are_left_out() -> None:
    device = opened(profiler_generation="v1", profiler_capacity=str(1 << 20))
    for tag, repeats in enumerate((2, (1 << 16) + 1, 2)):
        device.execute(RESHARDS[0], repeats, tag)
    assert device.read_profile()["tag"].to_pylist() == [0, 0, 2, 2]


def test_a_batch_is_read_while_the_next_ones_are_dumped() -> None:
    device = opened()
    assert isinstance(device, OverlappingDevice)
    reads = []
    for _ in range(3):
        for vector in VECTORS:
            device.execute(vector, 2, vector.index)
        reads.append(device.dump_profile())
    for read in reads:
        assert read().equals(direct(VECTORS, 2))


def test_reading_in_a_thread_of_its_own_mixes_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim_log, "ROTATE_BYTES", 30_000)
    device, expected, found = opened(), direct(RESHARDS[:4], 2), []
    read = None
    for _ in range(40):
        thread = None
        if read is not None:
            thread = threading.Thread(target=lambda read=read: found.append(read()))
            thread.start()
        for vector in RESHARDS[:4]:
            device.execute(vector, 2, vector.index)
        read = device.dump_profile()
        if thread is not None:
            thread.join()
    assert len(found) == 39
    assert all(one.equals(expected) for one in found)


def test_a_log_that_has_grown_large_is_followed_by_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sim_log, "ROTATE_BYTES", 1000)
    device = opened()
    logs = set()
    for _ in range(4):
        assert profile_of(device, VECTORS[:2], 1).equals(direct(VECTORS[:2], 1))
        logs.add(the_log())
    assert len(logs) == 4


def _damaged(text: bytes, where: str) -> bytes:
    lines = text.splitlines(keepends=True)
    match where:
        case "a core is lost":
            lines = [
                line for line in lines if not line.startswith(b"0,2,") or b",2048," not in line
            ]
        case "an end is lost":
            ends = [i for i, line in enumerate(lines) if b",2048," in line and b"_END" in line]
            del lines[ends[0]]
        case _:
            lines[5] = b"garbage\n"
    return b"".join(lines)


@pytest.mark.parametrize(
    ("where", "left"),
    [("a core is lost", {0, 2}), ("an end is lost", {0, 2}), ("a bad line", set())],
)
def test_what_is_doubtful_is_left_out(profiler: SimProfiler, where: str, left: set[int]) -> None:
    starts = np.array([1, 2, 4])  # the second vector has two launches, 2 and 3
    batch = LaunchBatch(
        np.arange(3), starts, np.array([2, 4, 5]), np.full((3, 2), 2), np.full(3, 2),
        np.array([700, 800, 900, 1000]),
    )  # fmt: skip
    read = profiler.dump(batch)
    log = the_log()
    text = _damaged(log.read_bytes(), where)
    log.write_bytes(text)
    assert set(read()["tag"].to_pylist()) == left


def test_a_log_that_is_gone_is_the_cards_fault(profiler: SimProfiler) -> None:
    read = profiler.dump(batch_of([500], 1))
    the_log().write_bytes(b"no log\n\n")
    with pytest.raises(CardError, match="cannot be read"):
        read()
    shutil.rmtree(the_log().parent.parent.parent)
    the_file = private_folder("profiler")
    shutil.rmtree(the_file)
    the_file.write_text("in the way")
    with pytest.raises(CardError, match="cannot be written"):
        profiler.dump(batch_of([500], 2))
    with pytest.raises(CardError, match="no private folder"):
        profiler.open()


def test_directories_go_with_the_card_and_with_its_process() -> None:
    home = private_folder("profiler")
    device = opened()
    profile_of(device, VECTORS, 1)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = home / f"{dead.pid}-left"
    left.mkdir()
    (home / "1-alive").mkdir()
    (home / "not ours").mkdir()
    other = opened(1)
    assert not left.exists()
    device.close()
    other.close()
    assert {folder.name for folder in home.iterdir()} == {"1-alive", "not ours"}


def test_a_process_that_ends_with_an_open_card_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "from farm.devices.sim_log import SimProfiler\n"
        "from farm.profiler.log_format import Generation\n"
        "profiler = SimProfiler(0, Generation.V1, 1 << 20)\n"
        "profiler.open()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert list(private_folder("profiler").iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"profiler": "none"}, {"profiler_generation": "v0"}, {"profiler_generation": "6"}]
)
def test_malformed_options_are_refused(options: Mapping[str, str]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"{name}="):
        KIND.discover(1, options)


def test_the_card_says_how_it_was_profiled() -> None:
    details = [
        opened(**options).info.details["profiler"]
        for options in ({}, {"profiler_generation": "v1"}, {"profiler": "direct"})
    ]
    assert details == ["log v5", "log v1", "direct"]


@pytest.mark.parametrize("capacity", [1, 7, 8, 9, 12])
def test_a_full_buffer_loses_the_vectors_at_its_end_and_no_other(capacity: int) -> None:
    device = opened(profiler_capacity=str(capacity))
    found = profile_of(device, VECTORS[:4], 3)
    n_whole = min(capacity // 3, 4)
    assert found.equals(direct(VECTORS[:n_whole], 3))
    # The next dump begins with an empty buffer.
    assert profile_of(device, VECTORS[:n_whole], 3).equals(found)
