"""Measured ops of sweeps and of recorded files, and the ceilings that sweeps show."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.soc.chip.precision import Precision
from analysis.soc.chip.public_chips import find_chip
from analysis.soc.errors import ConfigError
from analysis.soc.measured.assessment import assess
from analysis.soc.measured.ceilings import measured_ceilings
from analysis.soc.measured.estimate import quantile_estimate
from analysis.soc.measured.gemm_records import read_gemm_records
from analysis.soc.measured.measured_ops import read_sweep
from analysis.soc.measured.sources import above_note, markers_of, read_ops, read_sources
from analysis.soc.models.performance import Ceilings
from farm.errors import FormatError, UsageError
from farm.generation import Plan, open_or_generate
from sweeps import matmul
from sweeps.limits import limited
from tests.measured_sweep import commit, generate
from tests.timed_sweeps import (
    CACHE_BYTES,
    CACHE_BYTES_S,
    COPIES,
    HOST,
    MEMORY_BYTES_S,
    OVERHEAD_S,
    PEAK_FLOPS_S,
    copies,
    products,
    time_s,
)

RECORD = {"gemm_dtype": "bfloat16", "m": 16, "n": 512, "k": 256, "latency": 0.01}


def record_file(path: Path, *rows: dict[str, object]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def test_ops_of_a_sweep_are_its_features_and_median_times(tmp_path: Path) -> None:
    products(tmp_path)
    ops = read_sweep(tmp_path)
    assert len(ops) == 54
    assert ops.dtypes == ("float32", "float64")
    assert (ops.system, ops.cache_bytes) == ("Test CPU (cpu)", CACHE_BYTES)
    assert "threads 1" in ops.conditions
    row = next(i for i in range(54) if ops.labels(i) == "dtype=float32 M=64 K=256 N=1024")
    assert ops.flops[row] == 2 * 64 * 256 * 1024
    assert ops.bytes_moved[row] == 4 * (64 * 256 + 256 * 1024 + 64 * 1024)
    peaks = np.array([PEAK_FLOPS_S[name] for name in ops.dtype.tolist()])
    np.testing.assert_allclose(ops.time_s, time_s(ops.flops, ops.bytes_moved, peaks))


def test_a_sweep_that_does_not_say_what_it_moves_is_refused(tmp_path: Path) -> None:
    directory = generate(tmp_path)
    commit(directory, directory.chunks()[0].chunk_id)
    with pytest.raises(UsageError, match=r"'copy' has no feature bytes_moved.*elements"):
        read_sweep(tmp_path)


def test_a_sweep_without_results_is_refused(tmp_path: Path) -> None:
    open_or_generate(tmp_path, Plan(limited(matmul.SWEEP, ["M=64", "K=64"]), "matmul"))
    with pytest.raises(UsageError, match="no vector was measured yet; farm run"):
        read_sweep(tmp_path)


def test_ceilings_are_those_of_the_machine(tmp_path: Path) -> None:
    products(tmp_path / "products")
    copies(tmp_path / "copies")
    found = measured_ceilings([read_sweep(tmp_path / name) for name in ("products", "copies")])
    levels = found.memory_levels
    assert list(levels) == ["memory", "cache"]
    assert levels["memory"].value == pytest.approx(MEMORY_BYTES_S * 1e-9, rel=0.01)
    # Launches cost these small copies a part of their time.
    assert 0.9 * CACHE_BYTES_S < levels["cache"].value * 1e9 < CACHE_BYTES_S
    for dtype, precision in (("float32", Precision.FP32), ("float64", Precision.FP64)):
        peak = found.peak_tflops[precision]
        assert peak.value == pytest.approx(PEAK_FLOPS_S[dtype] * 1e-12, rel=0.01)
        assert peak.low <= peak.value <= peak.high
    assert found.processor.peak_compute(Precision.FP32) == found.peak_tflops[Precision.FP32].value


def test_ceilings_need_copies_beyond_the_cache(tmp_path: Path) -> None:
    products(tmp_path / "products")
    with pytest.raises(UsageError, match=r"at least 32 MiB.*has 0\. Measure some") as raised:
        measured_ceilings([read_sweep(tmp_path / "products")])
    # What it says to measure is enough.
    shapes = re.search(r"'(shape:=[^']*)'", str(raised.value))
    assert shapes
    copies(tmp_path / "copies", (*COPIES[:2], shapes[1]))
    found = measured_ceilings([read_sweep(tmp_path / "copies")])
    assert found.memory_levels["memory"].n == 5


def test_sweeps_of_different_machines_have_no_common_ceilings(tmp_path: Path) -> None:
    products(tmp_path / "products", device=replace(HOST, arch="Other CPU"))
    copies(tmp_path / "copies")
    with pytest.raises(UsageError, match=r"different conditions.*Other CPU.*Test CPU"):
        measured_ceilings([read_sweep(tmp_path / name) for name in ("products", "copies")])


def test_calibration_of_sweeps_finds_the_machine(tmp_path: Path) -> None:
    products(tmp_path / "products")
    copies(tmp_path / "copies")
    read = read_sources([tmp_path / "products", tmp_path / "copies"])
    single, double, moved = (
        one for ops in read.ops for one in assess(ops, read.processor, read.cache_bytes)
    )
    for one in (single, double):
        assert one.calibration.factors["compute"].value == pytest.approx(1, rel=0.01)
        assert one.calibration.factors["overhead"].value == pytest.approx(OVERHEAD_S, rel=0.02)
        assert not one.is_impossible.any()
        assert np.all(one.efficiency <= 1.01)
        np.testing.assert_allclose(one.slowdown, 1, rtol=0.01)
    factors = moved.calibration.factors
    assert factors["memory"].value == pytest.approx(1, rel=0.01)
    assert factors["cache"].value == pytest.approx(CACHE_BYTES_S / MEMORY_BYTES_S, rel=0.02)
    assert moved.precision is None
    assert moved.n_above > 0
    assert not moved.is_impossible.any()
    assert "last-level cache of 8.39 MB" in above_note([single, double, moved], CACHE_BYTES)[0]


def test_ops_whose_kind_of_bound_is_unknown_are_predicted_all_the_same(tmp_path: Path) -> None:
    """Four small copies among large ones: too few for a factor of the cache."""
    shapes = ",".join(f"{h}x1024" for h in (32, 64, 128, 256, *range(4096, 12288, 1024)))
    copies(tmp_path, (*COPIES[:2], f"shape:={shapes}"))
    (one,) = assess(read_sweep(tmp_path), Ceilings("c", {}, {"memory": 20.0}), CACHE_BYTES)
    assert set(one.calibration.reasons) >= {"compute", "cache"}
    assert "binds 4 ops" in one.calibration.reasons["cache"]
    assert one.calibration.assumed["cache"] == 1.0
    assert np.all(np.isfinite(one.slowdown))


def test_recorded_products_are_counted_by_their_formats(tmp_path: Path) -> None:
    path = record_file(
        tmp_path / "g.parquet",
        RECORD,
        RECORD | {"gemm_dtype": "int4_wo"},
        RECORD | {"gemm_dtype": "fp8", "latency": 0.02},
    )
    ops = read_gemm_records(path)
    assert ops.flops.tolist() == [2 * 16 * 512 * 256] * 3
    a, b, c = 16 * 256, 256 * 512, 16 * 512
    assert ops.bytes_moved.tolist() == [2 * (a + b + c), 2 * a + b / 2 + 2 * c, a + b + 2 * c]
    assert ops.time_s.tolist() == [1e-5, 1e-5, 2e-5]
    assert [ops.precision(dtype) for dtype in ("int4_wo", "fp8")] == [
        Precision.BF16,
        Precision.FP8,
    ]
    assert ops.labels(2) == "fp8 m=16 n=512 k=256"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{key: RECORD[key] for key in ("gemm_dtype", "m", "n", "k")}], "no column 'latency'"),
        ([RECORD, RECORD | {"latency": 0.0}], r"row 1: latency = 0 must be above 0"),
        ([RECORD, RECORD | {"m": -4}], r"row 1: m = -4"),
        ([RECORD | {"latency": None}, RECORD], "row 0: latency = nan"),
        ([RECORD | {"gemm_dtype": "fp2"}], "'fp2' is not known; known are bfloat16"),
        ([RECORD | {"k": "many"}], "column 'k' does not hold numbers"),
    ],
)
def test_broken_records_name_file_row_and_column(
    tmp_path: Path, rows: list[dict[str, object]], message: str
) -> None:
    path = record_file(tmp_path / "bad.parquet", *rows)
    with pytest.raises(FormatError, match=message) as raised:
        read_gemm_records(path)
    assert "bad.parquet" in str(raised.value)


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(FormatError, match="cannot read"):
        read_gemm_records(path)
    path.write_text("no")
    with pytest.raises(FormatError, match="not a Parquet file"):
        read_gemm_records(path)
    record_file(path, RECORD)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(FormatError, match="no rows"):
        read_gemm_records(path)


def test_a_source_counts_once(tmp_path: Path) -> None:
    path = record_file(tmp_path / "g.parquet", RECORD)
    with pytest.raises(UsageError, match="given twice"):
        read_ops([], [path, path])


def test_a_data_type_without_a_peak_is_refused(tmp_path: Path) -> None:
    path = record_file(tmp_path / "g.parquet", *[RECORD | {"gemm_dtype": "nvfp4"}] * 20)
    a100 = find_chip("a100")
    assert a100 is not None
    with pytest.raises(ConfigError, match="no FP4 peak of NVIDIA A100"):
        assess(read_gemm_records(path), a100, 0.0)


def test_ops_faster_than_the_chip_are_called_impossible(tmp_path: Path) -> None:
    rows = [RECORD | {"n": 512 * i, "latency": 1e-6} for i in range(1, 21)]
    path = record_file(tmp_path / "g.parquet", *rows)
    h100 = find_chip("h100")
    assert h100 is not None
    (one,) = assess(read_gemm_records(path), h100, 0.0)
    assert one.is_impossible.all()
    assert one.n_above == 20


def test_markers_are_the_ops_that_compute(tmp_path: Path) -> None:
    copies(tmp_path / "copies")
    assert markers_of(read_sweep(tmp_path / "copies")) == []
    products(tmp_path / "products")
    ops = read_sweep(tmp_path / "products")
    markers = markers_of(ops)
    assert len(markers) == len(ops)
    assert markers[0].precision is Precision.FP32
    assert markers[0].group == "products float32"
    assert markers[0].achieved_tflops == pytest.approx(ops.flops[0] / ops.time_s[0] * 1e-12)


def test_a_quantile_interval_is_made_of_order_statistics() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, 201.0))
    found = quantile_estimate(values, 0.5)
    # Binomial(200, 1/2): P(86 <= X <= 114) is the central 95 %, so ranks 86 and 115.
    assert (found.value, found.low, found.high, found.n) == (100.5, 86, 115, 200)
    few = quantile_estimate(np.array([1.0, 2.0, 3.0]), 0.95)
    assert few.high == 3.0


@pytest.mark.parametrize(
    ("file", "chip", "compute", "memory"),
    [
        ("a100_sxm_gemm_trtllm_1.0.0_gemm_perf.parquet", "a100-sxm-80gb", 0.72, 0.72),
        ("h100_sxm_gemm_trtllm_1.3.0rc20_gemm_perf.parquet", "h100-sxm", 0.75, 0.80),
        ("l40s_gemm_trtllm_1.3.0rc20_gemm_perf.parquet", "l40s", 0.54, 0.76),
    ],
)
def test_recorded_gpus_reach_plausible_shares_of_their_published_ceilings(
    data_dir: Path, file: str, chip: str, compute: float, memory: float
) -> None:
    path = data_dir / "gpu_gemm" / file
    if not path.exists():
        pytest.skip(f"{file} is not here")
    read = read_sources([path], find_chip(chip))
    assessments = assess(read.ops[0], read.processor, read.cache_bytes)
    assert sum(len(one.rows) for one in assessments) == len(read.ops[0])
    for one in assessments:
        # Whatever lies above the roofline was in the cache, or is noise.
        assert not one.is_impossible.any()
        factors = one.calibration.factors
        assert 0.2 < factors["compute"].value < 1
        assert 0.6 < factors["memory"].value < 1
        assert 1e-6 < factors["overhead"].value < 2e-5
    (bf16,) = (one for one in assessments if one.dtype == "bfloat16")
    assert bf16.calibration.factors["compute"].value == pytest.approx(compute, abs=0.02)
    assert bf16.calibration.factors["memory"].value == pytest.approx(memory, abs=0.02)
