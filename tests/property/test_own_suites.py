"""Suites with loops of their own, against nested loops in plain Python."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.axis import Axis
from sweeps.errors import SpecError
from sweeps.generate import group_id, schema, select, vectors
from sweeps.limits import limited
from sweeps.space import Feature, Label, Loop, Suite, Sweep, Verdicts
from sweeps.vector import vector_id, vector_ids_of_columns

AXES = (
    Axis.ints("n", [8, 3, 5]),
    Axis.choice("mode", ["fast", "(1, 2)", "slow"]),
    Axis.choice("kind", ["a", "b"]),
    Axis.flags("flag"),
)
Rows = list[dict[str, Any]]


@st.composite
def suites(draw: st.DrawFn, name: str) -> tuple[Suite, list[tuple[tuple[str, ...], Rows]]]:
    """A suite over some of the axes, some of them linked, and its loops spelled out."""
    names = draw(st.lists(st.sampled_from([a.name for a in AXES]), min_size=1, unique=True))
    cut = draw(st.integers(0, len(names) - 1))
    parts = [tuple(names[: cut + 1]), *((other,) for other in names[cut + 1 :])]
    own = {axis.name: axis for axis in AXES if axis.name in names}
    loops, spelled = [], []
    for part in parts:
        space = list(product(*(range(len(own[n].values)) for n in part)))
        steps = draw(st.lists(st.sampled_from(space), min_size=1, unique=True))
        loops.append(Loop(tuple(own[n] for n in part), np.array(steps, np.intp).T))
        rows = [{n: own[n].values[c] for n, c in zip(part, s, strict=True)} for s in steps]
        spelled.append((part, rows))
    return Suite(name, tuple(own.values()), tuple(loops)), spelled


def naive(spelled: list[tuple[tuple[str, ...], Rows]]) -> Rows:
    """Nested loops, by recursion; the first is the outermost."""
    if not spelled:
        return [{}]
    (_, rows), *rest = spelled
    return [{**row, **inner} for row in rows for inner in naive(rest)]


def sweep_of(*own: Suite) -> Sweep:
    return Sweep(
        name="s",
        op="o",
        version="1",
        axes=AXES,
        size="size",
        group_by=("mode", "flag"),
        features=(
            Feature("size", lambda c: c.mapped("n", lambda n: 2 * int(n)) if "n" in c else 0),
        ),
        labels=(
            Label("where", lambda suite, codes: [suite.name] * len(next(iter(codes.values())))),
        ),
        own_suites=own,
    )


def rows_of(sweep: Sweep, suite: Suite) -> Rows:
    selection = select(sweep, suite)
    table = vectors(sweep, selection, 0, len(selection.kept))
    params = table.select([axis.name for axis in AXES])
    assert vector_ids_of_columns("o", params) == table["vector_id"].to_pylist()
    return table.to_pylist()


@given(suites("one"), suites("two"))
def test_vectors_are_those_of_nested_loops_in_their_order(first: Any, second: Any) -> None:
    sweep = sweep_of(first[0], second[0])
    for (suite, spelled), (found, reason) in zip(
        (first, second), sweep.suites_with_reasons(), strict=True
    ):
        assert (found, reason) == (suite, None)
        for params, row in zip(naive(spelled), rows_of(sweep, suite), strict=True):
            assert row["vector_id"] == vector_id("o", params)
            assert {n: row[n] for n in ("n", "mode", "kind", "flag")} == {
                n: params.get(n) for n in ("n", "mode", "kind", "flag")
            }
            assert row["suite"] == row["where"] == suite.name
            assert row["size"] == 2 * params.get("n", 0)
            assert row["group_id"] == group_id(
                "o", {n: params[n] for n in ("mode", "flag") if n in params}
            )


@given(suites("one"), st.sets(st.sampled_from([8, 3, 5]), min_size=1))
def test_a_limit_leaves_the_steps_with_its_values(drawn: Any, kept: set[int]) -> None:
    suite, spelled = drawn
    sweep = limited(sweep_of(suite), [f"n={','.join(map(str, kept))}"])
    expected = [params for params in naive(spelled) if params.get("n", min(kept)) in kept]
    ((left, reason),) = sweep.suites_with_reasons()
    if not expected:
        assert reason is not None
        assert "no value of" in reason
        return
    assert [row["vector_id"] for row in rows_of(sweep, left)] == [
        vector_id("o", params) for params in expected
    ]


@given(suites("one"), st.data())
def test_verdicts_select_candidates_by_position(drawn: Any, data: st.DataObject) -> None:
    suite, spelled = drawn
    candidates = naive(spelled)
    n = len(candidates)
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    verdicts = Verdicts(np.array(mask, np.bool_), {"no": mask.count(False)})
    selection = select(sweep_of(suite), suite, verdicts)
    assert selection.kept.tolist() == [i for i, is_valid in enumerate(mask) if is_valid]
    assert selection.summary()["rejected"] == {"no": mask.count(False)}
    assert selection.n_candidates == n


def test_what_one_suite_lacks_is_null_and_nothing_else_is_nullable() -> None:
    suite = Suite("one", AXES[:2])
    nullable = {f.name for f in schema(sweep_of(suite, Suite("two", AXES[1:]))) if f.nullable}
    assert nullable == {"n", "kind", "flag"}
    assert all(not f.nullable for f in schema(sweep_of(Suite("one", AXES))))


def test_suites_are_selected_by_name_and_unknown_ones_are_named() -> None:
    sweep = sweep_of(Suite("one", AXES[:1]), Suite("two", AXES))
    assert [s.name for s in limited(sweep, ["suite=two"]).suites()] == ["two"]
    assert [s.name for s in limited(sweep, ["suite=two, one"]).suites()] == ["one", "two"]
    with pytest.raises(SpecError, match="no suite 'three'; its suites are one, two"):
        limited(sweep, ["suite=three"])


def test_values_that_no_suite_lists_are_refused() -> None:
    sweep = sweep_of(Suite("one", AXES))
    assert list(limited(sweep, ["mode=(1, 2)"]).axis("mode").values) == ["(1, 2)"]
    with pytest.raises(SpecError, match="axis n cannot have the value 4"):
        limited(sweep, ["n:=4"])


def test_suites_are_part_of_the_fingerprint() -> None:
    both = sweep_of(Suite("one", AXES[:1]), Suite("two", AXES))
    reordered = Suite("one", AXES[:1], (Loop(AXES[:1], np.array([[1, 0, 2]])),))
    prints = {both.fingerprint, sweep_of(Suite("one", AXES[:1])).fingerprint}
    prints.add(sweep_of(reordered, Suite("two", AXES)).fingerprint)
    assert len(prints) == 3


def test_groups_of_many_axes_with_many_values_stay_apart() -> None:
    # 1024^8 combinations: 64 bits would count the first axis not at all.
    axes = tuple(Axis.ints(f"a{i}", range(1024)) for i in range(8))
    sizes = Axis.ints("n", [1, 2])
    differ_in_first = np.array([[0, 1], *[[0, 0]] * 7], np.intp)
    loops = (Loop(axes, differ_in_first), Loop((sizes,), np.array([[0, 1]])))
    suite = Suite("one", (*axes, sizes), loops)
    sweep = Sweep("s", "o", (*axes, sizes), "n", tuple(a.name for a in axes), own_suites=(suite,))
    ids = vectors(sweep, select(sweep, suite), 0, 4)["group_id"].to_pylist()
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_features_are_derived_from_the_axes_of_a_suite() -> None:
    sweep = sweep_of(Suite("one", AXES[:2]), Suite("two", AXES[1:]))
    assert sweep.derive({"n": 5, "mode": "fast"}) == {"size": 10}
    assert sweep.derive({"mode": "fast", "kind": "a", "flag": True}) == {"size": 0}
