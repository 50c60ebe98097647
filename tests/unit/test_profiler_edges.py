"""Recorded and made-up logs: equal to the reference, and every edge case has its outcome."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.errors import FormatError
from farm.profiler.launches import with_reference_names
from farm.profiler.log_reader import Profile, read_log

KERNEL_NS = [5716, 5857, 5734, 6012]
PAUSE_NS = [0, 3680, 3256, 3475]
RECORDED = (
    "grid64_v1_10",
    "real_ttnn_visualizer_v3_excerpt",
    "reshard_v1_10",
    "reshard_v1_100",
    "reshard_v1_100_2chips",
    "reshard_v2m_100",
    "reshard_v3_100",
    "reshard_v5_100",
)


@pytest.fixture(params=["v1", "v5"])
def version(request):
    return request.param


@pytest.fixture
def edge(data_dir: Path, version: str):
    """Read an edge case by its number."""

    def read(number: str) -> Profile:
        (path,) = (data_dir / "profiler" / "edge").glob(f"{number}_*.{version}.csv")
        return read_log(path)

    return read


def _columns(profile: Profile, *names: str) -> list[list]:
    return [profile.launches[name].to_pylist() for name in names]


def _is_plain(profile: Profile) -> bool:
    """Whether it says what the log of four launches says without any harm."""
    columns = _columns(profile, "kernel_ns", "op_to_op_ns", "status", "core_count")
    return columns == [KERNEL_NS, PAUSE_NS, [0] * 4, [2] * 4]


@pytest.mark.parametrize("name", RECORDED)
def test_values_equal_the_reference(data_dir: Path, name: str) -> None:
    expected = json.loads((data_dir / "profiler" / f"expected_{name}.json").read_text())
    profile = read_log(data_dir / "profiler" / f"{name}.csv")
    table = with_reference_names(profile.launches).drop_columns(["DEVICE ID", "CORE COUNT"])
    # The reference leaves out what it does not know, and writes durations as text.
    found = [
        {key: str(value) if "DURATION" in key else value for key, value in row.items()}
        for row in table.to_pylist()
    ]
    assert [{k: v for k, v in row.items() if v not in {None, "None"}} for row in found] == expected


@pytest.mark.parametrize("number", ["00", "04", "22", "23", "24", "28", "29"])
def test_these_change_nothing(edge, number: str) -> None:
    assert _is_plain(edge(number))


def test_rows_of_other_zones_are_counted(edge, version: str) -> None:
    assert edge("22").n_other_rows == (18 if version == "v1" else 42)
    assert edge("23").n_other_rows == 8


def test_garbage_is_set_aside_with_its_line(edge) -> None:
    profile = edge("24")
    assert profile.n_bad_lines == 1
    assert profile.bad_lines[0].number == 12
    assert profile.bad_lines[0].text == "0,1,1,BRI0,1,1,BRISC,22845"


@pytest.mark.parametrize("number", ["01", "02"])
def test_a_torn_last_line_is_not_read(edge, number: str) -> None:
    profile = edge(number)
    assert profile.n_torn_bytes > 0
    assert _columns(profile, "status", "kernel_ns") == [[0, 0, 0, 1], [*KERNEL_NS[:3], None]]


def test_a_dump_that_was_cut_shows_in_the_zones_only(edge) -> None:
    profile = edge("03")
    assert _columns(profile, "status", "n_zones") == [[0] * 4, [6] * 4]
    assert _columns(edge("00"), "n_zones") == [[8] * 4]


@pytest.mark.parametrize("number", ["05", "06"])
def test_chips_are_apart(edge, number: str) -> None:
    profile = edge(number)
    chip, kernel, pause = _columns(profile, "chip", "kernel_ns", "op_to_op_ns")
    assert len(set(chip[:4])) == len(set(chip[4:])) == 1
    assert chip[0] != chip[4]
    assert kernel == [*KERNEL_NS, 5828, 6087, 6242, 6030]
    assert pause == [*PAUSE_NS, 0, 3092, 3083, 3453]


def test_a_dump_written_twice_is_read_once(edge) -> None:
    profile = edge("07")
    assert _is_plain(profile)
    assert profile.n_repeated_rows == 64


@pytest.mark.parametrize("number", ["08", "09"])
def test_dumps_follow_each_other_with_or_without_a_header(edge, number: str) -> None:
    profile = edge(number)
    kernel, status = _columns(profile, "kernel_ns", "status")
    assert kernel == [*KERNEL_NS, 6213, 6201, 5644, 6070]
    assert status == [0] * 8
    assert profile.n_bad_lines == 0


def test_a_wrap_in_a_launch_is_flagged(edge) -> None:
    profile = edge("10")
    assert _is_plain(profile)
    assert _columns(profile, "is_wrapped") == [[False, True, False, False]]
    starts = _columns(profile, "start_cycle")[0]
    assert starts == sorted(starts)
    assert starts[-1] > 2**44


def test_a_wrap_between_launches_changes_nothing(edge) -> None:
    profile = edge("11")
    assert _is_plain(profile)
    assert not any(_columns(profile, "is_wrapped")[0])


def test_a_marker_with_an_old_high_word_is_put_right_and_flagged(edge) -> None:
    profile = edge("12")
    assert _is_plain(profile)
    assert _columns(profile, "is_repaired") == [[False, True, False, False]]


@pytest.mark.parametrize(("number", "status"), [("13", 1), ("14", 1), ("15", 1), ("17", 2)])
def test_an_incomplete_launch_has_no_numbers_and_exact_neighbours(
    edge, number: str, status: int
) -> None:
    profile = edge(number)
    assert _columns(profile, "status", "kernel_ns", "op_to_op_ns") == [
        [0, status, 0, 0],
        [5716, None, 5734, 6012],
        [0, None, None, 3475],
    ]
    row = profile.launches.to_pylist()[1]
    unknown = [k for k in row if k.endswith(("_ns", "_cycles", "start_cycle", "end_cycle"))]
    assert len(unknown) == 22
    assert all(row[name] is None for name in unknown)


def test_the_last_launch_threw(edge) -> None:
    columns = _columns(edge("16"), "status", "kernel_ns")
    assert columns == [[0, 0, 0, 1], [*KERNEL_NS[:3], None]]


def test_a_core_without_any_row_shows_in_the_core_count_only(edge) -> None:
    assert _columns(edge("18"), "status", "core_count") == [[0] * 4, [2, 2, 1, 2]]


def test_without_the_rows_of_a_master_there_is_no_number(edge) -> None:
    assert _columns(edge("19"), "status", "kernel_ns") == [
        [0, 0, 4, 4],
        [5716, 5857, None, None],
    ]


def test_an_id_that_comes_again_is_a_segment(edge) -> None:
    profile = edge("20")
    assert _is_plain(profile)
    ids, segment = _columns(profile, "run_host_id", "segment")
    assert len(set(ids)) == 2
    assert segment == [0, 1, 2, 0]


def test_launches_without_an_id_are_told_apart_by_time(edge) -> None:
    profile = edge("21")
    assert _is_plain(profile)
    assert _columns(profile, "run_host_id", "segment") == [[0] * 4, [0, 1, 2, 3]]


def test_a_log_without_rows_has_no_launches(edge) -> None:
    assert edge("25").launches.num_rows == 0


@pytest.mark.parametrize(("number", "line"), [("26", "line 1"), ("27", "line 2")])
def test_half_a_header_is_an_error_with_file_and_line(edge, number: str, line: str) -> None:
    with pytest.raises(FormatError, match=rf"{number}_.*\.csv, {line}: "):
        edge(number)


def test_ethernet_cores_count(edge) -> None:
    columns = _columns(edge("30"), "core_count", "kernel_ns", "erisc_kernel_ns")
    assert columns == [[4, 4, 2, 2], [8747, 8747, 5734, 6012], [8747, 8747, None, None]]


def test_an_odd_clock_gives_ns_that_are_not_whole(edge) -> None:
    profile = edge("31")
    cycles, ns = _columns(profile, "kernel_cycles", "kernel_ns")
    assert cycles == KERNEL_NS
    assert ns == [c * 1000 / 1202 for c in cycles]


def test_launches_need_not_share_a_core(edge) -> None:
    assert _columns(edge("32"), "kernel_ns", "op_to_op_ns", "core_count") == [
        [5606, 5857, 5564, 5562],
        [0, 3680, 3325, 4026],
        [1] * 4,
    ]
