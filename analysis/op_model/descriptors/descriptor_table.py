"""Many descriptors in columns: sizes as numbers, everything else as an index of few distinct ones.

The columns of a table are named as the fields of
`analysis.op_model.descriptors.descriptor.Descriptor`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.descriptor import (
    LARGEST_SIZE,
    LEAST_SIZES,
    Descriptor,
    Sizes,
    Traits,
    contradiction,
    effective_op,
)
from analysis.op_model.descriptors.formats import data_format, fidelity, vector_mode
from analysis.op_model.descriptors.ops import category
from farm.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Integers = npt.NDArray[np.int64]

_TEXTS = ("op", "arch", "input_format", "output_format", "fidelity", "vector_mode", "attribute")
_FLAGS = ("approx", "l1_accumulate")
_DEFAULTS: dict[str, Any] = Descriptor("nop").as_json() | {"input_format": ""}


class RowError(UsageError):
    """One row of a table cannot be used.

    Attributes
    ----------
    row : int
        Which one, counted from 0.
    reason : str
        Why.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(row, reason)
        self.row, self.reason = row, reason

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Many descriptors.

    Attributes
    ----------
    sizes : Sizes
        One int64 column each, shape (n,).
    traits : tuple of Traits
        The distinct ones, in order of first appearance.
    trait_of_row : ndarray
        Index into `traits`, shape (n,).
    """

    sizes: Sizes
    traits: tuple[Traits, ...]
    trait_of_row: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.trait_of_row)

    @classmethod
    def of(cls, descriptors: Iterable[Descriptor]) -> Descriptors:
        """Put single descriptors into columns."""
        given = list(descriptors)
        columns = zip(*(d.sizes for d in given), strict=True) if given else ([],) * len(Sizes())
        index: dict[Traits, int] = {}
        rows = [index.setdefault(d.traits, len(index)) for d in given]
        sizes = Sizes(*(np.asarray(column, np.int64) for column in columns))
        return cls(sizes, tuple(index), np.asarray(rows, np.intp))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Descriptors:
        """Take the columns of a table; those that are missing have their defaults.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns named as the fields of `Descriptor`; others are ignored.

        Raises
        ------
        UsageError
            If `op` is missing, or a column holds something else than numbers.
        RowError
            If a value is bad.
        """
        if "op" not in frame:
            raise UsageError("the table has no column op: which operation?")
        sizes = _sizes(frame)
        is_sparse = sizes.nz_tiles > 0
        raw, rows = _distinct(frame, is_sparse)
        traits = []
        for i, values in enumerate(raw):
            try:
                traits.append(_traits(values))
            except UsageError as error:
                raise RowError(int(np.argmax(rows == i)), str(error)) from error
        table = cls(sizes, tuple(traits), rows)
        table._check()
        return table

    def as_frame(self) -> pd.DataFrame:
        """Put the descriptors into the columns of a table, with effective operations."""
        import pandas as pd

        traits = pd.DataFrame(list(self.traits), columns=list(Traits._fields))
        of_row = traits.iloc[self.trait_of_row].reset_index(drop=True)
        return of_row.assign(**self.sizes._asdict())

    def _check(self) -> None:
        """Refuse rows that make no sense as a whole; those of one trait differ in few ways."""
        import pandas as pd

        s = self.sizes
        signs = (s.mblock_k > 0, s.ublock_kt > 0, s.nz_tiles > 0)
        counts = (np.sign(s.nz_ublocks) + 1, np.sign(s.nz_strips) + 1)
        pattern = self.trait_of_row.astype(np.int64)
        for part in (*signs, *counts):
            pattern = pattern * 3 + part
        for row in np.flatnonzero(~pd.Series(pattern).duplicated()):
            sizes = Sizes(*(int(column[row]) for column in s))
            reason = contradiction(self.traits[self.trait_of_row[row]], sizes)
            if reason:
                raise RowError(int(row), reason)


def _sizes(frame: pd.DataFrame) -> Sizes:
    n = len(frame)
    columns = []
    for name, least in zip(Sizes._fields, LEAST_SIZES, strict=True):
        if name not in frame:
            columns.append(np.full(n, _DEFAULTS[name], np.int64))
            continue
        given = frame[name].to_numpy()
        is_whole = given.dtype.kind in "iu"
        try:
            numbers = given if is_whole else np.asarray(given, np.float64)
        except (TypeError, ValueError) as error:
            raise UsageError(f"column {name}: not all values are whole numbers: {error}") from error
        with np.errstate(invalid="ignore"):
            is_good = (numbers >= least) & (numbers <= LARGEST_SIZE)
            if not is_whole:
                is_good &= numbers % 1 == 0
        if not is_good.all():
            row = int(np.argmin(is_good))
            raise RowError(
                row, f"{name} is {given[row]!s}: it has to be {least} to {LARGEST_SIZE}, and whole"
            )
        columns.append(numbers.astype(np.int64, copy=False))
    return Sizes(*columns)


def _distinct(
    frame: pd.DataFrame, is_sparse: npt.NDArray[np.bool_]
) -> tuple[list[dict[str, Any]], npt.NDArray[np.intp]]:
    """Return the distinct combinations of everything that is no size, and which one a row has."""
    import pandas as pd

    index = is_sparse.astype(np.int64)
    levels: list[tuple[str, Any]] = [("is_sparse", np.array([False, True]))]
    for name in (*_TEXTS, *_FLAGS):
        if name not in frame:
            continue
        codes, values = pd.factorize(frame[name], use_na_sentinel=False)
        levels.append((name, np.asarray(values, object)))
        index = index * len(values) + codes
    rows, distinct = pd.factorize(index)
    combinations = []
    for number in np.asarray(distinct).tolist():
        combination = dict(_DEFAULTS)
        for name, values in reversed(levels):
            number, code = divmod(number, len(values))  # noqa: PLW2901 - mixed radix
            combination[name] = values[code]
        combinations.append(combination)
    return combinations, np.asarray(rows, np.intp)


def _traits(values: dict[str, Any]) -> Traits:
    for name in _TEXTS:
        if not isinstance(values[name], str):
            raise UsageError(f"{name} is {values[name]!r}: it has to be a text")
    for name in _FLAGS:
        if values[name] not in {True, False}:
            raise UsageError(f"{name} is {values[name]!r}: it has to be true or false")
    category(values["op"])
    output = data_format(values["output_format"])
    return Traits(
        effective_op(values["op"], values["attribute"], bool(values["is_sparse"])),
        values["arch"],
        str(data_format(values["input_format"] or output)),
        str(output),
        str(fidelity(values["fidelity"])),
        str(vector_mode(values["vector_mode"])),
        bool(values["approx"]),
        bool(values["l1_accumulate"]),
        values["attribute"],
    )
