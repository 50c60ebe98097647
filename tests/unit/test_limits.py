"""The grammar of limits on a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.axis import Axis, Value
from sweeps.errors import SpecError
from sweeps.limits import limited
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Sweep

SWEEP = Sweep(
    name="s",
    op="s",
    axes=(
        Axis.ints("n", [1, 2, 4, 8, 16]),
        Axis.floats("f", [0.5, 1.0, 2.0]),
        Axis.choice("c", ["add", "mul", "max"]),
        Axis.flags("b"),
        Axis.grids("g", range(1, 4), range(1, 4)),
        Axis.shapes("s", [(1, 32), (2, 32), (2, 64)]),
    ),
    size="n",
    group_by=("c",),
)


@pytest.mark.parametrize(
    ("limit", "values"),
    [
        ("n=4", (4,)),
        ("n=8,1", (1, 8)),
        ("n=2..8", (2, 4, 8)),
        ("n= 2 .. 8 , 16", (2, 4, 8, 16)),
        ("n=3..5", (4,)),
        ("n:=3,5", (3, 5)),
        ("n:=5,3,5", (5, 3)),
        ("n:=3..6", (3, 4, 5, 6)),
        ("n:=log(1,1000,4)", (1, 10, 100, 1000)),
        ("n:=7,log(1, 100, 3)", (7, 1, 10, 100)),
        ("f=0.6..2", (1.0, 2.0)),
        ("f:=0.25,1e3", (0.25, 1000.0)),
        ("c=max,add", ("add", "max")),
        ("c:=sub", ("sub",)),
        ("b=true", (True,)),
        ("g=2x3", ((2, 3),)),
        ("g=2x2..2x8", ((2, 2), (2, 3))),
        ("g=1x1..2x2", ((1, 1), (1, 2), (2, 1), (2, 2))),
        ("g:=5x7", ((5, 7),)),
        ("s=2x1..2x99", ((2, 32), (2, 64))),
        ("s:=9x9,[8x8]", ((9, 9), (8, 8))),
    ],
)
def test_what_a_limit_leaves(limit: str, values: tuple[Value, ...]) -> None:
    name = limit.partition("=")[0].removesuffix(":")
    assert limited(SWEEP, [limit]).axis(name).values == values


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("n", "limit 'n': write AXIS=VALUES, for example n=1"),
        ("n=", "limit 'n=': write AXIS=VALUES, for example n=1"),
        ("=3", "limit '=3': write AXIS=VALUES, for example n=1"),
        ("q=3", "sweep s: no axis 'q'; its axes are n, f, c, b, g, s"),
        ("n=1,,2", "limit '1,,2': an empty value stands between two commas"),
        ("n=x", "axis n: 'x' is not of kind int; write it like '1'"),
        ("g=2", "axis g: '2' is not of kind grid; write it like '1x1'"),
        (
            "n=3",
            "axis n: '3' matches none of its values, which are 1, 2, 4, 8, 16; "
            "to use other values write n:=3",
        ),
        (
            "n=8..2",
            "axis n: '8..2' matches none of its values, which are 1, 2, 4, 8, 16; "
            "to use other values write n:=8..2",
        ),
        (
            "c=add..max",
            "axis c: 'add..max' is a range, but the values are of kind str; list them instead",
        ),
        ("n:=5..2", "axis n: range '5..2' is empty"),
        ("n:=0..99999999", "axis n: range '0..99999999' has over 10^6 values"),
        ("f:=1..2", "axis f: '1..2' works for whole numbers only"),
        ("f:=log(1,2,3)", "axis f: 'log(1,2,3)' works for whole numbers only"),
        ("f:=nan", "axis f: value nan is not of kind float"),
        ("g:=0x4", "axis g: value (0, 4) is not of kind grid with 2 parts"),
    ],
)
def test_what_a_limit_refuses(limit: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        limited(SWEEP, [limit])
    assert str(caught.value) == message


def test_a_long_list_of_values_is_abridged_in_the_message() -> None:
    with pytest.raises(SpecError) as caught:
        limited(RESHARD, ["input_grid=9x9"])
    assert "which are 1x1, 1x2, 1x3, 1x4, 1x5, 1x6, 1x7, 1x8, 2x1, 2x2, 2x3, ..., 8x8 (64 in" in (
        str(caught.value)
    )


def test_limits_apply_in_order() -> None:
    with pytest.raises(SpecError, match="matches none"):
        limited(SWEEP, ["n=1..2", "n=4"])
    assert limited(SWEEP, ["n:=4,5,6", "n=5..9"]).axis("n").values == (5, 6)


def test_the_declared_sweep_is_not_changed() -> None:
    limited(SWEEP, ["n=1"])
    assert SWEEP.axis("n").values == (1, 2, 4, 8, 16)


def test_reshard_is_limited_to_a_run_of_grids() -> None:
    axis = limited(RESHARD, ["input_grid=2x3..2x8"]).axis("input_grid")
    assert axis.values == ((2, 3), (2, 4), (2, 5), (2, 6), (2, 7), (2, 8))


@given(st.data())
def test_a_limit_written_from_values_selects_those_values(data: st.DataObject) -> None:
    axis = data.draw(st.sampled_from(SWEEP.axes))
    chosen = data.draw(st.lists(st.sampled_from(axis.values), min_size=1, unique=True))
    spec = ",".join(axis.format(value) for value in chosen)
    kept = limited(SWEEP, [f"{axis.name}={spec}"]).axis(axis.name).values
    assert kept == tuple(value for value in axis.values if value in chosen)
    assert limited(SWEEP, [f"{axis.name}:={spec}"]).axis(axis.name).values == tuple(chosen)


def test_a_choice_that_looks_like_a_range_can_be_chosen() -> None:
    odd = Sweep("o", "o", (Axis.choice("c", ["a..b", "c"]), Axis.ints("n", [1])), "n", ("c",))
    assert limited(odd, ["c=a..b"]).axis("c").values == ("a..b",)
