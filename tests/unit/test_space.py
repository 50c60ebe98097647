"""Declarations: what a sweep is made of, and what it refuses."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from sweeps.axis import Axis, Value
from sweeps.errors import SpecError
from sweeps.space import Columns, Feature, Rule, Suite, Sweep

GOOD: dict[str, Any] = {
    "name": "s",
    "op": "s",
    "axes": (
        Axis.ints("n", [1, 2, 3]),
        Axis.choice("c", ["a", "b"]),
        Axis.grids("g", [1, 2], [4]),
    ),
    "size": "cells",
    "group_by": ("c",),
    "suite_by": ("g", "c"),
    "features": (Feature("cells", lambda c: c["n"] * c["g.x"] * c["g.y"]),),
    "rules": (Rule("n is 2", lambda c: c["n"] != 2),),
    "suite_rules": (Rule("b on 2x4", lambda c: (c["c"] != "b") | (c["g.x"] != 2)),),
}


def _sweep(**changes: object) -> Sweep:
    return Sweep(**(GOOD | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": ()}, "sweep s: it has no axes; declare at least one"),
        (
            {"axes": (*GOOD["axes"], Axis.ints("n", [1]))},
            "sweep s: axis or feature 'n' is declared twice",
        ),
        (
            {"features": (*GOOD["features"], Feature("n", lambda c: c["n"]))},
            "sweep s: axis or feature 'n' is declared twice",
        ),
        (
            {"features": (*GOOD["features"], Feature("a b", lambda c: c["n"]))},
            "sweep s: 'a b' cannot name an axis or feature: it must be an identifier other than "
            "attempt, card, chunk, duration_ns, group_id, index, reason, status, suite, vector_id",
        ),
        (
            {"axes": (*GOOD["axes"], Axis.ints("status", [1]))},
            "sweep s: 'status' cannot name an axis or feature: it must be an identifier other "
            "than attempt, card, chunk, duration_ns, group_id, index, reason, status, suite, "
            "vector_id",
        ),
        (
            {"group_by": ("x",)},
            "sweep s: group_by names 'x', which is not among n, c, g",
        ),
        (
            {"suite_by": ("cells",)},
            "sweep s: suite_by names 'cells', which is not among n, c, g",
        ),
        ({"size": "c"}, "sweep s: size names 'c', which is not among cells, n"),
        (
            {"repeats": 0},
            "sweep s: repeats, timeout_s and chunk_rows must be positive",
        ),
        (
            {"timeout_s": 0.0},
            "sweep s: repeats, timeout_s and chunk_rows must be positive",
        ),
        (
            {"chunk_rows": 0},
            "sweep s: repeats, timeout_s and chunk_rows must be positive",
        ),
        (
            {"max_vectors_per_suite": 0},
            "sweep s: max_vectors_per_suite must be positive or None",
        ),
    ],
)
def test_what_a_declaration_refuses(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        _sweep(**changes)
    assert str(caught.value) == message


def test_an_axis_that_is_not_there() -> None:
    with pytest.raises(SpecError) as caught:
        _sweep().axis("x")
    assert str(caught.value) == "sweep s: no axis 'x'; its axes are n, c, g"
    with pytest.raises(SpecError, match="no axis 'x'"):
        _sweep().with_axis(Axis.ints("x", [1]))


def test_suites_follow_suite_by_and_suite_rules() -> None:
    named = [(suite.name, reason) for suite, reason in _sweep().suites_with_reasons()]
    assert named == [
        ("1x4-a", None),
        ("1x4-b", None),
        ("2x4-a", None),
        ("2x4-b", "b on 2x4"),
    ]
    assert [suite.name for suite in _sweep().suites()] == ["1x4-a", "1x4-b", "2x4-a"]
    first = next(_sweep().suites())
    assert [axis.name for axis in first.axes] == ["n", "c", "g"]
    assert first.n_candidates == 3


def test_without_suite_by_there_is_one_suite() -> None:
    suites = list(_sweep(suite_by=(), suite_rules=()).suites())
    assert [(suite.name, suite.n_candidates) for suite in suites] == [("all", 12)]


def test_two_suites_of_one_name_are_refused() -> None:
    axes = (
        Axis.choice("p", ["a", "a-b"]),
        Axis.choice("q", ["b-c", "c"]),
        Axis.ints("n", [1]),
    )
    sweep = Sweep("s", "s", axes, "n", (), suite_by=("p", "q"))
    with pytest.raises(SpecError, match="sweep s: two suites are called 'a-b-c'"):
        list(sweep.suites())


def test_size_of_a_product_beyond_64_bits() -> None:
    axes = tuple(Axis.ints(name, range(1000)) for name in "abcdefgh")
    assert Suite("s", axes).n_candidates == 10**24


def test_derive_and_invalid_reason_of_one_vector() -> None:
    sweep = _sweep()
    assert sweep.derive({"n": 3, "c": "a", "g": (2, 4)}) == {"cells": 24}
    assert sweep.derive({"n": 700, "c": "zz", "g": (5, 5)}) == {"cells": 17500}
    assert sweep.invalid_reason({"n": 3, "c": "a", "g": (2, 4)}) is None
    assert sweep.invalid_reason({"n": 2, "c": "a", "g": (2, 4)}) == "n is 2"
    assert sweep.invalid_reason({"n": 2, "c": "b", "g": (2, 4)}) == "b on 2x4"


@pytest.mark.parametrize("ask", [Sweep.derive, Sweep.invalid_reason])
def test_one_vector_needs_a_value_of_every_axis(ask: Any) -> None:
    with pytest.raises(SpecError, match="sweep s: no value is given for axis 'g'"):
        ask(_sweep(), {"n": 1, "c": "a"})
    with pytest.raises(SpecError, match=r"axis n: value 1\.5 is not of kind int"):
        ask(_sweep(), {"n": 1.5, "c": "a", "g": (1, 4)})


def _broken(columns: Mapping[str, Any]) -> Any:
    return columns["nope"]


def test_errors_of_rules_and_features_name_them() -> None:
    params = {"n": 1, "c": "a", "g": (1, 4)}
    message = "no axis 'nope'; the axes are n, c, g"
    with pytest.raises(SpecError) as caught:
        _sweep(rules=(Rule("bad", _broken),)).invalid_reason(params)
    assert str(caught.value) == f"sweep s: rule 'bad' failed: {message}"
    with pytest.raises(SpecError) as caught:
        _sweep(features=(*GOOD["features"], Feature("bad", _broken))).derive(params)
    assert str(caught.value) == f"sweep s: feature 'bad' failed: {message}"
    with pytest.raises(SpecError) as caught:
        list(_sweep(suite_rules=(Rule("bad", _broken),)).suites())
    assert str(caught.value) == ("sweep s: rule 'bad' failed: no axis 'nope'; the axes are c, g")


def test_columns_look_values_up() -> None:
    axes = _sweep().axes
    codes = {"n": np.array([2, 0]), "c": np.array([1, 0]), "g": np.array([0, 1])}
    columns = Columns(axes, codes)
    assert list(columns) == ["n", "c", "g.x", "g.y"]
    assert len(columns) == 4
    assert columns["n"].tolist() == [3, 1]
    assert columns["c"].tolist() == ["b", "a"]
    assert columns["g.x"].tolist() == [1, 2]
    assert columns["g.y"].tolist() == [4, 4]
    for key, message in {
        "z": "no axis 'z'; the axes are n, c, g",
        "g": "axis 'g' has the parts g.x, g.y; 'g' is not among them",
        "g.z": "axis 'g' has the parts g.x, g.y; 'g.z' is not among them",
        "n.x": "axis 'n' has no parts; 'n.x' is not a column",
    }.items():
        with pytest.raises(KeyError) as caught:
            columns[key]
        assert caught.value.args == (message,)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "t"},
        {"op": "t"},
        {"version": "2"},
        {"axes": (Axis.ints("n", [1, 2, 4]), *GOOD["axes"][1:])},
        {"axes": GOOD["axes"][::-1]},
        {"size": "n"},
        {"group_by": ("c", "g")},
        {"suite_by": ("c", "g"), "suite_rules": GOOD["suite_rules"]},
        {"rules": ()},
        {"suite_rules": ()},
        {"features": (*GOOD["features"], Feature("more", lambda c: c["n"]))},
        {"max_vectors_per_suite": 5},
        {"repeats": 11},
        {"chunk_rows": 7},
    ],
)
def test_what_decides_the_vectors_changes_the_fingerprint(changes: dict[str, object]) -> None:
    assert _sweep(**changes).fingerprint != _sweep().fingerprint


def test_what_does_not_decide_the_vectors_leaves_the_fingerprint() -> None:
    assert _sweep(timeout_s=99.0).fingerprint == _sweep().fingerprint
    assert _sweep(kernel=lambda params: lambda: params).fingerprint == _sweep().fingerprint


def test_suites_may_have_values_of_their_own() -> None:
    own = {"a": (3, 1), "b": (2, 9)}
    sweep = _sweep(
        suite_by=("c",), suite_rules=(), suite_values=lambda pinned: {"n": own[str(pinned["c"])]}
    )
    values = {suite.name: suite.axes[0].values for suite in sweep.suites()}
    assert values == {"a": (1, 3), "b": (2,)}
    assert sweep.fingerprint == _sweep(suite_by=("c",), suite_rules=()).fingerprint


def test_a_suite_without_any_value_left_is_excluded_with_a_reason() -> None:
    sweep = _sweep(
        suite_by=("c",),
        suite_rules=(),
        suite_values=lambda pinned: {"n": [3] * (pinned["c"] == "a")},
    )
    assert [(suite.name, reason) for suite, reason in sweep.suites_with_reasons()] == [
        ("a", None),
        ("b", "no value of n is left"),
    ]


def test_suite_values_that_fail_are_named() -> None:
    def fails(pinned: Mapping[str, Value]) -> Mapping[str, Any]:
        raise KeyError(f"no suite {pinned['c']}")

    with pytest.raises(SpecError, match="sweep s: suite_values failed: no suite a"):
        list(_sweep(suite_by=("c",), suite_values=fails).suites())
