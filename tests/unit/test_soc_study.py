"""Studies in YAML and workloads as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.soc.chip.designs import DESIGNS
from analysis.soc.errors import ConfigError
from analysis.soc.explore.study import Study
from analysis.soc.workload.argument import DEFAULT_WORKLOAD, parse_workload
from farm.errors import FormatError, UsageError
from sweeps.limits import limited
from sweeps.soc_design import SWEEP

TEXT = """
axes:
  n_sms: 16..18
  clock_mhz: [1800, 2000]
  area_mm2: 350
chip: {base: realistic, clock_mhz: 1900}
constraints: [total_power_w <= 500, 300 <= area_mm2]
pareto: [time_ns, "max:n_all_sms"]
objective: time_ns
precision: fp8
power: reference
workload: layer.yaml
"""


def study(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return Study.load(path)


def test_every_key(tmp_path: Path) -> None:
    found = study(tmp_path, TEXT)
    sweep = limited(SWEEP, list(found.limits))
    assert sweep.axis("n_sms").values == (16, 17, 18)
    assert sweep.axis("clock_mhz").values == (1800, 2000)
    assert sweep.axis("area_mm2").values == (350,)
    assert sweep.axis("l2_mb") == SWEEP.axis("l2_mb")
    assert found.chip == DESIGNS["realistic"].with_values(clock_mhz=1900)
    assert found.constraints == ("total_power_w <= 500", "300 <= area_mm2")
    assert found.pareto == ("time_ns", "max:n_all_sms")
    assert (found.objective, found.precision, found.power) == ("time_ns", "fp8", "reference")
    assert found.workload == str(tmp_path / "layer.yaml")


def test_one_constraint_and_a_chip_by_name(tmp_path: Path) -> None:
    found = study(tmp_path, "chip: aggressive\nconstraints: n_sms > 3\nworkload: gemm:1x2x3")
    assert found.chip == DESIGNS["aggressive"]
    assert found.constraints == ("n_sms > 3",)
    assert found.workload == "gemm:1x2x3"
    assert found.limits == found.pareto == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("axes: [1", "not YAML"),
        ("- 1", "expected the keys axes, chip, constraints"),
        ("constraint: n_sms > 3", "no key 'constraint'; did you mean constraints"),
        ("axes: 3", "axes: write AXIS: VALUES"),
        ("axes: {n_sms: {a: 1}}", r"axes\.n_sms: write one text or number"),
        ("constraints: [[1]]", "constraints: write one text or number"),
        ("pareto:", "pareto: write one text or number"),
    ],
)
def test_what_is_no_study(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(FormatError, match=what) as caught:
        study(tmp_path, text)
    assert "study.yaml" in str(caught.value)


def test_an_impossible_chip_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"study\.yaml: chip: .*clock_mhz"):
        study(tmp_path, "chip: {clock_mhz: 2e9}")


def test_a_study_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        Study.load(tmp_path / "no.yaml")


def test_a_product_as_text() -> None:
    (op,) = parse_workload("gemm:16x32x64:fp8").ops
    assert (op.shape, op.precision, op.flops) == ("16x32x64", "FP8", 2.0 * 16 * 32 * 64)
    assert parse_workload(DEFAULT_WORKLOAD).ops[0].precision == "FP16"


@pytest.mark.parametrize(
    "text", ["gemm", "gemm:1x2", "gemm:0x1x1", "gemm:1x1x1:", "conv:1x1x1", ""]
)
def test_what_is_no_workload(text: str) -> None:
    with pytest.raises(UsageError, match="a YAML file, or gemm:MxNxK"):
        parse_workload(text)
