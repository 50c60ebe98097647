"""Wrong options of the SoC commands: one error that says what, where and what to do."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from analysis.soc.commands import register
from farm.errors import UsageError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    application = typer.Typer()
    register(application)
    return application


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("roofline", "--chip", "h1000"), "there is no chip 'h1000'; did you mean h100-sxm"),
        (("roofline", "-p", "fp17"), "there is no precision 'fp17'"),
        (("roofline", "--chip", "n150", "-p", "FP64"), "no FP64 peak of Tenstorrent Wormhole"),
        (("roofline", "-m", "gemm"), "write NAME=FLOPS/BYTES"),
        (("roofline", "-m", "gemm=0/1"), "flops = 0.0 must be above 0"),
        (("roofline", "--plot", "roofline.pdf"), "a chart is a .png or .svg file"),
        (("power", "-s", "clock_mhz=2"), "Is it in GHz? Then write 2000"),
        (("power", "-s", "clock_mhz"), "write KEY=VALUE"),
        (("power", "-s", "clock_mhz=5000"), "the fastest clock is 3200 MHz"),
        (("power", "-p", "FP16,FP8"), "there is no precision 'FP16,FP8'"),
        (("scaling", "-p", "FP64"), "has no FP64 rate; it has FP4"),
        (("power", "-u", "2"), "a share from 0 to 1 is expected"),
        (("power", "-u", "all"), "write numbers from 0 to 1"),
        (("power", "--power", "magic"), "known are physical, reference"),
        (("power", "--chip", "aggressive"), "thermal runaway"),
        (("power", "--chip", "l40s"), "the structure that the models need"),
        (("power", "-c", "no.yaml"), "no.yaml: cannot be read"),
        (("power", "-c", "no.yaml", "--chip", "h100"), "give one of them"),
        (("scaling", "--over", "n_sms=x"), "write KEY=VALUE,VALUE"),
        (("scaling", "--over", "name=1"), "a name cannot be scaled"),
        (("scaling", "--over", "n_sms=0,1"), "expected 1 to 100000 SMs"),
        (("compare", "--chip", "tpu-v4"), "no FP16 peak of Google TPU v4"),
    ],
)
def test_bad_input(
    app: typer.Typer,
    arguments: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["soc", *arguments], standalone_mode=False).exception
    assert isinstance(error, UsageError), error
    assert expected in str(error)
    assert list(tmp_path.iterdir()) == []
