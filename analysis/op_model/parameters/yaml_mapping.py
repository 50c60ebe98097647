"""Read YAML files of nested mappings with numbers as leaves, with errors that name the line.

A plain load would let the last of two equal keys win and read ``1e-05`` as a text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from farm.errors import FormatError, UsageError

Number = int | float
_INTEGER = re.compile(r"[-+]?\d+")


@dataclass(frozen=True)
class Entry:
    """One key of a mapping with what is below it.

    Attributes
    ----------
    key : str
        The key.
    value : dict or int or float
        Entries by key, or a number.
    where : str
        File and line, for messages.
    """

    key: str
    value: dict[str, Entry] | Number
    where: str

    def mapping(self, of_what: str) -> dict[str, Entry]:
        """Return the entries below.

        Raises
        ------
        FormatError
            If this is a number.
        """
        if not isinstance(self.value, dict):
            raise FormatError(f"{self.where}: {self.key} is a number: it has to hold {of_what}")
        return self.value

    def number(self) -> Number:
        """Return the number.

        Raises
        ------
        FormatError
            If this is a mapping.
        """
        if isinstance(self.value, dict):
            raise FormatError(f"{self.where}: {self.key} has keys below it: it has to be a number")
        return self.value


def read_mapping(path: Path) -> Entry:
    """Read a file whose top is a mapping.

    Raises
    ------
    UsageError
        If the file cannot be read.
    FormatError
        If it is no YAML, no mapping, a key comes twice, or a leaf is no finite number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, where: str) -> Entry:
    """Read the text of such a file.

    Raises
    ------
    FormatError
        As `read_mapping`.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise FormatError(f"{where}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise FormatError(f"{where}: the file has to hold KEY: VALUE lines")
    return Entry("", _entries(node, where, 1), where)


_DEEPEST = 8


def _entries(node: yaml.MappingNode, file: str, depth: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for key_node, value_node in node.value:
        where = f"{file}, line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise FormatError(f"{where}: a key has to be a word")
        key = str(key_node.value)
        if key in entries:
            raise FormatError(f"{where}: {key} comes twice; the first is at {entries[key].where}")
        entries[key] = Entry(key, _value(key, value_node, where, file, depth), where)
    return entries


def _value(
    key: str, node: yaml.Node, where: str, file: str, depth: int
) -> dict[str, Entry] | Number:
    if isinstance(node, yaml.MappingNode) and depth < _DEEPEST:
        return _entries(node, file, depth + 1)
    if not isinstance(node, yaml.ScalarNode):
        raise FormatError(f"{where}: {key} has to be a number or a mapping")
    number = parse_number(str(node.value))
    if number is None:
        shown = node.value or "nothing"
        raise FormatError(f"{where}: {key} is {shown}: it has to be a finite number")
    return number


def parse_number(text: str) -> Number | None:
    """Read a finite number: whole numbers stay whole; None for anything else."""
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def number_text(value: Number) -> str:
    """Write a number so that every reader of YAML reads the same number.

    Examples
    --------
    >>> number_text(305), number_text(0.0), number_text(1e-05)
    ('305', '0.0', '1.0e-05')
    """
    if isinstance(value, int):
        return str(value)
    text = repr(float(value))
    # YAML 1.1 takes 1e-05 for a text: a float has a point.
    return text if "." in text else text.replace("e", ".0e")
