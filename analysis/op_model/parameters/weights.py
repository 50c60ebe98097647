"""Names of the weights in parameter files: which ones an operation may have."""

from __future__ import annotations

from analysis.op_model.descriptors.ops import Category, category

ELTWISE = ("ublock_weight", "tile_weight")
"""Cycles per block and per tile."""

REDUCE_Z = (*ELTWISE, "z_weight")
"""As element-wise, and cycles per slice of the depth."""

MATMUL_V1 = ("m_k_weight", "ublock_weight", "tile_weight")
"""Cycles per outer step but the first, per block and per pair of tiles: grayskull."""

MATMUL_V2 = (
    "math_tiles_weight",
    "math_dest_spill_weight",
    "unpack_ublocks_weight",
    "unpack_tiles_weight",
)
"""Cycles per phase of a pair of tiles, per spilled tile, per unpacked block and tile."""

SPARSE_V1 = (
    "tile_weight",
    "reload",
    "reload_config",
    "reload_wait_pop",
    "pack_wait_push",
    "pack",
    "ublock_decode",
    "nz_ublock_decode",
    "nz_tile_decode",
)
"""Weights of the first sparse formula."""

SPARSE_V2 = ("v2_ublock_decode", "v2_nz_ublock_decode", "v2_nz_strip_decode")
"""Weights of the second sparse formula; the rest of it are tables."""


def weights_of(op: str) -> tuple[str, ...]:
    """List the weights that the sets of an operation may have."""
    kind = category(op)
    if op == "reduce_z":
        return REDUCE_Z
    if kind is Category.MATMUL:
        return tuple(dict.fromkeys((*MATMUL_V1, *MATMUL_V2)))
    if kind is Category.DEPTHWISE:
        return MATMUL_V2
    if kind is Category.SPARSE:
        return (*SPARSE_V1, *SPARSE_V2)
    return ELTWISE
