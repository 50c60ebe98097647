"""Workloads: files, times by hand, what more of a resource gives, and the words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.public_chips import find_chip
from analysis.soc.errors import ConfigError
from analysis.soc.models.performance import Ceilings
from analysis.soc.models.power import PowerModel
from analysis.soc.workload.analysis import WorkloadAnalysis
from analysis.soc.workload.machine import Machine, Reach, read_reach
from analysis.soc.workload.ops import Attention, AttentionAlgorithm, ElementWise, Gemm, Reduction
from analysis.soc.workload.workload import Workload
from farm.errors import FormatError

TEXT = """
name: two ops
precision: fp16
ops:
  - {op: gemm, name: big, m: 4096, n: 4096, k: 4096, count: 3}
  - {op: attention, algorithm: naive, n_heads: 8, seq_q: 128, head_dim: 64, precision: BF16}
  - {op: elementwise, n_elements: 1000, n_inputs: 2}
  - {op: reduction, n_rows: 10, n_columns: 20, precision: fp32}
"""

MACHINE = Machine(
    Ceilings("toy", {Precision.FP16: 1.0}, {"memory": 100.0}),
    reach={Precision.FP16: Reach(compute=0.5, memory=0.8, overhead_s=1e-3)},
)
"""1 TFLOPS and 100 GB/s, half and four fifths of it reached, and a millisecond to launch."""

GEMM = Gemm(name="big", m=1024, n=1024, k=1024, precision=Precision.FP16, count=2)
ADD = ElementWise(name="add", n_elements=10**8, n_inputs=2, precision=Precision.FP16)


def load(tmp_path: Path, text: str) -> Workload:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    return Workload.load(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, TEXT)
    assert found.name == "two ops"
    gemm, attention, add, norm = found.ops
    assert gemm == Gemm(name="big", m=4096, n=4096, k=4096, count=3, precision=Precision.FP16)
    assert isinstance(attention, Attention)
    assert attention.algorithm is AttentionAlgorithm.NAIVE
    assert attention.precision is Precision.BF16
    assert isinstance(add, ElementWise)
    assert add.precision is Precision.FP16
    assert norm == Reduction(n_rows=10, n_columns=20, precision=Precision.FP32)
    assert add.label == "elementwise 1000"


def test_plain_data_of_a_workload_make_an_equal_one() -> None:
    ops = (
        Gemm(m=1, n=2, k=3, batch=4, weight_precision=Precision.FP4, name="up", count=5),
        Attention(
            algorithm=AttentionAlgorithm.NAIVE, n_heads=4, n_kv_heads=2, seq_q=8, head_dim=16
        ),
        ElementWise(n_elements=10, n_inputs=0, flops_per_element=0.5, precision=Precision.FP32),
        Reduction(n_rows=1, n_columns=2),
    )
    workload = Workload("all kinds", ops)
    plain = json.loads(json.dumps(workload.as_json()))
    assert Workload.parse(plain, "plain") == workload


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "not YAML"),
        ("3", "expected the keys name, precision, ops"),
        ("ops: []", "at least one op"),
        ("opps: []", "no key 'opps'; did you mean ops"),
        ("ops: [{m: 1}]", r"ops\[0\]: write \{op: KIND"),
        ("ops: [{op: gem, m: 1}]", "no op 'gem'; known are gemm, attention"),
        ("ops: [{op: gemm, m: 1, n: 2}]", r"ops\[0\] \(gemm\): k missing"),
        (
            "ops: [{op: reduction, n_rows: 1, n_columns: 2}, {op: gemm, name: q, m: 1, kk: 3}]",
            r"ops\[1\] \(gemm q\): no key 'kk'; did you mean k",
        ),
        ("ops: [{op: gemm, m: 1, n: 2, k: 0}]", r"ops\[0\] \(gemm\): Gemm.k = 0"),
        ("ops: [{op: gemm, m: 1, n: 2, k: many}]", "Gemm.k = 'many' is not a number"),
        ("precision: fp17\nops: [{op: gemm, m: 1, n: 2, k: 3}]", "no precision 'fp17'"),
        (
            "ops: [{op: attention, algorithm: fast, n_heads: 1, seq_q: 1, head_dim: 1}]",
            "algorithm 'fast': write naive or flash",
        ),
        (
            "ops: [{op: attention, is_causal: 3, n_heads: 1, seq_q: 1, head_dim: 1}]",
            "is_causal 3: write true or false",
        ),
    ],
)
def test_a_broken_file_is_refused_with_file_op_and_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(FormatError, match=message) as raised:
        load(tmp_path, text)
    assert "w.yaml" in str(raised.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        Workload.load(tmp_path / "none.yaml")


def test_times_follow_from_ceilings_and_reach() -> None:
    spent = MACHINE.time(GEMM)
    assert spent.compute_s == pytest.approx(2 * 1024**3 / 0.5e12)
    assert spent.memory_s == pytest.approx(2 * 3 * 1024**2 / 80e9)
    assert spent.time_s == pytest.approx(1e-3 + spent.compute_s)
    assert spent.bound == "compute"
    add = MACHINE.time(ADD)
    assert add.time_s == pytest.approx(1e-3 + 3 * 2e8 / 80e9)
    assert add.bound == "memory"
    small = MACHINE.time(ElementWise(n_elements=10, precision=Precision.FP16))
    assert small.bound == "overhead"


def test_a_workload_is_the_sum_of_its_runs() -> None:
    found = WorkloadAnalysis(Workload("w", (GEMM, ADD)), MACHINE)
    gemm, add = (MACHINE.time(op) for op in (GEMM, ADD))
    assert found.time_s == pytest.approx(2 * gemm.time_s + add.time_s)
    assert found.flops == 2 * 2 * 1024**3 + 1e8
    shares = found.bound_shares
    assert math.fsum(shares.values()) == pytest.approx(1)
    assert shares["compute"] == pytest.approx(2 * gemm.compute_s / found.time_s)
    assert shares["overhead"] == pytest.approx(3e-3 / found.time_s)
    assert found.energy_j is None


def test_more_of_a_resource_gives_what_a_faster_machine_takes_less() -> None:
    found = WorkloadAnalysis(Workload("w", (GEMM, ADD)), MACHINE)
    gains = {w.resource: w for w in found.what_if}
    compute_s = 2 * MACHINE.time(GEMM).compute_s
    expected = found.time_s / (found.time_s - compute_s * (1 - 1 / 1.1)) - 1
    assert gains["compute"].gain == pytest.approx(expected)
    memory_s = 2 * MACHINE.time(GEMM).memory_s
    assert gains["compute"].limit == pytest.approx(
        found.time_s / (found.time_s - compute_s + memory_s)
    )
    assert gains["cache"].gain == 0
    assert found.what_if[0].resource == max(gains, key=lambda name: gains[name].gain)


def test_enough_is_where_another_resource_binds_longer() -> None:
    found = WorkloadAnalysis(Workload("w", (GEMM, ADD)), MACHINE)
    best = found.what_if[0]
    assert best.enough is not None
    shares = {
        factor: WorkloadAnalysis(
            found.workload, MACHINE.with_more(best.resource, factor)
        ).bound_shares
        for factor in (best.enough, best.enough / 1.05)
    }
    assert max(shares[best.enough], key=shares[best.enough].__getitem__) != best.resource
    before = shares[best.enough / 1.05]
    assert max(before, key=before.__getitem__) == best.resource


def test_words_name_what_binds_and_what_to_change() -> None:
    found = WorkloadAnalysis(Workload("w", (ADD,)), MACHINE)
    binds, helps, first = found.words()
    assert binds == "What binds: memory bandwidth 88 % of the time (add); launch overhead 12 %."
    assert helps.startswith("10 % more: memory bandwidth 8.7 % faster")
    assert "compute nothing" in helps
    assert first.startswith("Change first: memory bandwidth (more or faster memory stacks")


def test_a_larger_cache_helps_where_operands_are_read_again() -> None:
    soc = SoCConfig()
    op = Gemm(m=65536, n=65536, k=512, precision=Precision.FP16)
    found = WorkloadAnalysis(Workload("w", (op,)), Machine.of(soc))
    assert found.shares[0].spent.n_bytes > op.bytes_moved(math.inf)
    larger = WorkloadAnalysis(found.workload, found.machine.with_more("cache", 1e9))
    assert larger.shares[0].spent.n_bytes == op.bytes_moved(math.inf)


def test_energy_is_the_power_of_the_rates_reached() -> None:
    soc = SoCConfig()
    found = WorkloadAnalysis(Workload("w", (GEMM,)), Machine.of(soc))
    spent = found.machine.time(GEMM)
    parts = PowerModel(soc).parts(
        spent.compute_s / spent.time_s,
        Precision.FP16,
        memory_utilization=spent.memory_s / spent.time_s,
    )
    assert found.energy_j == pytest.approx(float(parts.total_w) * spent.time_s * 2)


def test_a_chip_without_a_known_cache_counts_operands_once() -> None:
    chip = find_chip("tpu-v5e")
    assert chip is not None
    machine = Machine.of(chip)
    assert machine.cache_bytes == math.inf
    op = Gemm(m=9000, n=9000, k=9000)
    assert machine.time(op).n_bytes == 2 * 3 * 9000**2


def test_a_precision_that_the_chip_lacks_is_refused() -> None:
    found = WorkloadAnalysis(Workload("w", (Gemm(m=1, n=1, k=1),)), MACHINE)
    with pytest.raises(ConfigError, match="toy has no BF16 peak; it has FP16"):
        _ = found.time_s


def test_reach_is_read_from_what_calibrate_prints(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    factors = {"compute": {"value": 0.7}, "overhead": {"value": 3e-6}}
    entry = {"precision": "FP8", "dtype": "fp8", "calibration": {"factors": factors}}
    path.write_text(json.dumps({"assessments": [entry, {**entry, "precision": None}]}))
    assert read_reach(path) == {Precision.FP8: Reach(0.7, 1.0, 3e-6)}
    path.write_text(json.dumps({"assessments": [entry, {**entry, "dtype": "fp8_block"}]}))
    with pytest.raises(FormatError, match=r"from fp8 and from fp8_block.*--dtype fp8_block"):
        read_reach(path)
    for text in ("{}", "[]", "no", '{"assessments": [{}]}'):
        path.write_text(text)
        with pytest.raises(FormatError, match="not what farm soc calibrate --json prints"):
            read_reach(path)
    with pytest.raises(FormatError, match="cannot read"):
        read_reach(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("name", "bound"), [("decode", "memory"), ("prefill", "compute")], ids=lambda text: text
)
def test_the_example_workloads_are_bound_as_everybody_knows(name: str, bound: str) -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / f"{name}.yaml"
    h100 = find_chip("h100")
    assert h100 is not None
    found = WorkloadAnalysis(Workload.load(path), Machine.of(h100))
    assert found.bound_shares[bound] > 0.9
    assert found.what_if[0].resource == bound
    gemms = [op for op in found.workload.ops if isinstance(op, Gemm)]
    # 8 billion weights less the embedding, which is looked up.
    assert sum(op.n * op.k * op.count for op in gemms) == pytest.approx(7.5e9, rel=0.01)
