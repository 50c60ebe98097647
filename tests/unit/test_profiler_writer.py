"""Logs that are written: their text, and that the reader gets back what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from farm.profiler.log_format import COLUMNS, RISCS, Generation
from farm.profiler.log_reader import read_log
from farm.profiler.log_writer import LogWriter, ZoneTimes, dump_text, header_text
from tests.profiler_rows import host_ids, random_times, read_row_by_row

SOURCES = b"/home/user/tt-metal/tt_metal/hw/firmware/src"
ONE = ZoneTimes(
    np.array([0]),
    np.array([1]),
    np.array([12]),
    np.array([1]),
    np.array([[999, 1000, 99_999, 2**44 + 7]]),
)


def test_text_of_v1() -> None:
    assert dump_text(ONE, np.array([17]), Generation.V1).splitlines() == [
        b"0,1,12,NCRISC,12030,999,0,0,17,NCRISC-FW,begin,91," + SOURCES + b"/ncrisc.cc",
        b"0,1,12,NCRISC,77566,7,0,0,17,NCRISC-FW,end,91," + SOURCES + b"/ncrisc.cc",
        b"0,1,12,NCRISC,16513,1000,0,0,17,NCRISC-KERNEL,begin,31," + SOURCES + b"/ncrisck.cc",
        b"0,1,12,NCRISC,82049,99999,0,0,17,NCRISC-KERNEL,end,31," + SOURCES + b"/ncrisck.cc",
    ]


def test_text_of_v5() -> None:
    assert dump_text(ONE, np.array([1027]), Generation.V5, chip=3).splitlines() == [
        b"3,1,12,NCRISC,12030,999,0,1027,,,NCRISC-FW,ZONE_START,91," + SOURCES + b"/ncrisc.cc,",
        b"3,1,12,NCRISC,16513,1000,0,1027,,,NCRISC-KERNEL,ZONE_START,31,"
        + SOURCES
        + b"/ncrisck.cc,",
        b"3,1,12,NCRISC,16513,99999,0,1027,,,NCRISC-KERNEL,ZONE_END,31,"
        + SOURCES
        + b"/ncrisck.cc,",
        b"3,1,12,NCRISC,12030,7,0,1027,,,NCRISC-FW,ZONE_END,91," + SOURCES + b"/ncrisc.cc,",
    ]


@pytest.mark.parametrize(
    ("generation", "name"),
    [
        (Generation.V1, "reshard_v1_100"),
        (Generation.V3, "reshard_v3_100"),
        (Generation.V5, "reshard_v5_100"),
    ],
)
def test_headers_are_those_of_recorded_logs(
    data_dir: Path, generation: Generation, name: str
) -> None:
    with (data_dir / "profiler" / f"{name}.csv").open("rb") as file:
        recorded = file.readline() + file.readline()
    assert header_text(generation, "wormhole_b0", 1000) == recorded


@pytest.mark.parametrize("generation", [g for g in Generation if g.has_host_ids])
@pytest.mark.parametrize("first", [1, 95, 9_990, 65_530])
def test_what_was_written_is_read(tmp_path: Path, generation: Generation, first: int) -> None:
    # Numbers of digits change within a dump; ids wrap.
    times = random_times(12, first, first_cycle=99_900_000)
    writer = LogWriter(tmp_path / "log.csv", generation)
    writer.dump(times, host_ids(12, generation, first))
    text = writer.path.read_bytes()
    assert text.count(b"\n") == 2 + 4 * len(times.launch)
    assert {line.count(b",") for line in text.splitlines()[1:]} == {len(COLUMNS[generation]) - 1}
    launches = read_log(writer.path).launches
    for launch, row in enumerate(launches.to_pylist()):
        cycles = times.cycles[times.launch == launch]
        risc = times.risc[times.launch == launch]
        assert row["firmware_cycles"] == cycles[:, 3].max() - cycles[:, 0].min()
        assert row["kernel_cycles"] == cycles[:, 2].max() - cycles[:, 1].min()
        for code, name in enumerate(RISCS):
            own = cycles[risc == code]
            expected = own[:, 2].max() - own[:, 1].min() if len(own) else None
            assert row[f"{name.lower().replace('_', '')}_kernel_cycles"] == expected
    assert len(read_row_by_row(text)) == 12


def test_rows_go_core_by_core() -> None:
    times = random_times(5, 0)
    mixed = np.random.default_rng(0).permutation(len(times.launch))
    shuffled = ZoneTimes(
        *(getattr(times, name)[mixed] for name in ("launch", "core_x", "core_y", "risc", "cycles"))
    )
    ids = np.arange(1, 6)
    text = dump_text(shuffled.core_by_core(), ids, Generation.V1)
    assert text == dump_text(times, ids, Generation.V1)


def test_no_launches_are_no_rows(tmp_path: Path) -> None:
    nothing = np.empty(0, int)
    times = ZoneTimes(nothing, nothing, nothing, nothing, np.empty((0, 4), int))
    writer = LogWriter(tmp_path / "log.csv")
    assert writer.dump(times, nothing) == len(writer.path.read_bytes())
    assert read_log(writer.path).launches.num_rows == 0
