"""Generation of the shipped sweeps, checked against numbers and files from elsewhere."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm.catalog import load_sweep
from sweeps import BUILTIN
from sweeps.axis import Axis
from sweeps.errors import SpecError
from sweeps.generate import SuiteSelection, group_id, schema, select, vectors
from sweeps.limits import limited
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Feature, Rule, Sweep


def _reshard(input_grid: str, output_grid: str) -> tuple[Sweep, SuiteSelection]:
    sweep = limited(RESHARD, [f"input_grid={input_grid}", f"output_grid={output_grid}"])
    (suite,) = sweep.suites()
    return sweep, select(sweep, suite)


def test_counts_of_a_thinned_reshard_suite() -> None:
    # 9261 -> 4630 -> 2315 -> 1157: every other one goes until at most 1600 are left.
    _, selection = _reshard("1x1", "1x2")
    assert selection.summary() == {
        "name": "1x1-1x2-BFLOAT16",
        "n_candidates": 558009,
        "n_valid": 9261,
        "n_vectors": 1157,
        "rejected": {
            "input and output strategy are equal and not BLOCK": 124002,
            "input shards are not whole tiles": 0,
            "output shards are not whole tiles": 217875,
            "tensor does not fit the L1 of the input grid": 206871,
            "tensor does not fit the L1 of the output grid": 0,
        },
    }


def test_counts_of_a_whole_reshard_suite() -> None:
    _, selection = _reshard("1x1", "8x8")
    assert (selection.n_candidates, selection.n_valid, len(selection.kept)) == (558009, 116, 116)
    assert sum(selection.rejected.values()) == 558009 - 116


def test_pairs_of_equal_grids_are_skipped() -> None:
    assert sum(1 for _ in RESHARD.suites()) == 64 * 63
    reasons = [reason for _, reason in RESHARD.suites_with_reasons() if reason]
    assert reasons == ["input and output grid are equal"] * 64


@pytest.mark.parametrize("output_grid", ["1x2", "8x8"])
def test_reshard_equals_the_recorded_vectors(data_dir: Path, output_grid: str) -> None:
    path = data_dir / "ttmetal" / "vectors_export" / "1x1" / f"reshard-1x1-{output_grid}.json"
    (suite,) = json.loads(path.read_text()).values()
    recorded = [_translated(vector) for vector in suite.values()]
    sweep, selection = _reshard("1x1", output_grid)
    table = vectors(sweep, selection, 0, len(selection.kept))
    ours = table.select([axis.name for axis in sweep.axes]).to_pylist()
    assert ours == recorded


def _translated(vector: Mapping[str, str]) -> dict[str, Any]:
    """Write a vector of the framework's vector file in our words."""
    return {
        "input_strategy": vector["input_shard_strategy"].removeprefix("ShardStrategy."),
        "output_strategy": vector["output_shard_strategy"].removeprefix("ShardStrategy."),
        "input_orientation": vector["input_shard_orientation"].removeprefix("ShardOrientation."),
        "output_orientation": vector["output_shard_orientation"].removeprefix("ShardOrientation."),
        "dtype": vector["dtype"].removeprefix("DataType."),
        "input_grid": _core_grid(vector["input_core_grid"]),
        "output_grid": _core_grid(vector["output_core_grid"]),
        "shape": json.loads(vector["shape"]),
    }


def _core_grid(text: str) -> list[int]:
    match = re.fullmatch(r"ttnn\.CoreGrid\(x=(\d+), y=(\d+)\)", text)
    assert match is not None
    return [int(match[1]), int(match[2])]


@pytest.mark.parametrize("name", BUILTIN)
def test_every_shipped_sweep_generates(name: str) -> None:
    sweep = load_sweep(name)
    suite = next(sweep.suites())
    selection = select(sweep, suite)
    n_shown = min(len(selection.kept), 50)
    assert n_shown > 0
    table = vectors(sweep, selection, 0, n_shown)
    assert table.schema == schema(sweep)
    for row in table.to_pylist():
        params = {
            axis.name: tuple(row[axis.name]) if axis.components else row[axis.name]
            for axis in sweep.axes
        }
        assert sweep.invalid_reason(params) is None
        assert sweep.derive(params) == {f.name: row[f.name] for f in sweep.features}


def test_a_suite_without_valid_vectors_gives_an_empty_table() -> None:
    sweep = Sweep(
        "s", "s", (Axis.ints("n", [1, 2]),), "n", (), rules=(Rule("none", lambda c: c["n"] < 0),)
    )
    selection = select(sweep, next(sweep.suites()))
    table = vectors(sweep, selection, 0, 0)
    assert (selection.n_valid, selection.rejected, table.num_rows) == (0, {"none": 2}, 0)
    assert table.schema == schema(sweep)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda c: c["n"], "it returned int64, not bool"),
        (lambda c: c["x"] > 1, "no axis 'x'; the axes are n, m"),
        (lambda c: np.ones((2, 2, 2), np.bool_), "non-broadcastable output operand"),
    ],
)
def test_a_rule_that_fails_is_named(rule: Any, message: str) -> None:
    axes = (Axis.ints("n", [1, 2]), Axis.ints("m", [1, 2]))
    sweep = Sweep("s", "s", axes, "n", (), rules=(Rule("bad", rule),))
    with pytest.raises(SpecError) as caught:
        select(sweep, next(sweep.suites()))
    assert str(caught.value).startswith(f"sweep s: rule 'bad' failed: {message}")


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (lambda c: c["x"], "no axis 'x'; the axes are n"),
        (lambda c: np.zeros(7), "operands could not be broadcast"),
        (
            lambda c: c["n"] / 2 if c["n"].size > 1 else c["n"],
            "Float value 0.500000 was truncated",
        ),
    ],
)
def test_a_feature_that_fails_is_named(feature: Any, message: str) -> None:
    axes = (Axis.ints("n", [1, 2]),)
    sweep = Sweep("s", "s", axes, "n", (), features=(Feature("bad", feature),))
    with pytest.raises(SpecError) as caught:
        vectors(sweep, select(sweep, next(sweep.suites())), 0, 2)
    assert str(caught.value).startswith("sweep s: feature 'bad' failed: ")
    assert message in str(caught.value)


def test_group_identity_depends_on_the_values_and_not_on_their_order() -> None:
    assert group_id("op", {"a": 1, "b": (2, 3)}) == group_id("op", {"b": (2, 3), "a": 1})
    assert group_id("op", {"a": 1}) != group_id("op", {"a": 2})
    assert group_id("op", {"a": 1}) != group_id("po", {"a": 1})
    assert 0 <= group_id("op", {"a": 1}) < 2**63
