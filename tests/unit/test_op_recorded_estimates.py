"""Parity with recorded estimates of the original, and with single values checked on it."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.descriptors.descriptor_table import Descriptors
from analysis.op_model.error_measures import measure_errors
from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.estimator.selection import Mode
from analysis.op_model.parameters.sparse_tables import find_sparse_tables, read_sparse_tables
from analysis.op_model.parameters.versions import find_versions, open_parameters
from analysis.op_model.sweep_files.reader import read_sweep as read_sweep_anew

MATMUL_8 = {"op": "matmul", "mblock_m": 3, "mblock_n": 4, "ublock_rt": 2, "ublock_ct": 4}
EXP = {"op": "exp", "t": 2, "mblock_m": 4, "mblock_n": 4, "ublock_rt": 2, "ublock_ct": 2}
EMBEDDING = {**EXP, "op": "embedding"}
ADD = {"op": "add", "mblock_m": 2, "mblock_n": 2, "ublock_rt": 2, "ublock_ct": 4}
REDUCE = {"op": "reduce", "mblock_m": 2, "mblock_n": 7, "ublock_rt": 3, "ublock_ct": 3}
SPLICE = {"op": "splice", "mblock_m": 2, "mblock_n": 6, "ublock_rt": 1, "ublock_ct": 4}
_SPARSE_KEYS = ("t", "mblock_m", "mblock_n", "ublock_rt", "ublock_ct", "mblock_k", "nz_tiles")
WITH_COUNTS = (
    {"t": 4, "mblock_m": 49, "ublock_rt": 8, "ublock_ct": 1, "mblock_k": 8, "ublock_kt": 49}
    | {"op": "matmul", "nz_tiles": 3109, "nz_ublocks": 235, "nz_strips": 11},
    {"t": 1, "mblock_m": 63, "ublock_rt": 7, "ublock_ct": 1, "mblock_k": 49, "ublock_kt": 8}
    | {"op": "matmul", "nz_tiles": 1267, "nz_ublocks": 249, "nz_strips": 49},
)


def sparse(*values: int) -> dict[str, object]:
    return {"op": "matmul", **dict(zip(_SPARSE_KEYS, values, strict=True))}


# Architecture, version, descriptor, cycles of the original.
CHECKED = [
    *(
        ("wormhole_b0", 1, {**MATMUL_8, "mblock_k": k, "ublock_kt": u}, cycles)
        for k, u, cycles in (
            (32, 1, 198591),
            (16, 2, 127615),
            (8, 4, 92126),
            (4, 8, 74382),
            (2, 16, 65510),
            (1, 32, 61074),
        )
    ),
    ("grayskull", 1, sparse(14, 28, 1, 7, 1, 2, 7041), 758577),
    ("grayskull", 1, sparse(1, 18, 2, 7, 1, 28, 375), 127486),
    ("grayskull", 1, sparse(1, 18, 2, 7, 1, 7, 247), 70078),
    ("grayskull", 1, sparse(1, 45, 1, 5, 1, 7, 785), 106036),
    ("grayskull", 1, sparse(1, 25, 1, 1, 8, 14, 88), 63355),
    ("wormhole_b0", 1, WITH_COUNTS[0], 373495),
    ("wormhole_b0", 1, WITH_COUNTS[1], 435335),
    ("wormhole_b0", 1, {**WITH_COUNTS[1], "output_format": "Float16"}, 290042),
    ("wormhole_b0", 1, EXP, 226976),
    ("wormhole_b0", 1, {**EXP, "vector_mode": "r"}, 33607),
    ("wormhole_b0", 1, {**EXP, "vector_mode": "c"}, 116328),
    ("wormhole_b0", 1, {**EXP, "approx": True}, 104366),
    ("wormhole_b0", 3, {**ADD, "output_format": "Float16_b"}, 4111),
    ("wormhole_b0", 3, {**ADD, "output_format": "Float32"}, 7286),
    ("wormhole_b0", 3, {**ADD, "op": "maximum", "output_format": "Float32"}, 10722),
    ("wormhole_b0", 1, {**REDUCE, "attribute": "z", "reduce_z": 25}, 910750),
    ("wormhole_b0", 1, {**REDUCE, "attribute": "z", "reduce_z": 1}, 36162),
    ("wormhole_b0", 1, {**REDUCE, "t": 5, "attribute": "c"}, 57330),
    ("wormhole_b0", 1, {**REDUCE, "t": 5, "attribute": "r"}, 42490),
    ("wormhole_b0", 1, EMBEDDING, 16928),
    ("wormhole_b0", 1, SPLICE, 4896),
]


read_sweep = cache(read_sweep_anew)


@pytest.fixture(scope="module")
def recorded(data_dir: Path) -> Path:
    folder = data_dir / "opmodel"
    if not folder.is_dir():
        pytest.skip("the recorded op sweeps are not here")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def estimator(recorded: Path, arch: str, version: int) -> Estimator:
    parameters = open_parameters(recorded / "params", arch, version)
    folder = find_sparse_tables(recorded / "params", arch)
    tables = read_sparse_tables(folder) if folder else None
    return Estimator(parameters, tables, Mode.PARITY, may_fall_back=True)


def sweeps(recorded: Path) -> dict[tuple[str, str], Path]:
    found = {}
    for path in recorded.glob("*/*-performance.csv"):
        name = path.stem.removeprefix("whb0-").removesuffix("-performance").removesuffix("-op")
        found[path.parent.name, name] = path
    return found


@pytest.mark.parametrize(("arch", "version", "given", "cycles"), CHECKED)
def test_single_values(recorded: Path, arch: str, version: int, given, cycles: int) -> None:
    answer = estimator(recorded, arch, version).estimate(Descriptor(**given))
    assert answer.cycles == cycles
    assert answer.choice.is_fallback == (given["op"] == "embedding")


def test_every_recorded_sum_extreme_and_end(recorded: Path) -> None:
    have, versions = sweeps(recorded), find_versions(recorded / "params")
    n_checked = 0
    for row in rows(recorded / "reference_estimates.csv"):
        arch, version = row["arch"], int(row["params_version"])
        path = have.get((arch, row["op"]))
        if path is None or version not in versions.get(arch, {}):
            continue
        frame = read_sweep(path).frame
        if row["sparse_formula"] == "v1":
            frame = frame.assign(nz_ublocks=-1, nz_strips=-1)
        answers = estimator(recorded, arch, version).estimate_table(Descriptors.from_frame(frame))
        cycles = answers.cycles.astype(np.int64)
        found = [len(cycles), cycles.sum(), cycles.min(), cycles.max(), cycles[0], cycles[-1]]
        names = ("n", "sum_of_estimates", "min", "max", "first_row", "last_row")
        assert found == [int(row[name]) for name in names], row
        n_checked += 1
    assert n_checked >= 50


@pytest.mark.parametrize(
    ("formula", "total", "mape"), [("v1", 46025232, 41.05), ("v2", 38126958, 19.29)]
)
def test_sparse_sums(recorded: Path, formula: str, total: int, mape: float) -> None:
    frame = read_sweep(recorded / "wormhole_b0" / "matmul-sparse-op-performance.csv").frame
    if formula == "v1":
        frame = frame.assign(nz_ublocks=-1, nz_strips=-1)
    answers = estimator(recorded, "wormhole_b0", 1).estimate_table(Descriptors.from_frame(frame))
    assert answers.cycles.sum() == total
    runtime = frame["runtime_cycles"].to_numpy(float)
    assert measure_errors(answers.cycles, runtime).mape == pytest.approx(mape, abs=0.005)


def test_errors_of_the_committed_parameters(recorded: Path) -> None:
    versions = find_versions(recorded / "params")
    n_checked = 0
    for row in rows(recorded / "reference_errors.csv"):
        prefix, _, version = row["model"].rpartition("_v")
        path = recorded / row["file"]
        if prefix != "their_committed" or not path.exists():
            continue
        if int(version) not in versions.get(row["arch"], {}):
            continue
        frame = read_sweep(path).frame
        if len(frame) != int(row["n"]):
            continue  # a part of the rows of that file
        found = estimator(recorded, row["arch"], int(version))
        answers = found.estimate_table(Descriptors.from_frame(frame))
        errors = measure_errors(answers.cycles, frame["runtime_cycles"].to_numpy(float))
        expected = [float(row[name]) for name in ("mape", "rrmse", "rmsre")]
        assert [errors.mape, errors.rrmse, errors.rmsre] == pytest.approx(expected, abs=6e-5), row
        assert errors.r2 == pytest.approx(float(row["r2"]), abs=6e-7)
        n_checked += 1
    assert n_checked >= 50


def test_normal_mode_agrees_where_nothing_wraps_and_no_table_is_between(recorded: Path) -> None:
    parameters = open_parameters(recorded / "params", "wormhole_b0", 3)
    for (arch, name), path in sweeps(recorded).items():
        if arch != "wormhole_b0" or name == "matmul-sparse":
            continue
        descriptors = Descriptors.from_frame(read_sweep(path).frame)
        exact = estimator(recorded, arch, 3).estimate_table(descriptors)
        normal = Estimator(parameters).estimate_table(descriptors)
        np.testing.assert_allclose(np.floor(normal.cycles), exact.cycles, atol=1, rtol=2e-7)
