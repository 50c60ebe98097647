"""Small checkouts in the layout of tt-metal, written by tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

TREE = Path(__file__).parent / "tt_metal_tree"
SMALL = "matmul.short.small"


def write_module(root: Path, name: str, text: str) -> str:
    """Write a sweep module into a checkout; returns its source text."""
    file = root.joinpath("tests", "sweep_framework", "sweeps", *name.split("."))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_suffix(".py").write_text(dedent(text))
    return f"tt-metal:{root}:{name}"
