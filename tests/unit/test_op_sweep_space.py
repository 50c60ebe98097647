"""The sweep op-model: its operations, what fits a core, draws, lists of operations."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.op_model.descriptors import formats as op_formats
from analysis.op_model.descriptors.ops import CATEGORIES
from farm.catalog import OPERATIONS, load_sweep, resolve_source
from farm.errors import UsageError
from sweeps.errors import SpecError
from sweeps.generate import select, vectors
from sweeps.limits import limited
from sweeps.op_model import formats
from sweeps.op_model.catalogue import DEFAULT_OPERATIONS
from sweeps.op_model.op_types import OP_TYPES
from sweeps.op_model.operation import SHAPE_PARTS, Operation
from sweeps.op_model.sweep import SWEEP, runs_on, sweep_of
from sweeps.space import Sweep

UBLOCKS = {"output_ub_r": (1, 2, 4, 8), "output_ub_c": (1, 2, 4, 8)}
PRODUCTS = {
    "output_mb_r": (2, 4, 8), "output_mb_c": (2, 4, 8), "output_ub_r": (2, 4),
    "output_ub_c": (2, 4), "mblock_k": (1, 2, 4, 8, 16, 32), "ublock_kt": (1, 2, 4, 8, 16),
}  # fmt: skip


def table(sweep: Sweep, *limits: str) -> pd.DataFrame:
    """Every vector, parts of the shape as columns."""
    sweep = limited(sweep, list(limits))
    found = []
    for suite in sweep.suites():
        selection = select(sweep, suite)
        if len(selection.kept):
            found.append(vectors(sweep, selection, 0, len(selection.kept)).to_pandas())
    rows = pd.concat(found, ignore_index=True)
    return rows.join(pd.DataFrame(rows["shape"].tolist(), columns=list(SHAPE_PARTS)))


@pytest.fixture(scope="module")
def default() -> pd.DataFrame:
    return table(SWEEP)


def blocks(mblocks: tuple[int, ...], code: int) -> dict[str, tuple[int, ...]]:
    return {"output_mb_r": mblocks, "output_mb_c": mblocks, **UBLOCKS, "input0_df": (code,)}


@pytest.mark.parametrize(
    ("mblocks", "code", "n"),
    [((2, 4, 8), 2, 75), ((2, 4, 8), 4, 75), ((2, 4, 7), 4, 86), ((2, 4, 7), 2, 75),
     ((2, 4), 11, 24), ((2, 4), 10, 24)],
)  # fmt: skip
def test_an_eltwise_operation_has_as_many_configurations_as_fit_a_core(
    mblocks: tuple[int, ...], code: int, n: int
) -> None:
    assert len(table(sweep_of([Operation("binary", "add", blocks(mblocks, code))]))) == n


def test_the_default_operations_and_their_configurations(default: pd.DataFrame) -> None:
    n_tests = default.groupby("operation", observed=True).size()
    assert len(n_tests) == len(DEFAULT_OPERATIONS) == 41
    types = [operation.op_type for operation in DEFAULT_OPERATIONS]
    assert {name: types.count(name) for name in OP_TYPES} == {
        "unary": 21, "binary": 10, "quant": 5, "matmul": 2, "matmul_l1_acc": 1,
        "matmul_sparse_nz_counts": 1, "splice": 1,
    }  # fmt: skip
    # Three vector modes of 86 in Bfp8_b with LoFi and 75 in Float16_b with HiFi4.
    assert n_tests["exp"] == n_tests["gelu_derivative_approx"] == 3 * (86 + 75)
    assert dict(n_tests[["nop", "add", "maximum", "add_int32", "quantization_int8"]]) == {
        "nop": 75, "add": 75, "maximum": 86, "add_int32": 24, "quantization_int8": 24,
    }  # fmt: skip
    assert dict(n_tests[["matmul", "matmul_int32", "matmul_l1_acc"]]) == {
        "matmul": 228, "matmul_int32": 114, "matmul_l1_acc": 228,
    }  # fmt: skip
    assert n_tests.sum() == len(default) == 10_756


def test_low_fidelity_is_for_block_floats_and_high_for_all_else(default: pd.DataFrame) -> None:
    is_block = default["output_format"].astype(str).isin(formats.BLOCK_FLOATS)
    assert (is_block == (default["fidelity"].astype(str) == "LoFi")).all()
    alone = Operation("binary", "add", {"input0_df": (4,), "math_fidelity": (4,)})
    assert len(table(sweep_of([alone]))) == 1


def test_names_lead_to_operations_and_files() -> None:
    ops = {operation.op_name: operation for operation in DEFAULT_OPERATIONS}
    assert {operation.op for operation in DEFAULT_OPERATIONS} <= set(CATEGORIES)
    assert ops["gelu_derivative_approx"].op == "gelu_derivative"
    assert ops["gelu_derivative_approx"].data_file == "gelu-derivative-approx-op-performance.csv"
    assert ops["matmul_sparse_nz_counts"].op == "matmul_sparse"
    assert ops["matmul_sparse_nz_counts"].data_file == "matmul-sparse-op-performance.csv"


def test_formats_are_those_of_the_estimator() -> None:
    assert set(formats.FORMAT_OF_CODE.values()) < set(op_formats.DataFormat)
    assert set(formats.FIDELITY_OF_CODE.values()) < set(op_formats.Fidelity)
    assert set(formats.VECTOR_MODE_OF_CODE.values()) == set(op_formats.VectorMode)


SHORT = {"m_k": "mblock_k", "u_kt": "ublock_kt"}
PART_OF = {"mb_r": "mblock_m", "mb_c": "mblock_n", "ub_r": "ublock_rt", "ub_c": "ublock_ct"}
LONG = {f"output_{short}": part for short, part in PART_OF.items()}


@pytest.mark.parametrize(
    ("file", "operation"),
    [
        ("add-op", Operation("binary", "add", blocks((2, 4, 8), 4))),
        ("maximum-op", Operation("binary", "maximum", blocks((2, 4, 7), 4))),
        ("sqrt-op", Operation("unary", "sqrt", {**blocks((2, 4, 8), 2), "vector_mode": (1,)})),
        ("matmul-bfp8-op", Operation("matmul", "matmul", {**PRODUCTS, "input0_df": (4,)})),
        ("matmul-int32-op", Operation("matmul", "matmul_int32", {**PRODUCTS, "input0_df": (11,)})),
        ("matmul-l1-acc-fp16-op", Operation("matmul_l1_acc", "matmul_l1_acc", PRODUCTS)),
    ],
)
def test_the_rules_admit_what_was_recorded_and_nothing_else(
    data_dir: Path, file: str, operation: Operation
) -> None:
    recorded = pd.read_csv(data_dir / f"opmodel/wormhole_b0/{file}-performance.csv")
    recorded = recorded.rename(columns=SHORT | LONG)
    formats_here = {output for _, output in operation.formats}
    if "output_df" in recorded:
        recorded = recorded[recorded["output_df"].isin(formats_here)]
    swept = table(sweep_of([operation]))
    parts = [part for part in SHAPE_PARTS[1:7] if part in recorded]
    assert set(swept[parts].itertuples(index=False, name=None)) == set(
        recorded[parts].itertuples(index=False, name=None)
    )


def test_sparse_draws_are_possible_and_the_same_for_one_seed(default: pd.DataFrame) -> None:
    sparse = default[default["operation"] == "matmul_sparse_nz_counts"]
    k_outer, t, m = sparse["mblock_k"], sparse["t"], sparse["mblock_m"]
    s, u, z = sparse["nz_strips"], sparse["nz_ublocks"], sparse["nz_tiles"]
    assert ((t <= s) & (s <= k_outer + t - 1)).all()
    assert ((s <= u) & (u <= (s * m).clip(upper=3500))).all()
    assert ((u <= z) & (z <= u * sparse["ublock_rt"] * sparse["ublock_kt"])).all()
    assert len(sparse) == 2 * len(sparse[list(SHAPE_PARTS)].drop_duplicates()) == 770

    def shapes(seed: int) -> tuple[tuple[int, ...], ...]:
        kind = "matmul_sparse_nz_counts"
        return Operation(kind, kind, {"nz_draws": (5,)}, random_seed=seed).shapes()

    assert shapes(7) == shapes(7) != shapes(8)
    # These were drawn once; another sequence would be another sweep.
    assert shapes(0)[:2] == (
        (7, 7, 1, 4, 1, 7, 2, 13, 76, 314),
        (1, 7, 4, 4, 1, 7, 7, 4, 24, 374),
    )


def test_whole_numbers_are_for_one_architecture() -> None:
    there = [
        operation.op_name for operation in DEFAULT_OPERATIONS if runs_on(operation, "grayskull")
    ]
    assert len(there) == 41 - 2 - 6 - 5 - 1
    assert "matmul_int32" not in there
    with_none = limited(SWEEP, ["arch:=grayskull", "operation=add_int8"])
    (suite,) = with_none.suites()
    assert select(with_none, suite).rejected["whole numbers need wormhole_b0"] > 0
    assert not len(select(with_none, suite).kept)


def test_a_list_in_a_file_is_the_sweep_that_it_describes(tmp_path: Path) -> None:
    path = tmp_path / "operations.json"
    path.write_text(json.dumps([operation.as_json() for operation in DEFAULT_OPERATIONS]))
    source = resolve_source(f"{OPERATIONS}{path}")
    assert load_sweep(source).fingerprint == SWEEP.fingerprint
    changed = [operation.as_json() for operation in DEFAULT_OPERATIONS]
    # The same values of every axis, but other ones for one of the operations.
    changed[3]["config_overrides"] = changed[0]["config_overrides"]
    path.write_text(json.dumps(changed))
    assert load_sweep(source).fingerprint != SWEEP.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "no list of operations"),
        ("{}", "write a JSON list of operations"),
        ("[1]", "operation 0: an operation is a JSON object, not 1"),
        ('[{"op_type": "unary"}]', "operation 0: op_name is missing"),
        ('[{"op_type": "unry", "op_name": "exp"}]', "did you mean unary?"),
        ('[{"op_type": "unary", "op_name": "exq"}]', "did you mean exp?"),
        ('[{"op_type": "unary", "op_name": "exp", "data": 1}]', "unknown key 'data'"),
        ('[{"op_type": "unary", "op_name": "exp", "data_file": "a/b.csv"}]', "no name of a CSV"),
        ('[{"op_type": "unary", "op_name": "exp", "config_overrides": {"mb_q": [1]}}]',
         "unknown variable 'mb_q'"),
        ('[{"op_type": "unary", "op_name": "exp", "config_overrides": {"mb_r": [[1]]}}]',
         "output_mb_r has [1], which is no whole number"),
        ('[{"op_type": "unary", "op_name": "exp", "config_overrides": {"mb_r": [2, 2]}}]',
         "output_mb_r needs distinct values"),
        ('[{"op_type": "unary", "op_name": "exp", "config_overrides": {"df": ["Bfp9"]}}]',
         "input0_df has 'Bfp9', which is none of"),
        ('[{"op_type": "unary", "op_name": "exp"}, {"op_type": "unary", "op_name": "exp"}]',
         "two operations have the op_name 'exp'"),
    ],
)  # fmt: skip
def test_a_wrong_list_is_refused_with_one_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "operations.json"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_sweep(f"{OPERATIONS}{path}")
    assert message in str(refused.value)


def test_names_of_formats_and_aliases_of_variables_are_understood() -> None:
    overrides = {"df": ["Float32"], "mb_r": 4, "math_fidelity": ["hifi4"]}
    item = {"op_type": "unary", "op_name": "exp", "config_overrides": overrides}
    operation = Operation.from_json(item, "list")
    assert operation.overrides == {
        "input0_df": (12,), "output_mb_r": (4,), "math_fidelity": (4,),
    }  # fmt: skip
    assert Operation.from_json(operation.as_json(), "list") == operation
    with pytest.raises(SpecError, match="output_mb_r is given twice"):
        Operation.from_json({**item, "config_overrides": {"mb_r": 1, "mblock_m": 2}}, "list")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        resolve_source(f"{OPERATIONS}nowhere.json")
