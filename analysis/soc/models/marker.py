"""An operation on a roofline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError


@dataclass(frozen=True)
class Marker:
    """Work of an operation, and how long it took where that was measured.

    Attributes
    ----------
    name : str
        What the chart calls it.
    flops : float
        Operations; a multiply-add counts as two.
    n_bytes : float
        Bytes moved between the cores and the farthest memory level.
    time_s : float or None
        Measured time, s; None for an operation that is only thought of.
    precision : Precision or None
        Whose peak it is held against; None: the first of the roofline.
    group : str
        Markers of one group share a colour and a line of the legend.

    Examples
    --------
    >>> Marker("copy and add", flops=1e6, n_bytes=4e6, time_s=1e-6).intensity
    0.25
    """

    name: str
    flops: float
    n_bytes: float
    time_s: float | None = None
    precision: Precision | None = None
    group: str = ""

    def __post_init__(self) -> None:
        for field in ("flops", "n_bytes", "time_s"):
            value = getattr(self, field)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(f"marker {self.name!r}: {field} = {value} must be above 0")

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, flop/byte."""
        return self.flops / self.n_bytes

    @property
    def achieved_tflops(self) -> float | None:
        """Rate that was measured, TFLOPS."""
        return None if self.time_s is None else self.flops / self.time_s * 1e-12


def typical_markers(precision: Precision) -> tuple[Marker, ...]:
    """Operations that everybody knows, in one precision: from bound by memory to by compute.

    Bytes are the compulsory ones: operands read once, results written once.
    """
    element = precision.n_bytes
    n, n_tokens = 4096, 32

    def gemm(name: str, m: int) -> Marker:
        return Marker(name, 2.0 * m * n * n, element * (n * n + 2 * m * n), precision=precision)

    n_elements = float(n * n)
    return (
        Marker("add", n_elements, 3 * element * n_elements, precision=precision),
        gemm("decode, 1 token", 1),
        gemm(f"decode, {n_tokens} tokens", n_tokens),
        gemm(f"GEMM {n}³", n),
    )
