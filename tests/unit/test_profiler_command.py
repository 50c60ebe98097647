"""``farm profiler-log``: formats, names, files, and errors without a traceback."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from pyarrow import csv, parquet

from farm.cli import app
from farm.profiler.log_reader import read_log
from tests.profiler_rows import log_text


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "profile_log_device.csv"
    header, lines = log_text(5, seed=2)
    path.write_bytes(header + b"".join(lines[:-1]) + b"garbage\n")
    return path


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch):
    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["farm", "profiler-log", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        return int(ended.value.code or 0)

    return run


def test_csv_is_what_a_pipe_gets(farm, log: Path, capfdbinary) -> None:
    assert farm(log) == 0
    out, err = capfdbinary.readouterr()
    launches = read_log(log).launches
    read = csv.read_csv(io.BytesIO(out))
    assert read.column_names == launches.column_names
    assert read["kernel_ns"].to_pylist() == launches["kernel_ns"].to_pylist()
    assert b"5 launches" in err
    assert b"1 launches incomplete, 1 bad lines" in err
    assert b"'garbage'" in err


def test_parquet_has_the_very_table(farm, log: Path, tmp_path: Path) -> None:
    assert farm(log, "--format", "parquet", "--out", tmp_path / "launches.parquet") == 0
    assert parquet.read_table(tmp_path / "launches.parquet").equals(read_log(log).launches)


def test_names_of_tt_metal(farm, log: Path, tmp_path: Path) -> None:
    assert farm(log, "--names", "tt-metal", "--out", tmp_path / "launches.csv") == 0
    read = csv.read_csv(tmp_path / "launches.csv")
    assert read["GLOBAL CALL COUNT"].to_pylist() == [1027, 2051, 3075, 4099, 5123]
    assert "DEVICE KERNEL DURATION [ns]" in read.column_names
    assert "DEVICE ERISC KERNEL DURATION [ns]" not in read.column_names


@pytest.mark.parametrize(
    ("convention", "column"), [("firmware", "op_to_op_ns"), ("kernel", "kernel_to_kernel_ns")]
)
def test_either_latency_between_launches(
    farm, log: Path, tmp_path: Path, convention: str, column: str
) -> None:
    out = tmp_path / "launches.csv"
    assert farm(log, "--names", "tt-metal", "--op-to-op", convention, "--out", out) == 0
    expected = read_log(log).launches[column].to_pylist()
    found = csv.read_csv(out)["OP TO OP LATENCY [ns]"].to_pylist()
    assert found == [None if value is None else round(value) for value in expected]
    assert len(set(found)) > 1


def test_a_table_says_what_is_incomplete(farm, log: Path, capfd, tmp_path: Path) -> None:
    assert farm(log, "--format", "table", "--out", tmp_path / "table.txt") == 0
    text = (tmp_path / "table.txt").read_text()
    assert "NOT_ENDED" in text
    assert "5123" in text
    assert farm(log, "--format", "table") == 0
    assert "kernel" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"), [(b"", "the file is empty"), (b"a,b\n1,2\n", "line 1: no log")]
)
def test_what_is_no_log_ends_with_2(farm, tmp_path: Path, text: bytes, message: str, capfd) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(text)
    assert farm(path) == 2
    assert farm(tmp_path / "none.csv") == 2
    errors = capfd.readouterr().err
    assert message in errors
    assert "cannot be read: No such file" in errors
    assert "Traceback" not in errors


def test_an_output_that_cannot_be_written_ends_with_2(farm, log: Path, tmp_path, capfd) -> None:
    for form in ("csv", "parquet", "table"):
        assert farm(log, "--format", form, "--out", tmp_path / "no" / "such" / "file") == 2
    assert capfd.readouterr().err.count("cannot write") == 3
