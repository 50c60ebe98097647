"""Cycles of an operation from its sizes and weights: one function per formula.

With B = mblock_m mblock_n blocks of r x c = ublock_rt x ublock_ct tiles, T = B r c tiles,
K = mblock_k outer steps of k = ublock_kt inner tiles, U = K B, f phases, w weights:

============ ==================================================================================
eltwise      t (B w_ublock + T w_tile d)
reduce_z     t z (B w_ublock + T w_tile + w_z)
matmul V1    t ((K-1) w_mk + U w_ublock + U r c k w_tile f)
matmul V2    t (U r c k f w_math + (K-1) T w_spill + U w_ublocks + U k r (1+c) w_tiles)
sparse V1    math + reload + pack + decoding, from the number of non-zero tiles
sparse V2    decoding + math + reload + pack, from non-zero tiles, blocks, strips and tables
============ ==================================================================================

``docs/op-model-mathematics.md`` has them all, with every symbol.  Source: the estimator of
tt-budabackend, ``perf_lib/op_model`` (commit 98e4252d).  The order of terms and factors matters:
32-bit floats are not associative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from analysis.op_model.descriptors.descriptor import Sizes, Traits
from analysis.op_model.descriptors.formats import FIDELITY_PHASES, HALF_FLOATS, DataFormat, Fidelity
from analysis.op_model.descriptors.ops import Category, category
from analysis.op_model.estimator.arithmetic import Arithmetic
from analysis.op_model.parameters.attribute_sets import governing_format
from analysis.op_model.parameters.weights import (
    ELTWISE,
    MATMUL_V1,
    MATMUL_V2,
    REDUCE_Z,
    SPARSE_V1,
    SPARSE_V2,
)
from analysis.op_model.parameters.yaml_mapping import Number

WORD_FACTOR = "word_factor"
PHASES = "phases"
SPARSE_SCALE = "sparse_scale"
CYCLES = ("math_cycles", "reload_cycles", "pack_cycles")

Weights = Mapping[str, Any]
"""Weights, and the factors that a formula has besides: one number or one column each."""


class Formula(NamedTuple):
    """A formula and what it needs.

    Attributes
    ----------
    name : str
        As estimates name it.
    cycles : Callable
        From sizes, weights and arithmetic to cycles.
    weights : tuple of str
        Weights that come from the parameter set.
    factors : tuple of str
        Factors that come from formats and fidelity.
    """

    name: str
    cycles: Callable[[Sizes, Weights, Arithmetic], Any]
    weights: tuple[str, ...]
    factors: tuple[str, ...]


def _eltwise(s: Sizes, w: Weights, a: Arithmetic) -> Any:
    n_ublocks = s.mblock_m * s.mblock_n
    n_tiles = n_ublocks * s.ublock_rt * s.ublock_ct
    return a.real(s.t) * (
        a.real(n_ublocks) * w["ublock_weight"]
        + a.real(n_tiles) * w["tile_weight"] * a.real(w[WORD_FACTOR])
    )


def _reduce_z(s: Sizes, w: Weights, a: Arithmetic) -> Any:
    n_ublocks = s.mblock_m * s.mblock_n
    n_tiles = n_ublocks * s.ublock_rt * s.ublock_ct
    return a.real(s.t * a.larger(s.reduce_z, 1)) * (
        a.real(n_ublocks) * w["ublock_weight"]
        + a.real(n_tiles) * w["tile_weight"]
        + (s.reduce_z > 1) * w["z_weight"]
    )


def _matmul_v1(s: Sizes, w: Weights, a: Arithmetic) -> Any:
    n_ublocks = s.mblock_k * s.mblock_m * s.mblock_n
    n_pairs = n_ublocks * s.ublock_rt * s.ublock_ct * s.ublock_kt
    return a.real(s.t) * (
        a.real(s.mblock_k - 1) * w["m_k_weight"]
        + a.real(n_ublocks) * w["ublock_weight"]
        + a.real(n_pairs) * w["tile_weight"] * a.real(w[PHASES])
    )


def _matmul_v2(s: Sizes, w: Weights, a: Arithmetic) -> Any:
    n_ublocks = s.mblock_k * s.mblock_m * s.mblock_n
    n_pairs = n_ublocks * s.ublock_rt * s.ublock_ct * s.ublock_kt
    n_spilled = (s.mblock_k - 1) * s.mblock_m * s.mblock_n * s.ublock_rt * s.ublock_ct
    n_unpacked = n_ublocks * s.ublock_kt * s.ublock_rt * (1 + s.ublock_ct)
    return a.real(s.t) * (
        a.real(n_pairs * w[PHASES]) * w["math_tiles_weight"]
        + a.real(n_spilled) * w["math_dest_spill_weight"]
        + a.real(n_ublocks) * w["unpack_ublocks_weight"]
        + a.real(n_unpacked) * w["unpack_tiles_weight"]
    )


def _sparse_v1(s: Sizes, w: Weights, a: Arithmetic) -> Any:
    n, c = a.real(s.mblock_n), a.real(s.ublock_ct)
    n_nz_ublocks = s.nz_tiles // a.whole(s.t * s.ublock_rt * s.ublock_ct)
    n_ublocks = a.larger(a.whole(s.t * s.mblock_k * s.mblock_m), n_nz_ublocks)
    ublocks, nz_ublocks = a.real(n_ublocks), a.real(n_nz_ublocks)
    reload_one = w["reload_config"] + w["reload"] * c * a.real(s.ublock_rt)
    math = a.real(s.nz_tiles * s.mblock_n * s.ublock_ct) * w["tile_weight"] * a.real(w[PHASES])
    spill = (s.mblock_k > 1) * a.real(s.mblock_m * s.t) * reload_one * n
    reload = n * (ublocks * w["reload_wait_pop"] + nz_ublocks * reload_one) + spill
    wait = w["pack_wait_push"] * a.real(n_ublocks - n_nz_ublocks) * n
    tiles = a.real(s.t) * n * a.real(s.mblock_m) * c * a.real(s.ublock_rt)
    pack = wait + w["pack"] * a.real(2) * tiles
    decode = (
        a.real(s.nz_tiles) * w["nz_tile_decode"] * a.real(2 + s.mblock_n)
        + ublocks * w["ublock_decode"]
        + nz_ublocks * w["nz_ublock_decode"]
    )
    return math + reload + pack + decode


def _sparse_v2(s: Sizes, w: Weights, a: Arithmetic) -> Any:
    n_out_tiles = s.mblock_n * s.ublock_ct * s.ublock_rt
    decode = (
        s.nz_strips * s.mblock_m * a.weight(w["v2_ublock_decode"])
        + s.nz_ublocks * a.weight(w["v2_nz_ublock_decode"])
        + s.nz_strips * a.weight(w["v2_nz_strip_decode"])
    )
    n_products = s.nz_tiles * s.mblock_n * s.ublock_ct
    math = a.cut(a.real(n_products * w["math_cycles"]) * w[SPARSE_SCALE])
    reload = (s.mblock_k > 1) * s.nz_ublocks * n_out_tiles * w["reload_cycles"]
    pack = s.t * s.mblock_m * n_out_tiles * w["pack_cycles"]
    return a.whole(decode + math + reload + pack)


UNARY = Formula("unary", _eltwise, ELTWISE, (WORD_FACTOR,))
BINARY = Formula("binary", _eltwise, ELTWISE, (WORD_FACTOR,))
NARY_FORMULA = Formula("nary", _eltwise, ELTWISE, (WORD_FACTOR,))
REDUCE_DEPTH = Formula("reduce_z", _reduce_z, REDUCE_Z, ())
MATMUL_FIRST = Formula("matmul v1", _matmul_v1, MATMUL_V1, (PHASES,))
MATMUL_SECOND = Formula("matmul v2", _matmul_v2, MATMUL_V2, (PHASES,))
SPARSE_FIRST = Formula("sparse v1", _sparse_v1, SPARSE_V1, (PHASES,))
SPARSE_SECOND = Formula("sparse v2", _sparse_v2, SPARSE_V2, (SPARSE_SCALE,))

_WORD_FACTORS = {
    **dict.fromkeys(HALF_FLOATS, 2),
    DataFormat.FLOAT32: 4,
    DataFormat.TF32: 4,
}
_SPARSE_SCALES = {Fidelity.HIFI3: 1.2, Fidelity.HIFI4: 1.7}


def dense_formula(traits: Traits) -> Formula:
    """Choose the formula of an operation; a sparse product has two, see `sparse_reason`."""
    if traits.op == "reduce_z":
        return REDUCE_DEPTH
    match category(traits.op):
        case Category.BINARY | Category.QUANTISATION:
            return BINARY
        case Category.NARY:
            return NARY_FORMULA
        case Category.MATMUL if traits.arch == "grayskull":
            return MATMUL_FIRST
        case Category.MATMUL | Category.DEPTHWISE:
            return MATMUL_SECOND
        case Category.SPARSE:
            return SPARSE_FIRST
        case _:
            return UNARY


def no_second_formula(traits: Traits) -> str:
    """Say why the second sparse formula has no tables for a product; empty where it has."""
    data_format = governing_format(traits)
    phases = FIDELITY_PHASES[Fidelity(traits.fidelity)]
    if data_format in {DataFormat.BFP8, DataFormat.BFP8_B} and phases == 1:
        return ""
    if data_format in HALF_FLOATS and phases > 1:
        return ""
    return f"its tables do not cover {data_format} with {traits.fidelity}"


def factors(traits: Traits) -> dict[str, Number]:
    """Factors that follow from formats and fidelity: words per tile, phases, sparse scale."""
    is_binary = dense_formula(traits) is BINARY and traits.op != "maximum"
    fidelity = Fidelity(traits.fidelity)
    return {
        WORD_FACTOR: _WORD_FACTORS.get(governing_format(traits), 1) if is_binary else 1,
        PHASES: FIDELITY_PHASES[fidelity],
        SPARSE_SCALE: _SPARSE_SCALES.get(fidelity, 1.0),
    }
