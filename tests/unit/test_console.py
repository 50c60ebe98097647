"""Tables on terminals of any width, and in pipes."""

import re

import pytest
from rich.table import Table

from analysis.console import say, show

NAMES = ("power-optimized", "high-sm-density")


def a_table() -> Table:
    table = Table(title="chips", box=None, pad_edge=False)
    table.add_column("chip")
    for name in ("peak TFLOPS", "density_tflops_mm2", "power W", "ridge flop/byte"):
        table.add_column(name, justify="right")
    for name in NAMES:
        table.add_row(name, "1 307.4", "0.04096", "runaway", "1 365")
    return table


def printed_by(capsys: pytest.CaptureFixture[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, n_columns: int) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(n_columns))


@pytest.mark.parametrize("n_columns", [120, 70, 58, 50])
def test_nothing_of_a_table_is_cut_off_on_a_narrow_terminal(
    n_columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, n_columns)
    show(a_table())
    printed = printed_by(capsys)
    assert max(map(len, printed.splitlines())) <= n_columns
    assert "…" not in printed
    for name in NAMES:
        row = next(line for line in printed.splitlines() if line.startswith(name))
        assert row.split() == [name, "1", "307.4", "0.04096", "runaway", "1", "365"]


def test_headings_stay_whole_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 120)
    show(a_table())
    assert "peak TFLOPS  density_tflops_mm2  power W  ridge flop/byte" in printed_by(capsys)


def test_texts_are_folded_where_even_short_headings_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 40)
    show(a_table())
    printed = printed_by(capsys)
    assert max(map(len, printed.splitlines())) <= 40
    assert "…" not in printed
    assert printed.count("runaway") == len(NAMES)


def test_numbers_are_folded_where_nothing_else_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 40)
    table = Table(box=None)
    for name in ("ops", "compute", "memory"):
        table.add_column(name, justify="right")
    cells = ("float32", "95.1 % (94.4 - 95.8)", "79.8 % (49.9 - 110)")
    table.add_row(*cells)
    show(table)
    printed = "".join(printed_by(capsys).split())
    assert sorted(printed) == sorted("".join(("opscomputememory", *cells)).replace(" ", ""))


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "word " * 60 + "[end]"
    say(sentence)
    show(a_table())
    first, *_ = printed = printed_by(capsys).splitlines()
    assert first == sentence
    assert any("density_tflops_mm2" in line for line in printed)


def test_a_sentence_is_broken_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 30)
    say("total_power_w binds: without it more would be reached")
    lines = printed_by(capsys).splitlines()
    assert " ".join(line.strip() for line in lines) == (
        "total_power_w binds: without it more would be reached"
    )
    assert max(map(len, lines)) <= 30
