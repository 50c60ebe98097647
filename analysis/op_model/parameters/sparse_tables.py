"""Measured cycles of the stages of sparse products, by block dimensions: the second formula's.

Format of a table, YAML: ``ublock_rt_<n>`` -> ``ublock_ct_<n>`` -> ``u_kt_<n>`` -> cycles of the
three `STAGES`.  Two tables belong together: ``params_lofi.yaml`` for LoFi, ``params_hifi2.yaml``
for the other fidelities.  Not all combinations were measured; (1, 1, 1) has to be there.

Two rules fill the others.  *Step down* is what the original does: the next smaller measured value,
axis by axis.  *Interpolate* goes straight between neighbours in 1/x, because a cost per tile is a
part per tile plus a share of what is done once per block; beyond the last value it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.op_model.parameters.yaml_mapping import Entry, Number, read_mapping
from farm.errors import FormatError

STAGES = ("math_cycles_with_tile_decode", "reload_cycles", "pack_cycles")
"""Cycles per tile: of the product with decoding, of reloading, of packing."""

_AXES = ("ublock_rt", "ublock_ct", "u_kt")
_LARGEST_KEY = 64

Cycles = tuple[Number, ...]
Table = Mapping[int, Mapping[int, Mapping[int, Cycles]]]
Grid = npt.NDArray[np.float64]
"""Cycles of the stages for 1.. of each axis, shape (rt, ct, kt, 3)."""


@dataclass(frozen=True, eq=False)
class SparseTables:
    """The tables of one architecture, filled by both rules.

    Attributes
    ----------
    stepped, interpolated : Grid
        First axis: 0 for LoFi, 1 for the other fidelities; then as `Grid`.
    source : str
        The folder, for messages.
    """

    stepped: Grid
    interpolated: Grid
    source: str


def read_sparse_tables(folder: Path) -> SparseTables:
    """Read both tables of an architecture.

    Raises
    ------
    UsageError
        If a file cannot be read.
    FormatError
        If a key is no ``<axis>_<n>``, comes twice, (1, 1, 1) is missing, or a stage has no cycles.
    """
    tables = [read_table(folder / f"params_{name}.yaml") for name in ("lofi", "hifi2")]
    extent = tuple(max(sizes) for sizes in zip(*map(_extent, tables), strict=True))
    stepped = np.stack([_filled(table, extent, _step_down) for table in tables])
    interpolated = np.stack([_filled(table, extent, _interpolate) for table in tables])
    return SparseTables(stepped, interpolated, str(folder))


def find_sparse_tables(parameters: Path, arch: str) -> Path | None:
    """Look for the tables of an architecture beside or above a parameter file or folder."""
    start = parameters.resolve()
    for folder in (start, *list(start.parents)[:2]):
        candidate = folder / f"{arch}_sparse_v2_formula_params"
        if candidate.is_dir():
            return candidate
    return None


def read_table(path: Path) -> Table:
    """Read one table.

    Raises
    ------
    UsageError, FormatError
        As `read_sparse_tables`.
    """
    table = {
        rt: {ct: {kt: _cycles(leaf) for kt, leaf in _keys(row, 2)} for ct, row in _keys(rows, 1)}
        for rt, rows in _keys(read_mapping(path), 0)
    }
    if not table.get(1, {}).get(1, {}).get(1):
        raise FormatError(f"{path}: the entry of 1 x 1 tiles and 1 inner tile is missing")
    for rt, rows in table.items():
        for ct, row in rows.items():
            if 1 not in rows or 1 not in row:
                raise FormatError(f"{path}: {_AXES[0]}_{rt}, {_AXES[1]}_{ct} has no entry of 1")
    return table


def _keys(entry: Entry, axis: int) -> list[tuple[int, Entry]]:
    found: dict[int, Entry] = {}
    for key, below in entry.mapping(f"{_AXES[axis]}_<n>").items():
        match = re.fullmatch(rf"{_AXES[axis]}_([1-9]\d*)", key)
        if match is None or int(match[1]) > _LARGEST_KEY:
            raise FormatError(
                f"{below.where}: {key} has to be {_AXES[axis]}_<n>, n from 1 to {_LARGEST_KEY}"
            )
        found[int(match[1])] = below
    if not found:
        raise FormatError(f"{entry.where}: there are no entries {_AXES[axis]}_<n>")
    return sorted(found.items())


def _cycles(leaf: Entry) -> Cycles:
    given = leaf.mapping("the cycles of the stages")
    if set(given) != set(STAGES):
        raise FormatError(f"{leaf.where}: {leaf.key} has to hold {', '.join(STAGES)}")
    cycles = tuple(given[stage].number() for stage in STAGES)
    if min(cycles) < 0:
        raise FormatError(f"{leaf.where}: {leaf.key} has a negative number of cycles")
    return cycles


def _extent(table: Table) -> tuple[int, int, int]:
    return (
        max(table),
        max(ct for rows in table.values() for ct in rows),
        max(kt for rows in table.values() for row in rows.values() for kt in row),
    )


Rule = Callable[[Mapping[int, Grid], int], Grid]


def _filled(table: Table, extent: tuple[int, ...], rule: Rule) -> Grid:
    """Fill the gaps of a table, the innermost axis first."""
    n_rt, n_ct, n_kt = extent
    by_rt = {}
    for rt, rows in table.items():
        by_ct = {}
        for ct, row in rows.items():
            by_kt = {kt: np.asarray(cycles, np.float64) for kt, cycles in row.items()}
            by_ct[ct] = np.stack([rule(by_kt, kt) for kt in range(1, n_kt + 1)])
        by_rt[rt] = np.stack([rule(by_ct, ct) for ct in range(1, n_ct + 1)])
    return np.stack([rule(by_rt, rt) for rt in range(1, n_rt + 1)])


def _step_down(known: Mapping[int, Grid], wanted: int) -> Grid:
    return known[max(key for key in known if key <= wanted)]


def _interpolate(known: Mapping[int, Grid], wanted: int) -> Grid:
    low = max(key for key in known if key <= wanted)
    high = min((key for key in known if key >= wanted), default=low)
    if low == high:
        return known[low]
    share = (1 / low - 1 / wanted) / (1 / low - 1 / high)
    return known[low] * (1 - share) + known[high] * share
