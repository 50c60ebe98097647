"""Axes: what values they take, how they are written, and what they refuse."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.axis import Axis, AxisKind, Value, log_spaced
from sweeps.errors import SpecError

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1)


def _values(element: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(element, min_size=1, max_size=8, unique=True)


AXES = st.one_of(
    _values(INT64).map(lambda v: Axis.ints("a", v)),
    _values(st.floats(allow_nan=False, allow_infinity=False)).map(lambda v: Axis.floats("a", v)),
    _values(WORDS).map(lambda v: Axis.choice("a", v)),
    st.just(Axis.flags("a")),
    st.tuples(_values(st.integers(1, 99)), _values(st.integers(1, 99))).map(
        lambda xy: Axis.grids("a", *xy)
    ),
    st.integers(1, 4).flatmap(
        lambda rank: _values(st.tuples(*[st.integers(0, 2**31 - 1)] * rank)).map(
            lambda v: Axis.shapes("a", v)
        )
    ),
)


@given(AXES)
def test_every_value_is_read_back_from_its_text(axis: Axis) -> None:
    for value in axis.values:
        assert axis.parse(axis.format(value)) == value
        assert axis.parse(f"  {axis.format(value)} ") == value


@given(AXES, st.data())
def test_the_arrow_column_holds_the_values_in_order(axis: Axis, data: st.DataObject) -> None:
    import numpy as np

    codes = data.draw(st.lists(st.integers(0, len(axis.values) - 1), max_size=12))
    column = axis.column(np.array(codes, np.intp))
    assert column.type == axis.arrow_type
    stored = [tuple(v) if isinstance(v, list) else v for v in column.to_pylist()]
    assert stored == [axis.values[c] for c in codes]


@pytest.mark.parametrize(
    ("axis", "text", "value"),
    [
        (Axis.ints("a", [1]), " 64 ", 64),
        (Axis.floats("a", [1]), "1e-3", 0.001),
        (Axis.flags("a"), "TRUE", True),
        (Axis.grids("a", [1], [1]), "2X3", (2, 3)),
        (Axis.shapes("a", [(1, 1, 32, 32)]), "[1x1x32x64]", (1, 1, 32, 64)),
        (Axis.choice("a", ["BLOCK"]), "WIDTH", "WIDTH"),
    ],
)
def test_text_forms(axis: Axis, text: str, value: Value) -> None:
    assert axis.parse(text) == value


@pytest.mark.parametrize(
    ("axis", "text", "example"),
    [
        (Axis.ints("a", [64]), "1.5", "64"),
        (Axis.ints("a", [64]), "", "64"),
        (Axis.floats("a", [0.5]), "half", "0.5"),
        (Axis.flags("a"), "yes", "false"),
        (Axis.grids("a", [2], [3]), "2", "2x3"),
        (Axis.grids("a", [2], [3]), "2x3x4", "2x3"),
        (Axis.shapes("a", [(1, 32)]), "1xb", "1x32"),
    ],
)
def test_other_text_is_refused_with_an_example(axis: Axis, text: str, example: str) -> None:
    with pytest.raises(SpecError) as caught:
        axis.parse(text)
    assert str(caught.value) == (
        f"axis a: {text!r} is not of kind {axis.kind.value}; write it like {example!r}"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis.ints("2a", [1]), "axis '2a': the name must be a Python identifier"),
        (lambda: Axis.ints("a", []), "axis a: it has no values; give at least one"),
        (lambda: Axis.ints("a", [1, 2, 1]), "axis a: value 1 is given twice"),
        (lambda: Axis.grids("a", [1, 1], [2]), "axis a: value 1x2 is given twice"),
        (lambda: Axis.ints("a", [1.5]), "axis a: value 1.5 is not a whole number"),
        (lambda: Axis.shapes("a", [(1, 2.5)]), "axis a: value 2.5 is not a whole number"),
        (lambda: Axis.ints("a", [2**63]), f"axis a: value {2**63} is not of kind int"),
        (lambda: Axis.floats("a", [math.nan]), "axis a: value nan is not of kind float"),
        (lambda: Axis.floats("a", [math.inf]), "axis a: value inf is not of kind float"),
        (lambda: Axis("a", AxisKind.INT, (True,)), "axis a: value True is not of kind int"),
        (lambda: Axis("a", AxisKind.STR, (1,)), "axis a: value 1 is not of kind str"),
        (lambda: Axis.choice("a", ["x "]), "axis a: value 'x ' is not of kind str"),
        (lambda: Axis.choice("a", [""]), "axis a: value '' is not of kind str"),
        (lambda: Axis.choice("a", ["x\ny"]), r"axis a: value 'x\ny' is not of kind str"),
        (
            lambda: Axis.choice("a", "float32"),
            "axis a: give a list of choices, not the one text 'float32'",
        ),
        (
            lambda: Axis.shapes("a", [(1, 2), (1, 2, 3)]),
            "axis a: value (1, 2, 3) is not of kind shape with 2 parts",
        ),
        (
            lambda: Axis.shapes("a", [(1, 2)], components=("h",)),
            "axis a: value (1, 2) is not of kind shape with 1 parts",
        ),
        (
            lambda: Axis.shapes("a", [(1, 2)], components=("h", "h")),
            "axis a: its parts need distinct names, not ('h', 'h')",
        ),
        (
            lambda: Axis.shapes("a", [()]),
            "axis a: its parts need distinct names, not ()",
        ),
        (
            lambda: Axis.shapes("a", [(-1, 2)]),
            "axis a: value (-1, 2) is not of kind shape with 2 parts",
        ),
        (
            lambda: Axis.shapes("a", [(2**31,)]),
            f"axis a: value ({2**31},) is not of kind shape with 1 parts",
        ),
        (
            lambda: Axis.grids("a", [0], [1]),
            "axis a: value (0, 1) is not of kind grid with 2 parts",
        ),
    ],
)
def test_what_an_axis_refuses(make: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value) == message


def test_grids_run_over_y_within_x() -> None:
    axis = Axis.grids("g", range(1, 3), range(1, 4))
    assert axis.values == ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3))
    assert axis.components == ("x", "y")


def test_parts_without_names_are_numbered() -> None:
    assert Axis.shapes("s", [(1, 2, 3)]).components == ("0", "1", "2")


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    import numpy as np

    axis = Axis.ints("a", np.arange(3))
    assert axis.values == (0, 1, 2)
    assert all(type(value) is int for value in axis.values)


def test_arrow_types_are_those_of_the_table_in_the_module_text() -> None:
    assert Axis.ints("a", [1]).arrow_type == pa.int64()
    assert Axis.floats("a", [1]).arrow_type == pa.float64()
    assert Axis.choice("a", ["x"]).arrow_type == pa.dictionary(pa.int32(), pa.string())
    assert Axis.flags("a").arrow_type == pa.bool_()
    assert Axis.grids("a", [1], [1]).arrow_type == pa.list_(pa.int32(), 2)
    assert Axis.shapes("a", [(1, 2, 3)]).arrow_type == pa.list_(pa.int32(), 3)


@given(
    st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([1, 16, 32])
)
def test_log_spaced_ascends_between_its_ends(start: int, more: int, n: int, of: int) -> None:
    values = log_spaced(start, start + more, n, multiple_of=of)
    assert 1 <= len(values) <= n
    assert list(values) == sorted(set(values))
    assert all(value % of == 0 for value in values)
    assert values[0] >= max(of, start - of / 2)
    assert values[-1] <= max(of, start + more + of / 2)


def test_log_spaced_literals() -> None:
    assert log_spaced(1, 1000, 4) == (1, 10, 100, 1000)
    assert log_spaced(64, 1024, 5, multiple_of=64) == (64, 128, 256, 512, 1024)
    assert log_spaced(7, 7, 3) == (7,)


@pytest.mark.parametrize(
    "arguments", [(0, 5, 2), (5, 4, 2), (1, 5, 0), (1, 5, 2, 0), (1, 2**60, 2), (1, 2, 10**7)]
)
def test_log_spaced_refuses(arguments: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"log_spaced\(.*\): need 1 <= start <= stop"):
        log_spaced(*arguments)
