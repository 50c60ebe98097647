"""JSON read in pieces is what the standard library reads whole; errors say where."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farm.errors import FormatError
from farm.interchange.json_stream import JsonStream, JsonStyle
from farm.interchange.json_writer import array_text, object_text, record_text

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4)
)
STYLES = st.builds(
    JsonStyle, st.none() | st.integers(1, 5), st.booleans(), st.sampled_from(["", "\n"])
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("json")


@example([0.5, -1e-7, 12], JsonStyle(None), 1)
@given(st.lists(VALUES, max_size=6), STYLES, st.integers(1, 30))
def test_an_array_is_read_and_written_as_it_was(
    folder: Path, records: list[object], style: JsonStyle, piece: int
) -> None:
    text = json.dumps(records, indent=style.indent, ensure_ascii=style.is_ascii) + style.end
    path = folder / "array.json"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with patch("farm.interchange.json_stream._PIECE_BYTES", piece), JsonStream(path) as stream:
        assert [stream.value() for _ in stream.array()] == records
        stream.end()
        found = stream.style
    assert found.end == style.end
    assert "".join(array_text(records, style)) + style.end == text


@given(
    st.dictionaries(st.text(), st.dictionaries(st.text(), VALUES, max_size=3), max_size=3), STYLES
)
def test_an_object_of_objects_is_written_as_it_was(
    content: dict[str, dict[str, object]], style: JsonStyle
) -> None:
    members = (
        (
            outer,
            object_text(
                ((key, iter([record_text(value, style, 2)])) for key, value in inner.items()),
                style,
                1,
            ),
        )
        for outer, inner in content.items()
    )
    expected = json.dumps(content, indent=style.indent, ensure_ascii=style.is_ascii)
    assert "".join(object_text(members, style)) == expected


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_the_style_is_found_and_special_numbers_are_read(tmp_path: Path, piece: int) -> None:
    path = tmp_path / "x.json"
    path.write_text('{\n    "a": [1e3, NaN, -Infinity, 12345678901234567890, "\u00e9"]\n}\n')
    with patch("farm.interchange.json_stream._PIECE_BYTES", piece), JsonStream(path) as stream:
        (values,) = [stream.value() for _ in stream.members()]
        stream.end()
        # The head of the file tells the indentation, if the first piece has it.
        assert stream.style == JsonStyle(4 if piece > 9 else stream.style.indent, False, "\n")
    assert str(values) == "[1000.0, nan, -inf, 12345678901234567890, '\u00e9']"


def whole_array(path: Path) -> list[object]:
    with JsonStream(path) as stream:
        values = [stream.value() for _ in stream.array()]
        stream.end()
    return values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n {"a": ', "line 2, column 8: the file ends in the middle"),
        ('[{"a": 1},\n {"b": "x', "line 2, column 10: the file ends in the middle"),
        ('[{"a": 1}\n {"b": 2}]', "line 2, column 2: expected , or ], but found '{'"),
        ('[{"a": 1},\n {"a": tru, "b": "' + "x" * 40 + '"}]', "line 2, column 8: Expecting value"),
        ('[{"a": 1, "a": 2}]', "column 2: the key 'a' stands twice in one object"),
        ("[1] 2", "line 1, column 5: expected the end of the file, but found '2'"),
        ("", "line 1, column 1: expected [, but the file ends"),
        ("7", "line 1, column 1: expected [, but found '7'"),
        ("[" * 100_000, "recursion"),
        ("[1", "expected , or ], but the file ends"),
    ],
)
@pytest.mark.parametrize("piece", [5, 1 << 20])
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str, message: str, piece: int
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with (
        patch("farm.interchange.json_stream._PIECE_BYTES", piece),
        pytest.raises(FormatError) as error,
    ):
        whole_array(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_bytes_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(b'[\n"\xff"]')
    with pytest.raises(FormatError, match="not UTF-8"):
        JsonStream(path)
