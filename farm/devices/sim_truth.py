"""What a simulated card takes for true: its own model, or fits that somebody published.

A file of fits is a CSV as the reshard study on tt-metal writes it, one line per group::

    in_grid,out_grid,group,coef,intercept,...
    1x1,1x2,ShardStrategy.BLOCK-ShardOrientation.ROW_MAJOR-ShardStrategy.WIDTH-...,36.6,617.8,...

A reshard of a group that it has takes ``coef * tiles + intercept`` ns; where a line is below zero
at its smallest sizes, as many a published one is, at least `LEAST_NS`.  A group that it lacks is
unsupported.  Cores hold `PUBLISHED_L1_TILES`.  Probes, which belong to no sweep, and all other
operations follow the model.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farm.devices import sim_model
from farm.errors import UnsupportedVectorError, UsageError
from sweeps.vector import Vector

LEAST_NS = 1.0
PUBLISHED_L1_TILES = 682
"""Tiles of bfloat16 in the L1 of a core by which the most published groups (86 % of 12,299) have
exactly as many sizes as they were fitted on.  Where the study has fewer, its cards lost vectors for
other reasons; it has more (63 groups) where it thinned suites to 1,800 vectors, not 1,600."""
_RESHARD = "reshard"
_COLUMNS = ("in_grid", "out_grid", "group", "coef", "intercept")
_KEY = (
    "input_grid",
    "output_grid",
    "input_strategy",
    "input_orientation",
    "output_strategy",
    "output_orientation",
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """True durations of the vectors of a simulated card.

    Attributes
    ----------
    lines : Mapping or None
        Group of reshards -> coefficient in ns per tile and intercept in ns; None: the model.
    path : str
        File that they come from.
    """

    lines: Mapping[tuple[Any, ...], tuple[float, float]] | None = None
    path: str = ""

    def check(self, vector: Vector) -> None:
        """Refuse what the simulated card cannot run.

        Raises
        ------
        OpError
            As `farm.devices.sim_model.check`, or if there is no fit for the vector's group.
        """
        if self.lines is None or not self._is_told(vector):
            sim_model.check(vector)
            return
        sim_model.check(vector, PUBLISHED_L1_TILES)
        if _key(vector) not in self.lines:
            raise UnsupportedVectorError(f"{self.path} has no fit for the vector's group")

    def durations_ns(self, vectors: Sequence[Vector]) -> Floats:
        """Return the true duration of each vector in ns, shape (n,).

        Raises
        ------
        OpError
            If `check` refuses a vector for another reason than its size.
        """
        if self.lines is None:
            return sim_model.true_durations_ns(vectors)
        durations = np.empty(len(vectors))
        told = np.array([self._is_told(vector) for vector in vectors], bool)
        durations[told] = [self._line_ns(v) for v, own in zip(vectors, told, strict=True) if own]
        others = [v for v, own in zip(vectors, told, strict=True) if not own]
        durations[~told] = sim_model.true_durations_ns(others) if others else []
        return durations

    def _is_told(self, vector: Vector) -> bool:
        return self.lines is not None and vector.op == _RESHARD and vector.index >= 0

    def _line_ns(self, vector: Vector) -> float:
        lines = self.lines or {}
        coefficient, intercept_ns = lines[_key(vector)]
        return max(LEAST_NS, coefficient * float(vector.features["tiles"]) + intercept_ns)


def _key(vector: Vector) -> tuple[Any, ...]:
    return tuple(vector.params[name] for name in _KEY)


@lru_cache(maxsize=4)
def truth_of(path: str) -> Truth:
    """Read a file of published fits; no name is the simulator's own model.

    Raises
    ------
    UsageError
        If there is no such file, or a line of it is malformed.
    """
    if not path:
        return Truth()
    lines = {}
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"{path}, line 1: no column {', '.join(missing)}")
            for row in rows:
                key, line = _read(row, f"{path}, line {rows.line_num}")
                lines[key] = line
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"device option truth={path!r}: it cannot be read: {error}") from error
    return Truth(lines, path)


def _read(row: Mapping[str, str], where: str) -> tuple[tuple[Any, ...], tuple[float, float]]:
    try:
        grids = [tuple(map(int, row[name].split("x"))) for name in ("in_grid", "out_grid")]
        # ShardStrategy.BLOCK-ShardOrientation.ROW_MAJOR-...: names of enumerations.
        names = [text.rpartition(".")[2] for text in row["group"].split("-")]
        line = float(row["coef"]), float(row["intercept"])
        if (
            len(names) != 4
            or any(len(grid) != 2 for grid in grids)
            or not all(map(math.isfinite, line))
        ):
            raise ValueError
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{where}: expected two grids such as 1x2, four names joined by -, and two numbers"
        ) from error
    return (*grids, *names), line
