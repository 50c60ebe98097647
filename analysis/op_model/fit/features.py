"""Physically motivated terms of an operation's cycles, none of which can be paid negatively.

Symbols: t inputs in depth, m x n = B blocks of r x c tiles, T = B r c tiles, K outer and k inner
steps, U = K B block products, f fidelity phases, z slices of a reduction; of a sparse matmul Z
non-zero tiles, u non-zero blocks, s non-zero strips.  (x)+ is max(0, x).

A card unpacks, computes and packs in a pipeline, so the cycles of a block are the longest of the
three plus what does not overlap: a convex function of its tiles.  Hinges B (r c - j)+ where stages
trade places, with coefficients that are not negative, are exactly the convex increasing functions
with corners at the j; B (2 - r c)+ lets tiny blocks cost more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.descriptor import Sizes, Traits
from analysis.op_model.descriptors.formats import FIDELITY_PHASES
from analysis.op_model.descriptors.ops import CATEGORIES, Category

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Terms = dict[str, Floats]
"""Name -> how often it is paid per row, shape (n,)."""

SIZES = Sizes._fields
"""Columns that are sizes."""

TRAITS = tuple(name for name in Traits._fields if name not in {"op", "arch"})
"""Columns that are no sizes, but for operation and architecture."""


class Family(StrEnum):
    """Operations that share their terms."""

    ELTWISE = "eltwise"
    REDUCE_Z = "reduce-z"
    MATMUL = "matmul"
    DEPTHWISE = "depthwise"
    SPARSE = "sparse"


def family_of(rows: pd.DataFrame) -> Family:
    """Tell the family of the rows of one operation."""
    kind = CATEGORIES.get(str(rows["op"].iloc[0]))
    if kind is Category.SPARSE:
        return Family.SPARSE
    if kind is Category.DEPTHWISE:
        return Family.DEPTHWISE
    if kind is Category.MATMUL:
        return Family.MATMUL
    return Family.REDUCE_Z if (rows["reduce_z"] > 0).all() else Family.ELTWISE


def terms_of(family: Family, rows: pd.DataFrame) -> Terms:
    """Compute every term of a family."""
    return _TERMS[family](_Symbols(rows))


def scales_of(family: Family, rows: pd.DataFrame) -> Terms:
    """Compute what smooth deviations from the terms may depend on: logarithms of sizes, base 2."""
    symbols = _Symbols(rows)
    sizes = {name: np.maximum(rows[name].to_numpy(np.float64), 0.5) for name in SIZES}
    scales = {name: np.log2(values) for name, values in sizes.items()}
    derived = {name: np.log2(values) for name, values in _SCALES[family](symbols).items()}
    if family is Family.REDUCE_Z:
        derived["z = 1"] = (symbols.z == 1).astype(np.float64)
    return scales | derived


def phases(rows: pd.DataFrame) -> Floats:
    """Fidelity phases of each row, shape (n,); 1 for a fidelity that has no number of its own."""
    known: dict[str, int] = {str(fidelity): n for fidelity, n in FIDELITY_PHASES.items()}
    return np.array([known.get(str(name), 1) for name in rows["fidelity"]], dtype=np.float64)


class _Symbols:
    """The symbols of the module's text as columns, shape (n,) each."""

    def __init__(self, rows: pd.DataFrame) -> None:
        def column(name: str) -> Floats:
            return rows[name].to_numpy(np.float64)

        self.t, self.m, self.n = column("t"), column("mblock_m"), column("mblock_n")
        self.r, self.c = column("ublock_rt"), column("ublock_ct")
        self.outer, self.inner = column("mblock_k"), column("ublock_kt")
        self.z = column("reduce_z")
        self.nz, self.nz_ublocks = column("nz_tiles"), column("nz_ublocks")
        self.nz_strips = column("nz_strips")
        self.f = phases(rows)
        self.one = np.ones(len(rows))
        self.blocks = self.m * self.n
        self.block_tiles = self.r * self.c
        self.tiles = self.blocks * self.block_tiles
        self.products = self.outer * self.blocks


def _above(values: Floats, corner: float) -> Floats:
    return np.maximum(0.0, values - corner)


def _below(values: Floats, corner: float) -> Floats:
    return np.maximum(0.0, corner - values)


def _eltwise(s: _Symbols) -> Terms:
    blocks, block_tiles = s.t * s.blocks, s.block_tiles
    terms = {
        "1": s.one,
        "B": blocks,
        "T": blocks * block_tiles,
        **{f"B (r c - {j})+": blocks * _above(block_tiles, j) for j in (1, 2, 4, 8)},
        "B (2 - r c)+": blocks * _below(block_tiles, 2),
        "B r": blocks * s.r,
        "B c": blocks * s.c,
        "m": s.t * s.m,
        "n": s.t * s.n,
        "(T - 32)+": s.t * _above(s.tiles, 32),
    }
    if (s.outer > 0).any():  # a reduction that says how much it reduces
        terms["T K k"] = s.t * s.tiles * s.outer * np.maximum(s.inner, 1)
    return terms


