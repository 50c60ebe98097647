"""``farm soc explore`` and ``farm soc sensitivity``: what they print, write, draw and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from analysis.soc.commands import register
from farm.errors import UsageError
from sweeps.errors import SpecError

Farm = Callable[..., Any]
LIMITS = ("n_sms=16,48", "clock_mhz=1800,2500", "area_mm2=300,400", "l2_mb=6")
SMALL = tuple(word for text in LIMITS for word in ("-l", text))
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Run a command in this process, in the test's folder."""
    application = typer.Typer()
    register(application)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(application, list(arguments))


def test_explore_in_process(farm: Farm, tmp_path: Path) -> None:
    result = farm(
        "soc", "explore", *SMALL, "-k", "total_power_w<=500", "--plot", "designs.png",
        "--front", "front.csv", "--designs", "feasible.parquet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Pareto front" in result.stdout
    assert "total_power_w<=500 binds" in result.stdout
    assert (tmp_path / "designs.png").read_bytes().startswith(PNG)
    feasible = pq.read_table(tmp_path / "feasible.parquet")
    front = pyarrow.csv.read_csv(tmp_path / "front.csv")
    assert 0 < front.num_rows < feasible.num_rows
    assert f"{feasible.num_rows:,} feasible" in result.stdout
    assert max(feasible["total_power_w"].to_pylist()) <= 500
    best = max(feasible["density_tflops_mm2"].to_pylist())
    assert front["density_tflops_mm2"][0].as_py() == best


def test_a_study_and_options_join(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "axes: {n_sms: [16, 32], l2_mb: 6}\nconstraints: [total_power_w<=450]\n"
        "pareto: [time_ns, total_power_w]\npower: reference\n"
    )
    found = json.loads(farm("soc", "explore", "study.yaml", "-k", "n_chiplets==4", "--json").stdout)
    assert [c["text"] for c in found["constraints"]] == ["total_power_w<=450", "n_chiplets==4"]
    assert (found["power"], found["objective"]) == ("reference", "min:time_ns")
    assert found["best"]["n_chiplets"] == 4
    assert len(found["front"]) == found["n_front"] > 0
    assert found["n_designs"] + sum(found["dropped"].values()) == found["n_candidates"]
    again = farm("soc", "explore", "study.yaml", "--power", "physical", "--json")
    assert json.loads(again.stdout)["power"] == "physical"


def test_nothing_is_feasible(farm: Farm) -> None:
    result = farm("soc", "explore", *SMALL, "-k", "total_power_w<=500", "-k", "time_ns<=1e5")
    assert result.exit_code == 0
    assert "No design fulfils all constraints" in result.stdout
    assert "Without time_ns<=1e5 there would be" in result.stdout


def test_a_search_agrees_with_the_exploration(farm: Farm) -> None:
    options = ("soc", "explore", *SMALL, "-k", "total_power_w<=500", "--json")
    searched = json.loads(farm(*options, "--search", "--trials", "32", "--seed", "1").stdout)
    assert searched["best"] == json.loads(farm(*options).stdout)["best"]
    assert searched["seed"] == 1


def test_sensitivity(farm: Farm, tmp_path: Path) -> None:
    result = farm(
        "soc", "sensitivity", "--sobol", "--samples", "256", "--plot", "tornado.svg",
        "--plot-sobol", "sobol.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "normalised" in result.stdout
    assert "first order" in result.stdout
    assert (tmp_path / "tornado.svg").read_text().startswith("<?xml")
    assert (tmp_path / "sobol.png").read_bytes().startswith(PNG)
    found = json.loads(farm("soc", "sensitivity", "-m", "total_power_w", "--json").stdout)
    assert {effect["parameter"] for effect in found["one_at_a_time"]} >= {"n_sms", "clock_mhz"}
    assert found["sobol"] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("explore", "-k", "power<=3"), "no metric or parameter 'power'"),
        (("explore", "-k", "total_power_w<="), "it ends where a number or a name is expected"),
        (("explore", "--pareto", "density"), "did you mean density_tflops_mm2"),
        (("explore", "--objective", "n_sms"), "max:n_sms or min:n_sms"),
        (("explore", "-l", "sms=3"), "no axis 'sms'"),
        (("explore", "--set-axis", "n_sms=a"), "not of kind int"),
        (("explore", "matmul"), "is of 'matmul', not of designs"),
        (("explore", "no.yaml"), "no.yaml: cannot be read"),
        (("explore", "--power", "none"), "physical or reference"),
        (("explore", "--precision", "tf32"), "no TF32 rate"),
        (("explore", "--workload", "big"), "gemm:MxNxK"),
        (("explore", "--plot", "x.pdf"), ".png or .svg"),
        (("explore", "--front", "x.txt"), ".csv or .parquet"),
        (("explore", "--plot", "x.png", "--pareto", "time_ns"), "two goals"),
        (("explore", "--search", "--front", "x.csv"), "--search finds one design"),
        (("sensitivity", "--parameter", "sms"), "no such number"),
        (("sensitivity", "--metric", "watts"), "no metric or parameter 'watts'"),
        (("sensitivity", "--plot-sobol", "x.png"), "give both"),
        (("sensitivity", "--sobol", "--samples", "100"), "a power of 2"),
        (("sensitivity", "--parameter", "n_sms", "--parameter", "n_sms=1..2"), "given twice"),
    ],
)
def test_wrong_input(farm: Farm, arguments: tuple[str, ...], expected: str) -> None:
    error = farm("soc", *arguments).exception
    assert isinstance(error, UsageError | SpecError)
    assert expected in str(error)


def test_charts_are_the_same_each_time(farm: Farm, tmp_path: Path) -> None:
    goals = ("--pareto", "density_tflops_mm2,total_power_w,time_ns")
    for name in ("first", "again"):
        farm("soc", "explore", *SMALL, *goals, "--plot", f"{name}.svg")
        farm("soc", "sensitivity", "-m", "time_ns", "--plot", f"{name}.png")
    for suffix in (".svg", ".png"):
        first, again = (tmp_path / f"{name}{suffix}" for name in ("first", "again"))
        assert first.read_bytes() == again.read_bytes() != b""


def test_a_chart_of_no_feasible_design(farm: Farm, tmp_path: Path) -> None:
    result = farm("soc", "explore", *SMALL, "-k", "total_power_w<=1", "--plot", "none.svg")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "none.svg").stat().st_size > 1000
