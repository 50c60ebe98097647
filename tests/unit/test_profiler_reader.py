"""What a log may look like: headers, bad lines, repeated ids, large logs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from farm.errors import FormatError
from farm.profiler import log_reader
from farm.profiler.launch_cells import LaunchStatus
from farm.profiler.log_format import COLUMNS, Generation, parse_header
from farm.profiler.log_reader import read_log
from farm.profiler.log_writer import LogWriter, ZoneTimes, dump_text, header_text
from tests.profiler_rows import host_ids, log_text, random_times, read_row_by_row


def _write(folder: Path, text: bytes) -> Path:
    path = folder / "profile_log_device.csv"
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("generation", list(Generation))
def test_the_generation_is_found_by_the_names_of_the_columns(generation: Generation) -> None:
    header = parse_header(header_text(generation, "blackhole", 1350), "log")
    assert header is not None
    assert (header.generation, header.arch, header.chip_mhz) == (generation, "blackhole", 1350)
    assert header.columns == COLUMNS[generation]


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    header, lines = log_text(3, seed=1)
    first, names = header.splitlines()
    turned = [b",".join(reversed(line.strip().split(b","))) for line in (names, *lines)]
    text = b"\n".join([first, *turned]) + b"\n"
    expected = read_log(_write(tmp_path, header + b"".join(lines)))
    assert read_log(_write(tmp_path, text)).launches.equals(expected.launches)


def test_an_old_grayskull_header() -> None:
    names = header_text(Generation.V1, "x", 1).splitlines()[1]
    header = parse_header(b"Chip clock is at 1200 MHz\n" + names + b"\n", "log")
    assert header is not None
    assert (header.arch, header.chip_mhz) == ("grayskull", 1200)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"vector,duration\n1,2\n", "line 1: no log"),
        (b"ARCH: x, CHIP_FREQ[MHz]: 0\n\n", "line 1: no log"),
        (b"ARCH: x, CHIP_FREQ[MHz]: 1000\na, b\n", "line 2: .* pcie slot, .* missing"),
        (b"\x00" * 10_000, "line 1: no log"),
        (b"PAR1" + bytes(range(256)) * 40, "line 1: no log"),
        (b"ARCH: x, CHIP_FREQ[MHz]: 1000\n" + b"a, " * 3000, "line 2: .* do not end"),
    ],
)
def test_what_is_no_log_is_an_error(tmp_path: Path, text: bytes, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        read_log(_write(tmp_path, text))


def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        read_log(tmp_path)


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\n",
        b"\x00\xff\xfe" * 20 + b"\n",
        b",".join([b"x"] * 15) + b"\n",
        b",".join([b"-1"] * 15) + b"\n",
        b",".join([b"999999999999999999999"] * 15) + b"\n",
        b",".join([b"\xff\xfe"] * 15) + b"\n",
        b"," * 14 + b"\n",
        b'0,1,1,BRISC,1,"5,0,1024,,,BRISC-FW,ZONE_START,1,f\n',
    ],
)
def test_a_bad_line_harms_no_other(tmp_path: Path, garbage: bytes) -> None:
    header, lines = log_text(4, seed=3)
    expected = read_log(_write(tmp_path, header + b"".join(lines)))
    middle = len(lines) // 2
    text = header + b"".join([*lines[:middle], garbage, *lines[middle:]])
    profile = read_log(_write(tmp_path, text))
    assert profile.launches.equals(expected.launches)
    assert profile.n_bad_lines == len(profile.bad_lines) == 1
    assert profile.n_rows == expected.n_rows


def test_bad_lines_of_later_pieces_have_their_numbers_in_the_file(tmp_path: Path) -> None:
    header, lines = log_text(8, seed=3)
    lines.insert(at := len(lines) * 3 // 4, b"garbage\n")
    profile = read_log(_write(tmp_path, header + b"".join(lines)), piece_bytes=2000)
    assert [bad.number for bad in profile.bad_lines] == [at + 3]


@pytest.mark.parametrize(
    ("second", "match"),
    [
        (header_text(Generation.V5, "wormhole_b0", 800), "800 MHz, the first"),
        (header_text(Generation.V3, "wormhole_b0", 1000), "other columns"),
    ],
)
def test_a_second_header_that_differs_is_an_error(
    tmp_path: Path, second: bytes, match: str
) -> None:
    header, lines = log_text(2, seed=0)
    with pytest.raises(FormatError, match=match):
        read_log(_write(tmp_path, header + b"".join(lines) + second + b"".join(lines)))


def test_launches_of_v0_have_no_id_and_are_told_apart_by_time(tmp_path: Path) -> None:
    times = random_times(6, seed=5)
    text = {
        generation: header_text(generation, "wormhole_b0", 1000)
        + dump_text(times, host_ids(6, generation), generation)
        for generation in (Generation.V0, Generation.V1)
    }
    with_ids = read_log(_write(tmp_path, text[Generation.V1])).launches
    without = read_log(_write(tmp_path, text[Generation.V0])).launches
    assert without["segment"].to_pylist() == list(range(6))
    names = ["status", "kernel_cycles", "start_cycle", "core_count", "op_to_op_ns"]
    assert without.select(names).equals(with_ids.select(names))


def test_ids_that_wrap_in_one_log_are_launches_of_their_own(tmp_path: Path) -> None:
    # Each id comes three times, on other cores each time, and milliseconds apart.
    times = random_times(30, seed=9)
    times.cycles[:] += times.launch[:, None] * 2_000_000
    ids = np.arange(30) % 10 + 1
    header = header_text(Generation.V1, "wormhole_b0", 1000)
    path = _write(tmp_path, header + dump_text(times, ids, Generation.V1))
    wrapped = read_log(path).launches
    path = _write(tmp_path, header + dump_text(times, np.arange(30) + 1, Generation.V1))
    plain = read_log(path).launches
    names = [name for name in plain.column_names if name not in {"run_host_id", "segment"}]
    assert wrapped.select(names).equals(plain.select(names))
    assert wrapped["segment"].to_pylist() == [0] * 10 + [1] * 10 + [2] * 10


def test_a_launch_of_a_repeated_id_that_hung_stays_one(tmp_path: Path) -> None:
    cycles = np.array([[0, 100, 900, 1000], [50, 150, 950, 1050]]) + 10**6
    times = ZoneTimes(
        np.repeat(np.arange(3), 2),
        np.tile([1, 2], 3),
        np.ones(6, int),
        np.zeros(6, int),
        np.concatenate([cycles, cycles + 5000, cycles + 10_000]),
    )
    lines = dump_text(times, np.array([7, 7, 7]), Generation.V1).splitlines(keepends=True)
    # Core 1 of the second launch never ends.
    hung = [line for line in lines if not (b",1,1," in line[:6] and b",10059" in line)]
    hung = [line for line in hung if b",1006000," not in line and b",1005900," not in line]
    assert len(hung) == len(lines) - 2
    header = header_text(Generation.V1, "wormhole_b0", 1000)
    launches = read_log(_write(tmp_path, header + b"".join(hung))).launches
    assert launches["status"].to_pylist() == [0, 1, 0]
    assert launches["kernel_cycles"].to_pylist() == [850, None, 850]


def test_replays_of_a_trace_are_launches_of_their_own(tmp_path: Path) -> None:
    header, lines = log_text(2, seed=4, generation=Generation.V5)
    later = log_text(2, seed=4, generation=Generation.V5, first_cycle=10**9 + 10**6)[1]

    def replayed(lines: list[bytes], counter: int) -> bytes:
        return b"".join(line.replace(b",,,", b",5,%d," % counter, 1) for line in lines)

    text = header + replayed(lines, 0) + replayed(later, 1)
    launches = read_log(_write(tmp_path, text)).launches
    assert launches["trace_id_counter"].to_pylist() == [0, 0, 1, 1]
    assert launches["status"].to_pylist() == [0] * 4
    assert launches["segment"].to_pylist() == [0] * 4


def test_zones_that_end_before_they_start_or_come_twice_give_no_number(tmp_path: Path) -> None:
    times = random_times(3, seed=2)
    header = header_text(Generation.V5, "wormhole_b0", 1000)
    ids = host_ids(3, Generation.V5)
    times.cycles[times.launch == 1] = times.cycles[times.launch == 1][:, ::-1]
    text = header + dump_text(times, ids, Generation.V5)
    launches = read_log(_write(tmp_path, text)).launches
    assert launches["status"].to_pylist() == [0, LaunchStatus.BACKWARDS, 0]
    header, lines = log_text(3, seed=2)
    kernels = [line for line in lines if b"BRISC-KERNEL,ZONE_END" in line]
    text = header + b"".join(lines) + kernels[0].replace(b",10000", b",10001", 1)
    status = read_log(_write(tmp_path, text)).launches["status"].to_pylist()
    assert status.count(LaunchStatus.ZONE_TWICE) == 1


def test_a_log_of_many_dumps_is_read_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small windows, so that launches leave long before the end of the log.
    from farm.profiler import launch_window

    writer = LogWriter(tmp_path / "log.csv", Generation.V5)
    for dump in range(40):
        times = random_times(10, dump, first_cycle=10**9 + dump * 10**6)
        writer.dump(times, host_ids(10, Generation.V5, 1 + 10 * dump))
    whole = read_log(writer.path)
    monkeypatch.setattr(log_reader, "WINDOW_ROWS", 1000)
    monkeypatch.setattr(launch_window, "_N_ROWS_BEHIND", 50)
    handed_out = []
    take = launch_window.LaunchWindow.take_left_behind
    monkeypatch.setattr(
        launch_window.LaunchWindow,
        "take_left_behind",
        lambda window: handed_out.append(take(window)) or handed_out[-1],
    )
    in_windows = read_log(writer.path, piece_bytes=3000)
    assert sum(len(lines) for part in handed_out for lines in part) > 200
    assert in_windows.launches.equals(whole.launches)
    assert len(read_row_by_row(writer.path.read_bytes())) == whole.launches.num_rows == 400


def test_rows_too_far_apart_give_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No writer shuffles rows over many dumps; if one did, nothing wrong may come out.
    from farm.profiler import launch_window

    header, lines = log_text(60, seed=1)
    np.random.default_rng(0).shuffle(lines)
    path = _write(tmp_path, header + b"".join(lines))
    expected = {row["run_host_id"]: row for row in read_log(path).launches.to_pylist()}
    monkeypatch.setattr(log_reader, "WINDOW_ROWS", 100)
    monkeypatch.setattr(launch_window, "_N_ROWS_BEHIND", 10)
    for row in read_log(path, piece_bytes=3000).launches.to_pylist():
        if row["status"] == 0:
            assert row["kernel_ns"] == expected[row["run_host_id"]]["kernel_ns"]
