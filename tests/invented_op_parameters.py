"""Parameter files with invented numbers, small enough to compute by hand."""

from __future__ import annotations

from pathlib import Path

import yaml

from analysis.op_model.parameters.sparse_tables import STAGES

OPERATIONS = {
    "nop": {
        "base": {"ublock_weight": 300, "tile_weight": 50.5},
        "df_int8": {"ublock_weight": 200.25, "tile_weight": 30.0},
    },
    "exp": {
        "base": {"ublock_weight": 10.0, "tile_weight": 1000.0},
        "vector_r": {"ublock_weight": 20.0, "tile_weight": 100.0},
        "approx": {"ublock_weight": 30.0, "tile_weight": 500.0},
        "approx/vector_r": {"ublock_weight": 40.0, "tile_weight": 70.0},
    },
    "add": {"base": {"ublock_weight": 200.0, "tile_weight": 50.0}},
    "maximum": {"base": {"ublock_weight": 10.0, "tile_weight": 300.0}},
    "dequantization": {
        "base": {"ublock_weight": 60.0, "tile_weight": 500.0},
        "df_int32": {"ublock_weight": 70.0, "tile_weight": 700.0},
    },
    "reduce": {
        "base": {"ublock_weight": 76.0, "tile_weight": 59.0},
        "dim_c": {"ublock_weight": 0.0, "tile_weight": 91.0},
    },
    "reduce_z": {"base": {"ublock_weight": 5.0, "tile_weight": 280.0, "z_weight": 260.0}},
    "splice": {"base": {"ublock_weight": 130.0, "tile_weight": 70.0}},
    "matmul": {
        "base": {
            "math_tiles_weight": 15.5,
            "math_dest_spill_weight": 47.0,
            "unpack_ublocks_weight": 93.0,
            "unpack_tiles_weight": 3.25,
        },
        "df_int32": {
            "math_tiles_weight": 17.0,
            "math_dest_spill_weight": 160.0,
            "unpack_ublocks_weight": 150.0,
            "unpack_tiles_weight": 0.0,
        },
        "l1_acc_en": {
            "math_tiles_weight": 15.0,
            "math_dest_spill_weight": 0.0,
            "unpack_ublocks_weight": 20.0,
            "unpack_tiles_weight": 3.5,
        },
    },
    "depthwise": {
        "base": {
            "math_tiles_weight": 79,
            "math_dest_spill_weight": 0,
            "unpack_ublocks_weight": 0,
            "unpack_tiles_weight": 0,
        }
    },
    "matmul_sparse": {
        "base": {
            "tile_weight": 18,
            "reload": 20,
            "reload_config": 21,
            "reload_wait_pop": 22,
            "pack_wait_push": 25,
            "pack": 26,
            "ublock_decode": 8,
            "nz_ublock_decode": 9,
            "nz_tile_decode": 12,
            "v2_ublock_decode": 80,
            "v2_nz_ublock_decode": 81,
            "v2_nz_strip_decode": 100,
        }
    },
}
"""Operation -> set -> weight -> number, of wormhole_b0."""

SPARSE_CELLS = {
    (1, 1, 1): (330, 140, 150),
    (1, 1, 4): (100, 136, 117),
    (1, 4, 1): (60, 110, 100),
    (2, 1, 1): (120, 100, 90),
    (2, 1, 4): (50, 100, 80),
    (16, 1, 1): (40, 45, 40),
}
"""Block rows, columns and inner tiles -> cycles of the stages."""


def write_sparse_tables(folder: Path, factor: int = 1) -> Path:
    """Write both sparse tables; the second one with cycles times a factor."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, times in (("lofi", 1), ("hifi2", factor)):
        table: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
        for (rt, ct, kt), cycles in SPARSE_CELLS.items():
            row = table.setdefault(f"ublock_rt_{rt}", {}).setdefault(f"ublock_ct_{ct}", {})
            row[f"u_kt_{kt}"] = {s: times * c for s, c in zip(STAGES, cycles, strict=True)}
        text = yaml.safe_dump(table, sort_keys=False)
        (folder / f"params_{name}.yaml").write_text(text)
    return folder
