"""From rows of a sweep to the numbers that a recipe works with: terms, and inputs of the process.

Rows that differ in format, fidelity, vector mode or another trait are at different *levels*.  A
term is there once for all rows and once more for each level, so that levels share what they have in
common and add what is their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analysis.op_model.fit.features import TRAITS, Family, family_of, scales_of, terms_of
from analysis.op_model.fit.recipes import COPIED_TERMS, Recipe
from farm.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

_RIDGE = 1e-9
_RIDGE_OF_LEVEL = 1e-6
_LEVEL_DISTANCE = 2.0  # octaves


@dataclass(frozen=True)
class Basis:
    """What of a row a model looks at.

    Attributes
    ----------
    family : str
        Decides what the names mean, see `analysis.op_model.fit.features`.
    terms : tuple of str
        Terms of the linear part.
    copied : tuple of str
        Those that each level has a coefficient of its own for; none if there is one level.
    has_process : bool
        Whether there is a process.
    scales : tuple of str
        Scales that it depends on.
    traits : Mapping
        Trait -> its values in the data.
    varying : tuple of str
        Traits with several values: they tell the level.
    levels : tuple of str
        Levels in the data: values of `varying`, joined by a blank.
    """

    family: str
    terms: tuple[str, ...]
    copied: tuple[str, ...]
    has_process: bool
    scales: tuple[str, ...]
    traits: Mapping[str, tuple[str, ...]]
    varying: tuple[str, ...]
    levels: tuple[str, ...]

    @classmethod
    def of(cls, recipe: Recipe, rows: pd.DataFrame) -> Basis:
        """Choose what a recipe can learn from some rows: whatever varies in them."""
        family = family_of(rows)
        available = terms_of(family, rows)
        terms = recipe.terms or tuple(name for name, v in available.items() if v.any())
        traits = {name: tuple(dict.fromkeys(rows[name].astype(str))) for name in TRAITS}
        varying = tuple(name for name, values in traits.items() if len(values) > 1)
        levels = tuple(sorted(set(_levels(rows, varying))))
        copied = tuple(name for name in terms if name in COPIED_TERMS.get(family, terms))
        scales: tuple[str, ...] = ()
        if recipe.has_process:
            columns = scales_of(family, rows)
            scales = tuple(name for name, values in columns.items() if np.ptp(values) > 0)
        copied = copied if len(levels) > 1 else ()
        return cls(
            *(str(family), terms, copied, recipe.has_process, scales, traits, varying, levels)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the k columns of `design`."""
        return (*self.terms, *(f"{n} [{level}]" for level in self.levels for n in self.copied))

    @property
    def ridge(self) -> Floats:
        """Penalty of each column of `design`, shape (k,): what levels share is for all."""
        n_own = len(self.names) - len(self.terms)
        return np.array([_RIDGE] * len(self.terms) + [_RIDGE_OF_LEVEL] * n_own)

    def design(self, rows: pd.DataFrame) -> Floats:
        """Terms of each row, shape (n, k)."""
        terms = terms_of(Family(self.family), rows)
        own = np.column_stack([terms[name] for name in self.terms])
        if not self.copied:
            return own
        copied = np.column_stack([terms[name] for name in self.copied])
        return np.hstack([own, *(copied * at[:, None] for at in self._indicators(rows).T)])

    def points(self, rows: pd.DataFrame) -> Floats:
        """Compute the inputs of the process, in octaves, shape (n, d)."""
        scales = scales_of(Family(self.family), rows)
        columns = [scales[name] for name in self.scales]
        if len(self.levels) > 1 or not columns:
            columns += list(_LEVEL_DISTANCE * self._indicators(rows).T)
        return np.column_stack(columns)

    def check(self, rows: pd.DataFrame) -> None:
        """Refuse rows that the data had nothing of the like of.

        Raises
        ------
        UsageError
            If a trait has a value, or a combination of values, that was not in the data.
        """
        for name, known in self.traits.items():
            strange = sorted(set(rows[name].astype(str)) - set(known))
            if strange:
                raise UsageError(
                    f"the model was fitted on {name} {', '.join(known)}, and knows nothing of "
                    f"{', '.join(strange)}"
                )
        strange = sorted(set(_levels(rows, self.varying)) - set(self.levels))
        if strange:
            raise UsageError(
                f"the model was fitted on {'; '.join(self.levels)}, and knows nothing of "
                f"{'; '.join(strange)} ({', '.join(self.varying)})"
            )

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Basis:
        """Take up plain data as `as_json` made it."""
        traits = {str(name): tuple(values) for name, values in data["traits"].items()}
        tuples = {
            name: tuple(data[name]) for name in ("terms", "copied", "scales", "varying", "levels")
        }
        family, has_process = str(Family(data["family"])), bool(data["has_process"])
        return cls(family=family, has_process=has_process, traits=traits, **tuples)

    def _indicators(self, rows: pd.DataFrame) -> Floats:
        found = np.array(_levels(rows, self.varying), dtype=object)
        return np.column_stack([found == level for level in self.levels]).astype(np.float64)


def _levels(rows: pd.DataFrame, varying: tuple[str, ...]) -> list[str]:
    if not varying:
        return ["all"] * len(rows)
    columns = [rows[name].astype(str) for name in varying]
    return [" ".join(values) for values in zip(*columns, strict=True)]
