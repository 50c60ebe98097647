"""Options that several op-model commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ParamsOption = Annotated[
    Path | None,
    typer.Option(
        "--params",
        metavar="FILE|DIR",
        envvar="SWEEPFARM_OP_PARAMS",
        help="Parameter file, or a folder of them: <arch>/params_v<N>.yaml, <arch>_params.yaml.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE|DIR",
        help="Model that farm op-model fit wrote, or a folder of them, instead of parameters.",
        show_default=False,
    ),
]
VersionOption = Annotated[
    int | None,
    typer.Option("--params-version", min=1, help="Version; default: the newest."),
]
ArchOption = Annotated[
    str | None,
    typer.Option("--arch", help="Architecture, where a folder has several.", show_default=False),
]
SparseTablesOption = Annotated[
    Path | None,
    typer.Option(
        "--sparse-tables",
        metavar="DIR",
        help="Folder of params_lofi.yaml and params_hifi2.yaml; default: "
        "<arch>_sparse_v2_formula_params near the parameters.",
        show_default=False,
    ),
]
ModeOption = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="normal|parity",
        help="normal: doubles, the most special parameter set, interpolated sparse tables; "
        "parity: the original's arithmetic and rules, to the last integer.",
    ),
]
FallbackOption = Annotated[
    bool,
    typer.Option(
        "--fallback", help="Let the weights of nop stand in for an operation without parameters."
    ),
]
