"""Texts of parameter values: what the sweep framework writes, and back."""

from __future__ import annotations

import enum
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from farm.tt_metal.serialisation import canonical_bytes, serialise, text_of, value_of


class Layout(enum.Enum):
    TILE = 1


class Colour(enum.IntEnum):
    RED = 3


class Config:
    """Like a memory config: says what it is as JSON, with enums as numbers."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text


@pytest.mark.parametrize(
    ("live", "written"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        ("1", "1"),
        ([1, [2, None]], [1, [2, None]]),
        ({"a": (1, 2)}, {"a": "(1, 2)"}),
        ((1, 32), "(1, 32)"),
        (Layout.TILE, "Layout.TILE"),
        (Colour.RED, 3),
        (np.int64(7), "7"),
        (np.float64(7), 7.0),
        ({"b", "a"}, "{'a', 'b'}"),
    ],
)
def test_values_are_written_as_the_framework_does(live: object, written: object) -> None:
    assert serialise(live) == written
    assert type(serialise(live)) is type(written)


def test_memory_configs_name_their_enums_at_any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"DRAM": SimpleNamespace(value=0), "L1": SimpleNamespace(value=1)}
    tensor = SimpleNamespace(BufferType=SimpleNamespace(__members__=members))
    ttnn = SimpleNamespace(_ttnn=SimpleNamespace(tensor=tensor))
    monkeypatch.setitem(sys.modules, "ttnn", ttnn)  # type: ignore[arg-type]
    config = Config('{"buffer_type": 1, "parts": [{"buffer_type": 0}, {"buffer_type": 9}], "n": 1}')
    assert serialise(config) == {
        "type": f"{__name__}.Config",
        "data": {
            "buffer_type": "L1",
            "parts": [{"buffer_type": "DRAM"}, {"buffer_type": "UNKNOWN_BUFFER_TYPE_9"}],
            "n": 1,
        },
    }


def test_a_config_that_is_no_json_stays_text() -> None:
    assert serialise(Config("2x2"))["data"] == "2x2"


@pytest.mark.parametrize(
    "live", [object(), [object()], lambda: None, {"a": print.__self__.__init__}]
)
def test_what_is_known_by_its_address_is_refused(live: object) -> None:
    with pytest.raises(TypeError, match="address in memory"):
        serialise(live)


@pytest.mark.parametrize(
    ("serialised", "text"),
    [
        ("BLOCK", "BLOCK"),
        ("DataType.BFLOAT16", "DataType.BFLOAT16"),
        ("(1, 2)", "(1, 2)"),
        ("1", '"1"'),
        (1, "1"),
        ("None", "None"),
        (None, "null"),
        ("null", '"null"'),
        ("true", '"true"'),
        ("NaN", '"NaN"'),
        (float("inf"), "Infinity"),
        ([1, 2], "[1,2]"),
        ("[1,2]", '"[1,2]"'),
        ("", '""'),
        (" a", '" a"'),
        ("a\nb", '"a\\nb"'),
        ({"b": 1, "a": "é"}, '{"a":"\\u00e9","b":1}'),
    ],
)
def test_texts_tell_strings_from_what_they_look_like(serialised: object, text: str) -> None:
    assert text_of(serialised) == text
    assert value_of(text) == serialised
    assert type(value_of(text)) is type(serialised)
    assert text == text.strip() != ""
    assert text.isprintable()


def test_hashed_json_has_sorted_keys_and_no_white_space() -> None:
    value = {"b": [1, None], "a": "é"}
    assert canonical_bytes(value) == '{"a":"é","b":[1,null]}'.encode()
    assert json.loads(canonical_bytes(value)) == value
    with pytest.raises(TypeError):
        canonical_bytes({1: "a", "b": 2})
