"""Vectorised generation against one candidate at a time."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import generate
from sweeps.axis import Axis, Value
from sweeps.generate import group_id, select, vectors
from sweeps.space import Array, Columns, Feature, Rule, Suite, Sweep
from sweeps.vector import vector_id, vector_ids

Params = dict[str, Value]


@dataclass(frozen=True)
class Linear:
    """Valid where a linear form of some columns is not `residue` modulo `modulus`."""

    factors: Mapping[str, int]
    modulus: int
    residue: int

    def vectorised(self, columns: Columns) -> Array:
        total: Array = np.zeros((), np.int64)
        for column, factor in self.factors.items():
            total = total + factor * columns[column]
        return total % self.modulus != self.residue

    def holds(self, params: Params) -> bool:
        total = sum(factor * _look_up(params, column) for column, factor in self.factors.items())
        return total % self.modulus != self.residue


def _look_up(params: Params, column: str) -> int:
    name, _, part = column.partition(".")
    value = params[name]
    if isinstance(value, tuple):
        return value["xy".index(part)]
    assert isinstance(value, int)
    return value


SMALL_INTS = st.lists(st.integers(-9, 9), min_size=1, max_size=5, unique=True)
AXIS_MAKERS = (
    lambda name: SMALL_INTS.map(lambda v: Axis.ints(name, v)),
    lambda name: st.lists(
        st.sampled_from(["add", "mul", "ü", "x-y", '"']), min_size=1, max_size=4, unique=True
    ).map(lambda v: Axis.choice(name, v)),
    lambda name: st.tuples(st.integers(1, 3), st.integers(1, 3)).map(
        lambda xy: Axis.grids(name, range(1, 1 + xy[0]), range(1, 1 + xy[1]))
    ),
    lambda name: st.just(Axis.flags(name)),
    lambda name: st.just(Axis.floats(name, [0.1, 1.0, -2.5])),
)


@st.composite
def spaces(draw: st.DrawFn) -> tuple[Sweep, tuple[Linear, ...]]:
    """A small sweep with its rules as data."""
    n_axes = draw(st.integers(1, 4))
    names = draw(st.permutations(["b", "a", "d", "c"]))[:n_axes]
    # The first axis is a whole number, so that there is a size and something for rules to read.
    axes = [draw(AXIS_MAKERS[0](names[0]))]
    axes += [draw(draw(st.sampled_from(AXIS_MAKERS))(name)) for name in names[1:]]
    axes = draw(st.permutations(axes))
    columns = [axis.name for axis in axes if axis.kind == "int"]
    columns += [f"{axis.name}.{part}" for axis in axes if axis.kind == "grid" for part in "xy"]
    factors = st.dictionaries(st.sampled_from(columns), st.integers(-5, 5), max_size=3)
    modulus = st.integers(1, 4)
    linear = st.builds(Linear, factors, modulus, st.integers(0, 3))
    rules = tuple(draw(st.lists(linear, max_size=3)))
    some_axes = st.lists(st.sampled_from([axis.name for axis in axes]), unique=True)
    sweep = Sweep(
        name="s",
        op="op",
        axes=tuple(axes),
        size=names[0],
        group_by=tuple(draw(some_axes)),
        suite_by=tuple(draw(some_axes)),
        rules=tuple(Rule(f"rule {i}", rule.vectorised) for i, rule in enumerate(rules)),
        features=(Feature("twice", lambda c, n=names[0]: 2 * c[n]),),
        max_vectors_per_suite=draw(st.none() | st.integers(1, 10)),
    )
    return sweep, rules


def _one_by_one(
    suite: Suite, rules: tuple[Linear, ...], most: int | None
) -> tuple[list[Params], int, dict[str, int]]:
    names = [axis.name for axis in suite.axes]
    rejected = {f"rule {i}": 0 for i in range(len(rules))}
    valid = []
    for values in itertools.product(*(axis.values for axis in suite.axes)):
        params = dict(zip(names, values, strict=True))
        failed = next((i for i, rule in enumerate(rules) if not rule.holds(params)), None)
        if failed is None:
            valid.append(params)
        else:
            rejected[f"rule {failed}"] += 1
    n_valid = len(valid)
    while most is not None and len(valid) > most:
        del valid[::2]
    return valid, n_valid, rejected


def _params(table: pa.Table, sweep: Sweep) -> list[Params]:
    rows = table.select([axis.name for axis in sweep.axes]).to_pylist()
    return [{k: tuple(v) if isinstance(v, list) else v for k, v in r.items()} for r in rows]


@given(spaces(), st.sampled_from([1, 2, 3, 7, 20, 1 << 22]))
def test_selection_equals_one_candidate_at_a_time(
    space: tuple[Sweep, tuple[Linear, ...]], block: int
) -> None:
    sweep, rules = space
    for suite in sweep.suites():
        expected, n_valid, rejected = _one_by_one(suite, rules, sweep.max_vectors_per_suite)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(generate, "BLOCK_CANDIDATES", block)
            selection = select(sweep, suite)
        assert selection.n_valid == n_valid
        assert dict(selection.rejected) == rejected
        assert n_valid + sum(rejected.values()) == suite.n_candidates
        table = vectors(sweep, selection, 0, len(selection.kept))
        assert _params(table, sweep) == expected


@given(spaces())
def test_columns_derived_from_the_parameters(space: tuple[Sweep, tuple[Linear, ...]]) -> None:
    sweep, _ = space
    for suite in sweep.suites():
        selection = select(sweep, suite)
        table = vectors(sweep, selection, 0, len(selection.kept))
        for row, params in zip(table.to_pylist(), _params(table, sweep), strict=True):
            assert row["vector_id"] == vector_id(sweep.op, params)
            key = {name: params[name] for name in sweep.group_by}
            assert row["group_id"] == group_id(sweep.op, key)
            assert row["suite"] == suite.name
            assert {"twice": row["twice"]} == sweep.derive(params)
            assert sweep.invalid_reason(params) is None


@given(spaces(), st.data())
def test_a_suite_in_parts_equals_the_suite(
    space: tuple[Sweep, tuple[Linear, ...]], data: st.DataObject
) -> None:
    sweep, _ = space
    selection = select(sweep, next(sweep.suites()))
    n = len(selection.kept)
    cut = data.draw(st.integers(0, n))
    parts = [vectors(sweep, selection, 0, cut), vectors(sweep, selection, cut, n)]
    together = pa.concat_tables(parts).combine_chunks()
    assert together.to_pylist() == vectors(sweep, selection, 0, n).to_pylist()


@given(spaces(), st.data())
def test_ids_of_columns_equal_ids_of_single_vectors(
    space: tuple[Sweep, tuple[Linear, ...]], data: st.DataObject
) -> None:
    axes = space[0].axes
    n = data.draw(st.integers(0, 6))
    codes = {
        axis.name: np.array(
            data.draw(st.lists(st.integers(0, len(axis.values) - 1), min_size=n, max_size=n)),
            np.intp,
        )
        for axis in axes
    }
    ids = vector_ids("an op", axes, codes)
    assert ids.shape == (n,)
    for i in range(n):
        params = {axis.name: axis.values[codes[axis.name][i]] for axis in axes}
        assert ids[i].tobytes() == vector_id("an op", params)