def _reduce_z(s: _Symbols) -> Terms:
    blocks, tiles, z, is_copy = s.t * s.blocks, s.t * s.tiles, s.z, s.z == 1
    return {
        "1": s.one,
        "z": s.t * z,
        "z - 1": s.t * (z - 1),
        "B": blocks,
        "T": tiles,
        "z B": z * blocks,
        "z T": z * tiles,
        "(z - 1) B": (z - 1) * blocks,
        "(z - 1) T": (z - 1) * tiles,
        "z B (r c - 1)+": z * blocks * _above(s.block_tiles, 1),
        "z B (r c - 4)+": z * blocks * _above(s.block_tiles, 4),
        "B if z = 1": is_copy * blocks,
        "T if z = 1": is_copy * tiles,
        "(z T - 64)+": s.t * _above(z * s.tiles, 64),
    }


def _matmul(s: _Symbols) -> Terms:
    t, k, r, c = s.t, s.inner, s.r, s.c
    products, pairs = t * s.products, t * s.products * s.block_tiles * s.inner
    return {
        "1": s.one,
        "K - 1": t * (s.outer - 1),
        "B": t * s.blocks,
        "T": t * s.tiles,
        "(K - 1) B": t * (s.outer - 1) * s.blocks,
        "(K - 1) T": t * (s.outer - 1) * s.tiles,
        "U": products,
        "U r c k f": pairs * s.f,
        "U r c k": pairs,
        "U k r (1 + c)": products * k * r * (1 + c),
        "U k": products * k,
        "U k r": products * k * r,
        "U k c": products * k * c,
        "U r c": products * s.block_tiles,
        "K m": t * s.outer * s.m,
        "K n": t * s.outer * s.n,
        "K m k r": t * s.outer * s.m * k * r,
        "K n k c": t * s.outer * s.n * k * c,
        "U (r c k - 8)+": products * _above(s.block_tiles * k, 8),
        "U (8 - r c k)+": products * _below(s.block_tiles * k, 8),
    }


def _depthwise(s: _Symbols) -> Terms:
    pairs = s.t * s.products * s.block_tiles * s.inner
    return {
        **_matmul(s),
        "U r c k m": pairs * s.m,
        "U r c k (m - 2)+": pairs * _above(s.m, 2),
    }


def _sparse(s: _Symbols) -> Terms:
    t, m, n, r, c, k = s.t, s.m, s.n, s.r, s.c, s.inner
    strips, ublocks, tiles = np.maximum(s.nz_strips, 0), np.maximum(s.nz_ublocks, 0), s.nz
    out = r * c
    terms = {
        "1": s.one,
        "n": n,
        "t n": t * n,
        "t n m": t * n * m,
        "s": strips,
        "s m": strips * m,
        "s m n": strips * m * n,
        "u": ublocks,
        "u n": ublocks * n,
        "Z": tiles,
        "Z n": tiles * n,
        "Z n c": tiles * n * c,
        "Z n c f": tiles * n * c * s.f,
        "Z n / k": tiles * n / k,
        "Z n c / k": tiles * n * c / k,
        "u n r": ublocks * n * r,
        "u n c": ublocks * n * c,
        "u n c r": ublocks * n * out,
        "s m n c r": strips * m * n * out,
        "t n m c r": t * n * m * out,
    }
    kinks = {"Z n": tiles * n, "u n": ublocks * n, "s m n": strips * m * n, "t n m": t * n * m}
    for name, values in kinks.items():
        for symbol, size in (("c", c), ("r", r), ("k", k), ("r c", out)):
            for corner in (1, 2, 3, 4):
                terms[f"{name} ({corner} - {symbol})+"] = values * _below(size, corner)
                terms[f"{name} ({symbol} - {corner})+"] = values * _above(size, corner)
    return terms


_TERMS: Mapping[Family, Callable[[_Symbols], Terms]] = {
    Family.ELTWISE: _eltwise,
    Family.REDUCE_Z: _reduce_z,
    Family.MATMUL: _matmul,
    Family.DEPTHWISE: _depthwise,
    Family.SPARSE: _sparse,
}

_SCALES: Mapping[Family, Callable[[_Symbols], Terms]] = {
    Family.ELTWISE: lambda s: {"T": s.tiles, "r c": s.block_tiles},
    Family.REDUCE_Z: lambda s: {"T": s.tiles, "z T": s.z * s.tiles, "r c": s.block_tiles},
    Family.MATMUL: lambda s: {"T": s.tiles, "r c k": s.block_tiles * s.inner},
    Family.DEPTHWISE: lambda s: {"T": s.tiles, "r c k": s.block_tiles * s.inner},
    Family.SPARSE: lambda s: {
        "Z / u": s.nz / np.maximum(s.nz_ublocks, 1),
        "u / s": np.maximum(s.nz_ublocks, 1) / np.maximum(s.nz_strips, 1),
    },
}
