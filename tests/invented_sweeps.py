"""Op sweeps whose cycles follow a known law."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.op_model.sweep_files.reader import CANONICAL_COLUMNS

SHORT_HEADER = "input0_df,math_fidelity,t,mblock_m,mblock_n,ublock_rt,ublock_ct,runtime"

DEFAULTS = {
    "op": "exp",
    "t": 1,
    "mblock_k": 0,
    "ublock_kt": 0,
    "reduce_z": 0,
    "nz_tiles": 0,
    "nz_ublocks": -1,
    "nz_strips": -1,
    "input_format": "Bfp8_b",
    "output_format": "Bfp8_b",
    "fidelity": "LoFi",
    "vector_mode": "rc",
    "approx": False,
    "l1_accumulate": False,
    "attribute": "",
    "arch": "wormhole_b0",
}

Law = Callable[[pd.DataFrame], "pd.Series[float]"]


def convex(rows: pd.DataFrame) -> pd.Series[float]:
    """300 cycles to start, 250 per block, 30 per tile, 60 more per tile of a block beyond two."""
    blocks = rows["mblock_m"] * rows["mblock_n"]
    tiles = rows["ublock_rt"] * rows["ublock_ct"]
    return 300.0 + blocks * (250.0 + 30.0 * tiles + 60.0 * (tiles - 2).clip(lower=0))


def product_of_matrices(rows: pd.DataFrame) -> pd.Series[float]:
    """The second matmul formula with weights 15, 40, 90 and 4."""
    from analysis.op_model.fit.reference_regression import reference_design

    return pd.Series(reference_design(rows)[1] @ np.array([15.0, 40.0, 90.0, 4.0]), rows.index)


def eltwise(
    law: Law = convex, noise: float = 0.0, n_repeats: int = 1, seed: int = 0, **traits: object
) -> pd.DataFrame:
    """Sweep of blocks of up to 8 tiles: 60 configurations."""
    shapes = [
        shape
        for shape in product((2, 4, 8), (2, 4), (1, 2, 4, 8), (1, 2, 4, 8))
        if shape[2] * shape[3] <= 8
    ]
    return _rows(("mblock_m", "mblock_n", "ublock_rt", "ublock_ct"), shapes * n_repeats, traits)(
        law, noise, seed
    )


def matmul(law: Law = product_of_matrices, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Sweep of products of matrices: 72 configurations."""
    names = ("mblock_m", "mblock_n", "ublock_rt", "ublock_ct", "mblock_k", "ublock_kt")
    shapes = list(product((2, 4), (2, 4), (2,), (2, 4), (1, 4, 16), (1, 2, 8)))
    return _rows(names, shapes, {"op": "matmul"})(law, noise, seed)


def _rows(names, shapes, traits):
    def make(law: Law, noise: float, seed: int) -> pd.DataFrame:
        rows = pd.DataFrame(shapes, columns=list(names))
        rows = rows.assign(**{k: v for k, v in (DEFAULTS | traits).items() if k not in rows})
        factor = np.exp(noise * np.random.default_rng(seed).standard_normal(len(rows)))
        rows["runtime_cycles"] = law(rows) * factor
        return rows[list(CANONICAL_COLUMNS)]

    return make


def write_short(path: Path, rows: pd.DataFrame) -> Path:
    """Write element-wise rows under the short header."""
    columns = ("input_format", "fidelity", "t", "mblock_m", "mblock_n", "ublock_rt", "ublock_ct")
    lines = [SHORT_HEADER]
    for row in rows.itertuples():
        cells = [getattr(row, name) for name in (*columns, "runtime_cycles")]
        lines.append(",".join(map(str, cells)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
