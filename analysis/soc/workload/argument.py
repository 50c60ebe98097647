"""A workload as a command line or a device option names it: a file, or one product as text."""

from __future__ import annotations

import re
from pathlib import Path

from analysis.soc.chip.precision import Precision
from analysis.soc.workload.ops import Gemm
from analysis.soc.workload.workload import Workload
from farm.errors import UsageError

DEFAULT_WORKLOAD = "gemm:8192x8192x8192"
WORKLOAD_SUFFIXES = (".yaml", ".yml")
WORKLOAD_HELP = (
    f"a YAML file, or gemm:MxNxK, in another precision than FP16 as gemm:MxNxK:fp8 "
    f"(default {DEFAULT_WORKLOAD})"
)

_GEMM = re.compile(r"gemm:([1-9]\d{0,11})x([1-9]\d{0,11})x([1-9]\d{0,11})(?::(\w+))?")


def parse_workload(text: str) -> Workload:
    """Make the workload that a text names.

    Raises
    ------
    UsageError
        If it is neither a product nor a file of a workload.
    """
    match = _GEMM.fullmatch(text)
    if match is None:
        if not text.endswith(WORKLOAD_SUFFIXES):
            raise UsageError(f"workload {text!r}: give {WORKLOAD_HELP}")
        return Workload.load(Path(text))
    m, n, k = (int(edge) for edge in match.groups()[:3])
    precision = Precision.parse(match[4] or Precision.FP16)
    return Workload(text, (Gemm(m=m, n=n, k=k, precision=precision),))
