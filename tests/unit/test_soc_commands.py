"""``farm soc roofline | power | scaling | compare | chips``: what they print and draw."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from analysis.soc.commands import register

Farm = Callable[..., Any]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Run a command in this process, in the test's folder."""
    application = typer.Typer()
    register(application)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(application, list(arguments))


def test_roofline(farm: Farm, tmp_path: Path) -> None:
    result = farm("soc", "roofline", "-p", "FP16,FP8", "--plot", "roofline.png")
    assert result.exit_code == 0, result.output
    assert "64 flop/byte" in result.stdout
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")


def test_roofline_of_a_public_chip_with_a_measured_operation(farm: Farm) -> None:
    result = farm("soc", "roofline", "--chip", "a100", "-m", "gemm=1e12/1e9@5e-3", "--json")
    answer = json.loads(result.stdout)
    assert answer["chip"] == "a100-sxm-80gb"
    assert answer["precisions"]["FP16"]["ridge_point"]["HBM"] == pytest.approx(312e3 / 2039)
    (marker,) = answer["markers"]
    assert marker["bound"] == "compute"
    assert marker["efficiency"] == pytest.approx(200 / 312)


def test_power(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: realistic\nchiplet: {sm: {clock_mhz: 1800}}\n")
    arguments = ("soc", "power", "-c", "mine.yaml", "-u", "0.5,1", "--json")
    answer = json.loads(farm(*arguments).stdout)
    assert (answer["chip"], answer["voltage_v"]) == ("mine", pytest.approx(0.85))
    assert [point["utilization"] for point in answer["points"]] == [0.5, 1]
    reference = json.loads(farm(*arguments, "--power", "reference").stdout)
    assert reference["points"][1]["total_w"] == pytest.approx(363.4)


def test_power_as_a_table(farm: Farm) -> None:
    result = farm("soc", "power", "-s", "clock_mhz=2500", "-s", "ambient_c=70")
    assert "above the 105 °C that it may have" in result.stdout
    assert "2500 MHz at 1.025 V" in result.stdout


def test_scaling(farm: Farm, tmp_path: Path) -> None:
    result = farm(
        *("soc", "scaling", "--over", "n_chiplets=4,8", "--power", "reference"),
        *("--plot", "scaling.svg"),
    )
    assert result.exit_code == 0, result.output
    assert "504.4" in result.stdout
    assert (tmp_path / "scaling.svg").exists()


def test_scaling_goes_on_where_a_chip_runs_away(farm: Farm) -> None:
    result = farm("soc", "scaling", "--over", "n_chiplets=4,16")
    assert result.exit_code == 0, result.output
    assert "runaway" in result.stdout
    points = json.loads(farm("soc", "scaling", "--over", "n_chiplets=4,16", "--json").stdout)
    assert points["studies"][0]["points"][1]["power_w"] is None


def test_compare(farm: Farm, tmp_path: Path) -> None:
    chips = ("--chip", "realistic", "--chip", "h100", "--chip", "mi300x")
    result = farm("soc", "compare", *chips, "--plot", "compare.png")
    assert result.exit_code == 0, result.output
    for expected in ("modelled", "published", "models against published figures", "+7 %"):
        assert expected in result.stdout
    assert (tmp_path / "compare.png").exists()
    answer = json.loads(farm("soc", "compare", *chips, "--json").stdout)
    assert [chip["is_published"] for chip in answer["chips"]] == [False, True, True]


def test_chips(farm: Farm) -> None:
    listed = farm("soc", "chips").stdout
    assert "power-optimized" in listed
    assert "Tenstorrent documentation, Wormhole" in listed
    assert json.loads(farm("soc", "chips", "--json").stdout)["chips"]["l40s"]["tdp_w"] == 350
