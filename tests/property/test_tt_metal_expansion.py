"""The expansion of parameters against its recursive definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from farm.tt_metal.expansion import Materialiser, candidates, dimensions_of
from farm.tt_metal.serialisation import text_of, value_of


def _same(value: Any) -> Any:
    return value


VALUES = st.lists(st.integers(0, 5) | st.sampled_from(["a", None, (1, 2)]), max_size=4)
AS = st.sampled_from([list, tuple, iter, lambda v: (x for x in v), lambda v: map(_same, v)])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def permutations(parameters: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """The definition: the first key is outermost, tuples of a key with commas are split."""
    if not parameters:
        yield {}
        return
    (key, values), *rest = parameters.items()
    for value in values:
        names = key.split(",")
        head = dict(zip(names, value, strict=True)) if len(names) > 1 else {key: value}
        for tail in permutations(dict(rest)):
            yield {**head, **tail}


@st.composite
def suites(draw: st.DrawFn) -> dict[str, list[Any]]:
    names = draw(st.lists(st.sampled_from("abcdef"), max_size=4, unique=True))
    suite: dict[str, list[Any]] = {name: draw(VALUES) for name in names}
    if draw(st.booleans()):
        suite["x,y"] = draw(st.lists(st.tuples(st.integers(), st.text()), max_size=3))
    order = draw(st.permutations(list(suite)))
    return {name: suite[name] for name in order}


@given(suites(), st.data())
def test_candidates_are_those_of_the_recursive_definition(
    suite: dict[str, list[Any]], data: st.DataObject
) -> None:
    declared = {name: data.draw(AS)(values) for name, values in suite.items()}
    dimensions = dimensions_of(declared, "m", Materialiser())
    assert list(candidates(dimensions)) == list(permutations(suite))


@given(VALUES, VALUES)
def test_an_iterator_may_stand_in_several_suites(shared: list[Any], other: list[Any]) -> None:
    iterator, materialiser = iter(shared), Materialiser()
    first = dimensions_of({"a": other, "b": iterator}, "one", materialiser)
    second = dimensions_of({"b": iterator}, "two", materialiser)
    assert list(candidates(first)) == list(permutations({"a": other, "b": shared}))
    assert list(candidates(second)) == [{"b": value} for value in shared]


@given(JSON)
def test_texts_of_serialised_values_are_invertible(value: Any) -> None:
    text = text_of(value)
    assert value_of(text) == value
    assert text_of(value_of(text)) == text
    assert text == text.strip() != ""


@given(st.text(), st.text())
def test_different_strings_have_different_texts(one: str, other: str) -> None:
    assert (text_of(one) == text_of(other)) == (one == other)
