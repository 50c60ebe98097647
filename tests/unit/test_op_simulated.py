"""Operations on simulated cards, like the estimator and what it cannot see; and on this host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.simulated import MODEL, input_cycles
from farm.devices.cpu_kernels import kernel
from farm.devices.cpu_op_model import host_vector
from farm.devices.sim_model import check, true_durations_ns
from farm.errors import InvalidVectorError, OutOfMemoryError, UnsupportedVectorError
from sweeps.generate import select, vectors
from sweeps.op_model.sweep import OP, SWEEP
from sweeps.vector import Vector, vector_id


def params(**changes: Any) -> dict[str, Any]:
    return {
        "operation": "add", "arch": "wormhole_b0", "input_count": 128, "input_format": "Float32",
        "output_format": "Float32", "fidelity": "HiFi4", "vector_mode": "rc", "approx": False,
        "l1_accumulate": False, "shape": (1, 2, 2, 1, 2, 0, 0, 0, 0, 0),
    } | changes  # fmt: skip


def vector(**changes: Any) -> Vector:
    own = params(**changes)
    return Vector(0, vector_id(OP, own), OP, own, {})


def cycles(op: str, n_tiles: int, **changes: Any) -> float:
    own = {"mblock_m": 4, "mblock_n": 4, "ublock_ct": n_tiles, "arch": "wormhole_b0"} | changes
    return input_cycles(Descriptor(op, **own))


def test_every_vector_of_the_sweep_runs_in_a_plausible_time() -> None:
    for suite in SWEEP.suites():
        selection = select(SWEEP, suite)
        rows = vectors(SWEEP, selection, 0, len(selection.kept)).to_pylist()
        for row in rows:
            MODEL.check(row)
        durations_ns = MODEL.durations_ns(rows) / SWEEP.axis("input_count").values[0]
        assert durations_ns.min() > 500
        assert durations_ns.max() < 1e6


def test_a_launch_works_through_its_inputs_one_after_the_other() -> None:
    one, many = true_durations_ns([vector(input_count=1), vector(input_count=11)])
    per_input = (many - one) / 10
    descriptor = Descriptor(
        "add", mblock_m=2, mblock_n=2, ublock_ct=2, output_format="Float32", fidelity="HiFi4",
        arch="wormhole_b0",
    )  # fmt: skip
    assert per_input == pytest.approx(input_cycles(descriptor))
    assert one > per_input


def test_the_slowest_stage_decides_so_that_cost_is_convex_in_the_size_of_a_block() -> None:
    per_block = [cycles("add", n) for n in (1, 2, 4, 8)]
    slopes = np.diff(per_block) / [1, 2, 4]
    assert slopes[0] < slopes[1] < slopes[2]
    # A straight line through the first two of an operation that math alone decides goes on.
    exp = [cycles("exp", n) for n in (1, 2, 4)]
    assert exp[2] - exp[1] == pytest.approx(2 * (exp[1] - exp[0]))


def test_wide_formats_take_longer_and_approximation_and_vector_modes_less() -> None:
    assert cycles("nop", 8, output_format="Float32") > cycles("nop", 8)
    exact = cycles("exp", 4)
    assert cycles("exp", 4, approx=True) < cycles("exp", 4, vector_mode="c") < exact
    assert cycles("exp", 4, arch="grayskull") > exact


def test_products_hide_a_part_of_unpacking_behind_math() -> None:
    sizes = {"mblock_k": 4, "ublock_kt": 4}
    slow, fast = (cycles("matmul", 4, fidelity=name, **sizes) for name in ("HiFi4", "LoFi"))
    assert fast < slow < 4 * fast


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"operation": "topk"}, UnsupportedVectorError, "no operation 'topk'"),
        ({"operation": "expp"}, InvalidVectorError, "unknown operation 'expp'"),
        ({"shape": (1, 2, 2, 4, 4, 0, 0, 0, 0, 0)}, InvalidVectorError, "a block of 16 tiles"),
        ({"shape": (1, 9, 9, 1, 2, 0, 0, 0, 0, 0)}, OutOfMemoryError, "1337472 bytes"),
        ({"shape": (1, 2)}, InvalidVectorError, "shorter"),
        ({"operation": "matmul"}, InvalidVectorError, "matmul needs mblock_k"),
    ],
)
def test_what_a_card_cannot_run_is_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check(vector(**changes))


def test_a_missing_parameter_is_named() -> None:
    own = params()
    del own["fidelity"]
    with pytest.raises(InvalidVectorError, match="op op_model needs the parameter 'fidelity'"):
        MODEL.check(own)


def test_a_host_runs_whole_tensors() -> None:
    assert host_vector(params()) == (
        "eltwise", {"ufunc": "add", "dtype": "float32", "shape": (1, 64, 128)}, 128,
    )  # fmt: skip
    product = params(operation="matmul", shape=(3, 2, 4, 1, 2, 5, 6, 0, 0, 0))
    assert host_vector(product) == (
        "matmul", {"dtype": "float32", "M": 64, "K": 960, "N": 256}, 3 * 128,
    )  # fmt: skip
    for own in (params(operation="maximum"), product | {"input_count": 2}):
        launch = kernel(Vector(0, vector_id(OP, own), OP, own, {}))
        assert launch() is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operation": "gelu"}, "no operation 'gelu'"),
        ({"operation": "matmul_sparse_nz_counts"}, "no operation 'matmul_sparse'"),
        ({"operation": "exp_approx", "approx": True}, "no approximate mode"),
        ({"vector_mode": "r"}, "no vector modes"),
        ({"input_format": "Bfp8_b"}, "no format Bfp8_b: block floats share their exponents"),
        ({"operation": "matmul", "input_format": "Int8"}, "no fast matrix product of Int8"),
        ({"operation": "matmul_l1_acc", "l1_accumulate": True}, "no accumulation in L1"),
        ({"operation": "exp", "input_format": "Int8"}, "exp would convert int8"),
    ],
)
def test_what_a_host_does_not_have_is_unsupported(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedVectorError, match=message):
        kernel(vector(**changes))
