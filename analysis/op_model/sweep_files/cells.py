"""Read a CSV file as text, and its columns as numbers and words, with errors that say where."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from farm.errors import FormatError, UsageError

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_cells(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the line where each row ends; blank lines are passed over.

    Raises
    ------
    UsageError
        If the file cannot be opened.
    FormatError
        If it is not text in UTF-8, has no rows, or a row has too few or too many cells.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append([cell.strip() for cell in row])
                    lines.append(reader.line_num)
                    if len(row) != len(header):
                        raise FormatError(
                            f"{path}, line {reader.line_num}: {len(row)} cells under a header of "
                            f"{len(header)}; repair or remove the row"
                        )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not a text file in UTF-8: {error.reason}") from error
    except csv.Error as error:
        raise FormatError(f"{path}, line {reader.line_num}: {error}") from error
    if not header:
        raise FormatError(f"{path} is empty")
    if not rows:
        raise FormatError(f"{path} has a header and no rows")
    return header, rows, lines


def unique_names(header: Sequence[str]) -> list[str]:
    """Make the names of a header differ: a repeated one has ``.1``, ``.2``, ... appended.

    Examples
    --------
    >>> unique_names(["core-label", "cycles/tile", "core-label"])
    ['core-label', 'cycles/tile', 'core-label.1']
    """
    taken: set[str] = set(header)
    seen: Counter[str] = Counter()
    names = []
    for name in header:
        unique = name
        while seen[name] and unique in taken:
            unique = f"{name}.{seen[name]}"
            seen[name] += 1
        seen[name] = max(seen[name], 1)
        taken.add(unique)
        names.append(unique)
    return names


def parse_number(text: str, where: str) -> float:
    """Read a finite number.

    Raises
    ------
    FormatError
        If it is none, with `where` it stands.
    """
    try:
        value = float(text)
    except ValueError:
        value = np.inf
    if not np.isfinite(value):
        raise FormatError(f"{where}: {text!r} is not a number; repair or remove the row")
    return value


class Columns:
    """Columns of some rows of a file, parsed; errors name file, line and column.

    Parameters
    ----------
    path : Path
        The file, for messages.
    cells : DataFrame
        Texts of n rows under unique names.
    lines : Sequence of int
        Line of each row, for messages.
    """

    def __init__(self, path: Path, cells: pd.DataFrame, lines: Sequence[int]) -> None:
        self.path = path
        self.cells = cells
        self.lines = lines

    def find(self, names: Sequence[str]) -> str | None:
        """Return the first of several names of one column that the file has."""
        return next((name for name in names if name in self.cells), None)

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Read finite numbers, shape (n,)."""
        return np.array(
            [
                parse_number(text, f"{self.path}, line {line}, column {name}")
                for text, line in zip(self.cells[name], self.lines, strict=True)
            ]
        )

    def integers(self, names: Sequence[str], least: int, default: int = 0) -> npt.NDArray[np.int64]:
        """Read whole numbers, shape (n,); the default where the file has no such column."""
        name = self.find(names)
        if name is None:
            return np.full(len(self.cells), default, dtype=np.int64)
        values = self.numbers(name)
        wrong = np.flatnonzero((values != np.floor(values)) | (values < least))
        if wrong.size:
            i = int(wrong[0])
            raise FormatError(
                f"{self.path}, line {self.lines[i]}, column {name}: "
                f"{self.cells[name].iloc[i]!r} is not a whole number from {least}"
            )
        return values.astype(np.int64)

    def texts(self, names: Sequence[str], default: str) -> list[str]:
        """Return the n cells as they are; the default where the file has no such column."""
        name = self.find(names)
        return [default] * len(self.cells) if name is None else self.cells[name].tolist()

    def words(self, names: Sequence[str], known: dict[str, str], default: str) -> list[str]:
        """Texts that must be among the known ones, as these are spelled canonically."""
        texts = self.texts(names, default)
        for text, line in zip(texts, self.lines, strict=True):
            if text.lower() not in known:
                raise FormatError(
                    f"{self.path}, line {line}, column {self.find(names)}: {text!r} is not one of "
                    f"{', '.join(known)}"
                )
        return [known[text.lower()] for text in texts]

    def flags(self, names: Sequence[str], *, default: bool) -> list[bool]:
        """Read n truth values; the default where the file has no such column."""
        known = {text: str(value) for text, value in _FLAGS.items()}
        return [word == "True" for word in self.words(names, known, str(default))]
