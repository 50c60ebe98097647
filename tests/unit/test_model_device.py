"""The model device: what its time is, and what it refuses; the contract is in tests/contract."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import model_device
from analysis.model_device import BASELINE, KIND
from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.workload.ops import ElementWise
from analysis.soc.workload.workload import Workload
from farm.devices.device import CardSlot
from farm.errors import FormatError, InvalidVectorError, UnsupportedVectorError, UsageError
from sweeps import matmul
from sweeps.axis import Value
from sweeps.soc_design import SWEEP
from sweeps.vector import Vector, vector_id


def vector(**changes: Value) -> Vector:
    params: dict[str, Value] = {**BASELINE, **changes}
    return Vector(0, vector_id(SWEEP.op, params), SWEEP.op, params, {})


def time_ns(one: Vector, **options: str) -> float:
    device = KIND.device(CardSlot("model", 0, options), SWEEP)
    device.open()
    device.execute(one, 2, 7)
    first, again = device.read_profile()["duration_ns"].to_pylist()
    assert first == again
    return float(first)


def test_the_time_is_that_of_the_roofline() -> None:
    soc = SoCConfig()
    flops, n_bytes = 2 * 1024.0**3, 3 * 1024.0**2 * 2  # all of it fits into 24 MB of L2
    roof = PerformanceModel(soc).attainable_tflops(Precision.FP16, flops / n_bytes)
    assert time_ns(vector(), workload="gemm:1024x1024x1024") == pytest.approx(flops / roof * 1e-3)


def test_a_workload_of_several_ops_takes_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "layer.yaml"
    path.write_text(
        "precision: fp16\nops:\n- {op: gemm, m: 1024, n: 1024, k: 1024, count: 3}\n"
        "- {op: elementwise, n_elements: 1000000}\n"
    )
    one = time_ns(vector(), workload="gemm:1024x1024x1024")
    op = ElementWise(n_elements=1_000_000, precision=Precision.FP16)
    add_ns = op.bytes_moved(0) / SoCConfig().hbm_bandwidth_gb_s
    assert time_ns(vector(), workload=str(path)) == pytest.approx(3 * one + add_ns)


def test_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.yaml").write_text("ops: [{op: elementwise, n_elements: 10}]")
    monkeypatch.chdir(tmp_path)
    (slot,) = KIND.discover(1, {"workload": "w.yaml"})
    monkeypatch.chdir("/")
    details = KIND.device(slot, SWEEP).info.details
    stored = {"name": details["workload"], "ops": json.loads(details["workload_ops"])}
    assert Workload.parse(stored, "details") == Workload.load(tmp_path / "w.yaml")


def test_workloads_of_equal_shapes_are_told_apart(tmp_path: Path) -> None:
    ops = []
    for name, more in (("a.yaml", ""), ("b.yaml", ", weight_precision: fp8")):
        (tmp_path / name).write_text(f"ops: [{{op: gemm, m: 1, n: 2, k: 3{more}}}]")
        (slot,) = KIND.discover(1, {"workload": str(tmp_path / name)})
        ops.append(KIND.settled(slot)["workload_ops"])
    assert ops[0] != ops[1]


@pytest.mark.parametrize("text", ["gemm:1x1", "conv"])
def test_a_workload_that_is_none_is_refused_before_the_run(text: str) -> None:
    with pytest.raises(UsageError, match="gemm:MxNxK"):
        KIND.discover(1, {"workload": text})
    with pytest.raises(FormatError, match="cannot be read"):
        KIND.discover(1, {"workload": "not-there.yaml"})


def test_vectors_that_are_no_designs() -> None:
    with pytest.raises(UnsupportedVectorError, match="evaluates vectors of soc-design"):
        time_ns(replace(vector(), op=matmul.SWEEP.op))
    with pytest.raises(UnsupportedVectorError, match="no parameter 'colour'"):
        time_ns(vector(colour="blue"))
    with pytest.raises(InvalidVectorError, match="n_sms=0: it must be above 0"):
        time_ns(vector(n_sms=0))
    with pytest.raises(InvalidVectorError, match="n_sms=many: it must be above 0"):
        time_ns(vector(n_sms="many"))


def test_parameters_that_a_sweep_leaves_out_are_those_of_the_baseline() -> None:
    params: dict[str, Value] = {"clock_mhz": 1000}
    few = Vector(0, vector_id(SWEEP.op, params), SWEEP.op, params, {})
    assert time_ns(few) == time_ns(vector(clock_mhz=1000))


def test_the_probe_is_the_published_baseline() -> None:
    assert all(SoCConfig().value(name) == value for name, value in model_device.BASELINE.items())
