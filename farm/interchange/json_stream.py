"""JSON files of any size, read front to back in bounded memory.

The standard decoder reads one record at a time out of a sliding window, so records come at its
speed, with NaN and infinities where the writer put them, and errors have a line and a column.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import FormatError
from farm.store.disk_access import StoreAccess

_PIECE_BYTES = 1 << 20
_MOST_RECORD_CHARACTERS = 1 << 26
_MARGIN = 16
"""A literal cut off by the end of the window is shorter than this."""
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"[-0-9][^,\]}\s]*")
_INDENTED = re.compile(r"[\[{]\n( +)")

OnRead = Callable[[int], None]
"""Called with the number of bytes that were read."""


@dataclass(frozen=True)
class JsonStyle:
    """How a file is written, beyond its values.

    Attributes
    ----------
    indent : int or None
        Spaces per level; None: all on one line.
    is_ascii : bool
        Whether other characters are escaped.
    end : str
        What follows the last bracket.
    """

    indent: int | None = 2
    is_ascii: bool = True
    end: str = ""


class JsonStream:
    """One file from its first to its last character.

    Parameters
    ----------
    path : Path
        The file, UTF-8.
    on_read : Callable or None
        Told how many bytes were read.

    Raises
    ------
    StoreAccessError
        If it cannot be opened.
    """

    def __init__(self, path: Path, on_read: OnRead | None = None) -> None:
        self.path = path
        with StoreAccess("read", path):
            self._file = path.open("rb")
        self._on_read = on_read
        self._digest = hashlib.sha256()
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = json.JSONDecoder(object_pairs_hook=_mapping)
        self._text, self._at, self._is_ended = "", 0, False
        self._line, self._column = 1, 1
        self._is_ascii, self._indent = True, None
        try:
            self._fill()
        except BaseException:
            self._file.close()
            raise
        if match := _INDENTED.match(self._text):
            self._indent = len(match[1])

    def __enter__(self) -> JsonStream:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of what was read so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def style(self) -> JsonStyle:
        """How the file is written, known when it has been read to its end."""
        return JsonStyle(self._indent, self._is_ascii, self._text[self._at :])

    def peek(self) -> str:
        """Return the next character that is no white space; empty at the end of the file."""
        while True:
            at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr] # matches ""
            if at < len(self._text) or not self._fill():
                self._at = at
                return self._text[at : at + 1]

    def array(self) -> Iterator[None]:
        """Yield before each item of an array; the caller reads the item with `value`.

        Raises
        ------
        FormatError
            If there is no array, or it is not whole.
        """
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Yield each key of an object; the caller reads its value.

        Raises
        ------
        FormatError
            If there is no object, or it is not whole.
        """
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._unexpected('a key in "quotes"')
            key = self.value()
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def value(self) -> Any:
        """Read one value whole.

        Raises
        ------
        FormatError
            If it is malformed, ends with the file, names a key twice, or is larger than 64 MiB.
        """
        self.peek()
        while True:
            number = _NUMBER.match(self._text, self._at)
            if number and number.end() == len(self._text) and self._fill():
                continue
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_cut_off = error.pos >= len(self._text) - _MARGIN or "Unterm" in error.msg
                if is_cut_off and self._fill():
                    continue
                what = "the file ends in the middle" if is_cut_off else error.msg
                raise self._wrong(what, len(self._text) if is_cut_off else error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self._wrong(str(error), self._at) from None
            self._at = end
            return value

    def end(self) -> None:
        """Read to the end of the file.

        Raises
        ------
        FormatError
            If anything but white space follows.
        """
        while self._fill():
            pass
        if self._text[self._at :].strip():
            self.peek()
            raise self._unexpected("the end of the file")

    def refused(self, what: str) -> FormatError:
        """Make the error that something is wrong where the stream stands."""
        return self._wrong(what, self._at)

    def _take(self, wanted: str) -> str:
        found = self.peek()
        if not found or found not in wanted:
            raise self._unexpected(" or ".join(wanted))
        self._at += 1
        return found

    def _unexpected(self, wanted: str) -> FormatError:
        found = self._text[self._at : self._at + 1]
        what = f"found {found!r}" if found else "the file ends"
        return self._wrong(f"expected {wanted}, but {what}", self._at)

    def _wrong(self, what: str, position: int) -> FormatError:
        before = self._text[:position]
        line = self._line + before.count("\n")
        newline = before.rfind("\n")
        column = self._column + position if newline < 0 else position - newline
        return FormatError(f"{self.path}, line {line}, column {column}: {what}")

    def _fill(self) -> bool:
        """Read on, dropping what is behind; False at the end of the file."""
        if self._is_ended:
            return False
        if len(self._text) - self._at > _MOST_RECORD_CHARACTERS:
            raise self._wrong("a value of more than 64 MiB", self._at)
        with StoreAccess("read", self.path):
            piece = self._file.read(_PIECE_BYTES)
        self._digest.update(piece)
        self._is_ascii = self._is_ascii and piece.isascii()
        self._is_ended = not piece
        if self._on_read is not None:
            self._on_read(len(piece))
        try:
            text = self._utf8.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise self._wrong(f"not UTF-8: {error.reason}", len(self._text)) from None
        behind = self._text[: self._at]
        newline = behind.rfind("\n")
        self._column = self._column + self._at if newline < 0 else self._at - newline
        self._line += behind.count("\n")
        self._text, self._at = self._text[self._at :] + text, 0
        return True


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {doubled!r} stands twice in one object")
    return mapping
