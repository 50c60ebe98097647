"""Logs that grow, vanish, shrink and come again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from farm.errors import FormatError
from farm.profiler.log_format import Generation
from farm.profiler.log_reader import read_log
from farm.profiler.log_tail import LogTail
from farm.profiler.log_writer import LogWriter, ZoneTimes
from tests.profiler_rows import host_ids, log_text, random_times


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".logs" / "profile_log_device.csv"


def _dump(writer: LogWriter, n: int, first: int, first_cycle: int = 0) -> None:
    times = random_times(n, first, first_cycle=first_cycle or 10**9 + first * 10**6)
    writer.dump(times, host_ids(n, writer.generation, first))


def _ids(profile) -> list[int]:
    return [i >> 10 for i in profile.launches["run_host_id"].to_pylist()]


def test_dump_by_dump(path: Path) -> None:
    writer = LogWriter(path)
    with LogTail(path) as tail:
        assert tail.take().launches.num_rows == 0
        assert tail.take().header is None
        taken = []
        for first in (1, 6, 11):
            _dump(writer, 5, first)
            taken.append(tail.take())
            assert _ids(taken[-1]) == list(range(first, first + 5))
            assert tail.offset == path.stat().st_size
    whole = read_log(path).launches.to_pylist()
    # Pauses go on from one dump to the next.
    assert [row for part in taken for row in part.launches.to_pylist()] == whole


def test_half_a_header_and_half_a_line_wait(path: Path) -> None:
    header, lines = log_text(1, seed=0)
    path.parent.mkdir()
    text = header + b"".join(lines)
    with LogTail(path) as tail:
        for at in range(0, len(header), 7):
            path.write_bytes(text[:at])
            assert tail.absorb() == 0
        path.write_bytes(text[:-1])
        assert tail.take().launches.num_rows == 0
        assert tail.take().n_torn_bytes == len(lines[-1]) - 1
        path.write_bytes(text)
        assert tail.take().launches["status"].to_pylist() == [0]


def test_open_launches_wait_until_they_are_complete(path: Path) -> None:
    header, lines = log_text(3, seed=6)
    is_late = [b"ZONE_END" in line and b",2051," in line for line in lines]
    early = [line for line, late in zip(lines, is_late, strict=True) if not late]
    late = [line for line, late in zip(lines, is_late, strict=True) if late]
    path.parent.mkdir()
    path.write_bytes(header + b"".join(early))
    with LogTail(path) as tail:
        assert _ids(tail.take()) == [1, 3]
        assert tail.n_open_rows > 0
        assert _ids(tail.take()) == []
        with path.open("ab") as file:
            file.write(b"".join(late))
        assert _ids(tail.take()) == [2]
        assert tail.n_open_rows == 0


def test_a_launch_that_never_ends_is_handed_out_when_asked_for(path: Path) -> None:
    header, lines = log_text(2, seed=6)
    path.parent.mkdir()
    path.write_bytes(header + b"".join(line for line in lines if b"ZONE_START" in line))
    with LogTail(path) as tail:
        assert tail.take().launches.num_rows == 0
        profile = tail.take_all()
        assert profile.launches["status"].to_pylist() == [1, 1]
        assert profile.launches["kernel_ns"].null_count == 2
        assert tail.take_all().launches.num_rows == 0


@pytest.mark.parametrize("how", ["delete", "rename", "replace"])
def test_a_new_file_is_followed_and_the_old_one_read_to_its_end(path: Path, how: str) -> None:
    writer = LogWriter(path)
    with LogTail(path) as tail:
        _dump(writer, 3, 1)
        assert _ids(tail.take()) == [1, 2, 3]
        _dump(writer, 2, 4)
        if how == "delete":
            path.unlink()
        elif how == "rename":
            path.rename(path.with_suffix(".old"))
        else:
            other = LogWriter(path.with_suffix(".new"))
            _dump(other, 3, 6)
            os.replace(other.path, path)
        if how != "replace":
            # The old one is gone and the new one not there yet.
            assert _ids(tail.take()) == [4, 5]
            _dump(writer, 3, 6)
            assert _ids(tail.take()) == [6, 7, 8]
        else:
            assert _ids(tail.take()) == [4, 5, 6, 7, 8]


def test_a_truncated_log_is_read_anew(path: Path) -> None:
    writer = LogWriter(path)
    with LogTail(path) as tail:
        _dump(writer, 5, 1)
        tail.take()
        os.truncate(path, 0)
        _dump(writer, 2, 6)
        assert _ids(tail.take()) == [6, 7]


def test_a_log_rewritten_in_place_is_read_anew_even_if_it_is_longer(path: Path) -> None:
    writer = LogWriter(path)
    with LogTail(path) as tail:
        _dump(writer, 2, 1)
        tail.take()
        os.truncate(path, 0)
        _dump(writer, 9, 3)
        assert _ids(tail.take()) == list(range(3, 12))


def test_open_launches_of_a_file_that_is_gone_are_incomplete(path: Path) -> None:
    header, lines = log_text(2, seed=6)
    path.parent.mkdir()
    path.write_bytes(header + b"".join(line for line in lines if b"ZONE_START" in line))
    with LogTail(path) as tail:
        tail.absorb()
        path.unlink()
        _dump(LogWriter(path, chip_mhz=800), 1, 9)
        profile = tail.take()
        assert _ids(profile) == [1, 2, 9]
        assert profile.launches["status"].to_pylist() == [1, 1, 0]
        assert profile.launches["chip_mhz"].to_pylist() == [1000, 1000, 800]


def test_leftovers_of_others_are_skipped_on_request(path: Path) -> None:
    writer = LogWriter(path)
    _dump(writer, 3, 1)
    with LogTail(path, from_end=True) as tail:
        assert tail.take().launches.num_rows == 0
        _dump(writer, 2, 4)
        assert _ids(tail.take()) == [4, 5]


def test_the_clock_goes_on_over_a_wrap_between_two_dumps(path: Path) -> None:
    cycles = np.array([[0, 10, 20, 30]])

    def one(start: int) -> ZoneTimes:
        zero = np.zeros(1, int)
        return ZoneTimes(zero, zero + 1, zero + 1, zero, cycles + start)

    writer, starts = LogWriter(path), []
    with LogTail(path) as tail:
        for at, start in enumerate((2**44 - 100, 2**44 + 50, 2**45 - 10, 2**45 + 5)):
            # Hours pass: less than three quarters of a wrap at a time.
            for step in (start - 2**43, start) if at == 2 else (start,):
                writer.dump(one(step), np.array([(at + 1) << 10]))
                starts += tail.take_all().launches["start_cycle"].to_pylist()
    assert starts == [2**44 - 100, 2**44 + 50, 2**45 - 10 - 2**43, 2**45 - 10, 2**45 + 5]


def test_bad_lines_are_reported_once(path: Path) -> None:
    writer = LogWriter(path, Generation.V5)
    with LogTail(path) as tail:
        _dump(writer, 1, 1)
        with path.open("ab") as file:
            file.write(b"garbage\n")
        n_lines = path.read_bytes().count(b"\n")
        profile = tail.take()
        assert (profile.n_bad_lines, profile.bad_lines[0].number) == (1, n_lines)
        assert tail.take().n_bad_lines == 0


def test_another_file_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no log\nat all\n")
    with LogTail(path) as tail, pytest.raises(FormatError, match="line 1: no log"):
        tail.take()


def test_a_read_ends_where_its_dump_ended(path: Path) -> None:
    writer, ends = LogWriter(path), []
    for first in (1, 6, 11):
        _dump(writer, 5, first)
        ends.append(path.stat().st_size)
    with LogTail(path) as tail:
        for first, end in zip((1, 6, 11), ends, strict=True):
            profile = tail.take(end)
            assert _ids(profile) == list(range(first, first + 5))
            assert profile.n_torn_bytes == 0
            assert tail.offset == end
            assert tail.take(end).launches.num_rows == 0
        assert tail.take(ends[-1] - 1).launches.num_rows == 0
