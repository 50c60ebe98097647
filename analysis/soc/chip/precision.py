"""Number formats of matrix engines."""

from __future__ import annotations

from enum import StrEnum

from analysis.soc.errors import ConfigError

_BITS = {
    "FP4": 4,
    "FP8": 8,
    "INT8": 8,
    "FP16": 16,
    "BF16": 16,
    "TF32": 32,
    "FP32": 32,
    "FP64": 64,
}


class Precision(StrEnum):
    """The format in which operands are multiplied.

    Examples
    --------
    >>> Precision.FP16.n_bytes, Precision.FP4.n_bytes, Precision.parse("bf16")
    (2.0, 0.5, <Precision.BF16: 'BF16'>)
    """

    FP4 = "FP4"
    FP8 = "FP8"
    INT8 = "INT8"
    FP16 = "FP16"
    BF16 = "BF16"
    TF32 = "TF32"
    FP32 = "FP32"
    FP64 = "FP64"

    @property
    def bits(self) -> int:
        """Bits of one element in memory; TF32 lies in memory as FP32."""
        return _BITS[self.value]

    @property
    def n_bytes(self) -> float:
        """Bytes of one element in memory."""
        return self.bits / 8

    @classmethod
    def parse(cls, text: str) -> Precision:
        """Read a name in upper or lower case.

        Raises
        ------
        ConfigError
            If there is no such precision.
        """
        try:
            return cls(text.strip().upper())
        except ValueError:
            known = ", ".join(cls)
            raise ConfigError(f"there is no precision {text!r}; known are {known}") from None
