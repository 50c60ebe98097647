"""What the name of a sweep file says: the operation, its attributes and the architecture.

Most recorded sweeps name their operation only in the file's name, such as
``exp-approx-op-performance.csv``, ``whb0-reduce-c-performance.csv`` or
``matmul-l1-acc-fp16-op-performance.csv``: an optional short name of the architecture, the
operation, then words for what is special, then a fixed ending.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ARCHITECTURES = ("grayskull", "wormhole_b0", "blackhole")

_SHORT_ARCHITECTURES = {"gs": "grayskull", "whb0": "wormhole_b0", "wh": "wormhole_b0"}
_SHORT_ARCHITECTURES |= {"bh": "blackhole"} | {name: name for name in ARCHITECTURES}
_ENDING = re.compile(r"([-_]op)?([-_](performance|perf|sweep|summary))+$")
_FORMAT_WORDS = {"int8", "int32", "bfp2", "bfp4", "bfp8", "fp16", "fp32", "bf16"}
_REDUCE_DIMENSIONS = ("r", "c", "z")


@dataclass(frozen=True)
class SweepName:
    """What a file's name tells.

    Attributes
    ----------
    op : str
        Operation in parameter-file spelling, such as ``gelu_derivative``; what is left of the name
        where it holds no known word.
    arch : str
        Architecture; empty where the path does not say.
    attribute : str
        Dimension of a reduction, ``r``, ``c`` or ``z``; else empty.
    approx, l1_accumulate : bool
        Whether the name says so.
    """

    op: str
    arch: str = ""
    attribute: str = ""
    approx: bool = False
    l1_accumulate: bool = False


def parse_sweep_name(path: Path) -> SweepName:
    """Read a path's last part, and the architecture from the folders above it.

    Examples
    --------
    >>> parse_sweep_name(Path("wormhole_b0/matmul-l1-acc-fp16-op-performance.csv"))
    SweepName(op='matmul', arch='wormhole_b0', attribute='', approx=False, l1_accumulate=True)
    >>> parse_sweep_name(Path("whb0-reduce-c-performance.csv")).attribute
    'c'
    """
    words = re.split(r"[-_]", _ENDING.sub("", path.stem.lower()))
    arch = next((name for name in ARCHITECTURES if name in path.parent.parts[-3:]), "")
    for n in (2, 1):  # wormhole_b0 is two words
        short = "_".join(words[:n])
        if short in _SHORT_ARCHITECTURES and len(words) > n:
            arch, words = arch or _SHORT_ARCHITECTURES[short], words[n:]
            break
    l1_accumulate = any(pair == ("l1", "acc") for pair in pairwise(words))
    special = _FORMAT_WORDS | {"approx"} | ({"l1", "acc"} if l1_accumulate else set())
    left = [word for word in words if word and word not in special] or [path.stem.lower()]
    if left[:2] == ["matmul", "sparse"]:
        left = left[:2]
    if left[0] == "reduce" and left[-1] in _REDUCE_DIMENSIONS:
        op = "reduce_z" if left[-1] == "z" else "reduce"
        return SweepName(op, arch, left[-1], "approx" in words, l1_accumulate)
    return SweepName("_".join(left), arch, "", "approx" in words, l1_accumulate)
