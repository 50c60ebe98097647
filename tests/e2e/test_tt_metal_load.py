"""Sweep modules of tt-metal on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Farm
from tests.e2e.test_bad_input import refused
from tests.tt_metal_checkout import SMALL, TREE, write_module

ROOT = ("--tt-metal-root", TREE)


def test_generate_a_module_and_select_of_it(farm: Farm, tmp_path: Path) -> None:
    whole = farm("generate", *ROOT, "--module", SMALL)
    assert whole.returncode == 0, whole.stderr
    assert "40 candidates in 2 suites, 34 valid, 34 vectors" in whole.stdout
    assert "6  K exceeds M" in whole.stdout
    vectors = pq.read_table(tmp_path / f"{SMALL}-sweep" / "vectors" / "00000.parquet")
    assert len(set(vectors["input_hash"].to_pylist())) == 34
    part = farm("generate", *ROOT, "--module", SMALL, "--suite", "xfail", "--json", "--out", "x")
    assert json.loads(part.stdout)["n_vectors"] == 4
    assert json.loads((tmp_path / "x" / "sweep.json").read_text())["timeout_s"] == 15
    scanned = ("--timeout-scan", "--limit", "m_size=64", "--out", "scanned")
    assert farm("generate", *ROOT, "--module", SMALL, *scanned).returncode == 0
    assert json.loads((tmp_path / "scanned" / "sweep.json").read_text())["timeout_s"] == 30


def test_several_modules_have_a_directory_each(farm: Farm, tmp_path: Path) -> None:
    for name, x in (("op.one", "[1, 2]"), ("op.two", "[3]")):
        text = f"parameters = {{'s': {{'x': {x}}}}}\ndef run(x, *, device): return True, ''\n"
        write_module(tmp_path / "tt", name, text)
    both = ("--module", "op.one", "--module", "op.two")
    result = farm("generate", "--tt-metal-root", "tt", *both, "--out", "all")
    assert result.returncode == 0, result.stderr
    counts = {
        path.name: json.loads((path / "sweep.json").read_text())["n_vectors"]
        for path in (tmp_path / "all").iterdir()
    }
    assert counts == {"op.one": 2, "op.two": 1}


def test_no_module_runs_where_one_does_not_import(farm: Farm, tmp_path: Path) -> None:
    text = "parameters = {'s': {'x': [1]}}\ndef run(x, *, device): return True, ''\n"
    write_module(tmp_path / "tt", "op.good", text)
    write_module(tmp_path / "tt", "op.bad", "import ttnn_of_nobody\n")
    both = ("--module", "op.good", "--module", "op.bad")
    result = farm("generate", "--tt-metal-root", "tt", *both, "--out", "all")
    refused(result, "--module op.bad cannot be imported", "ttnn_of_nobody", "Import roots")
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*ROOT, "--module", "matmul.short.smal"), "did you mean matmul.short.small?"),
        (("--tt-metal-root", ".", "--module", SMALL), "give the root of a tt-metal checkout"),
        ((*ROOT,), "or a --module of the"),
        ((), "name a SWEEP, or --tt-metal-root PATH and --module NAME"),
        (("matmul", *ROOT, "--module", SMALL), "give one"),
        (("--module", SMALL), "or set TT_METAL_HOME"),
        (("matmul", "--suite", "x"), "belong to --module"),
        ((*ROOT, "--module", SMALL, "--suite", "x"), "its suites are nightly, xfail"),
        ((*ROOT, "--module", SMALL, "-l", "m_size:=7"), "its suites list theirs one by one"),
        ((*ROOT, "--module", SMALL, "-l", "index=1"), "its axes are m_size"),
    ],
    ids=lambda value: value[-20:] if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_refused(
    farm: Farm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    expected: str,
) -> None:
    monkeypatch.delenv("TT_METAL_HOME", raising=False)
    refused(farm("generate", *arguments, "--out", "out"), expected)
    assert not (tmp_path / "out").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_device_that_cannot_run_a_module_accounts_for_each_vector(farm: Farm) -> None:
    arguments = (*ROOT, "--module", SMALL, "--limit", "m_size=64..96", "--out", "out")
    first = farm("run", *arguments, "--device", "sim")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "22/22 vectors" in first.stdout
    assert "UNSUPPORTED 22" in first.stdout
    again = farm("run", *arguments, "--device", "sim")
    assert "nothing is left to measure" in again.stdout
