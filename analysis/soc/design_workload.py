"""The work that designs are compared by: one matrix product, written as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from farm.errors import UsageError

DEFAULT_WORKLOAD = "gemm:8192x8192x8192"

_GEMM = re.compile(r"gemm:([1-9]\d{0,8})x([1-9]\d{0,8})x([1-9]\d{0,8})")


@dataclass(frozen=True, slots=True)
class DesignWorkload:
    """Operations, and elements that move between memory and chip.

    Attributes
    ----------
    text : str
        How it was written.
    flops : float
        Operations.
    n_elements : float
        Compulsory traffic: operands read once, the result written once.
    """

    text: str
    flops: float
    n_elements: float

    @staticmethod
    def parse(text: str) -> DesignWorkload:
        """Read ``gemm:MxKxN``.

        Raises
        ------
        UsageError
            If the text is anything else.
        """
        match = _GEMM.fullmatch(text)
        if match is None:
            raise UsageError(f"workload {text!r}: write gemm:MxKxN, such as {DEFAULT_WORKLOAD}")
        m, k, n = (int(edge) for edge in match.groups())
        return DesignWorkload(text, 2.0 * m * k * n, float(m * k + k * n + m * n))

    def intensity(self, n_bytes: float) -> float:
        """Arithmetic intensity in flop/byte, with elements of `n_bytes` bytes."""
        return self.flops / (self.n_elements * n_bytes)
