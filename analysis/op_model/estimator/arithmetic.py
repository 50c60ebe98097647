"""Two kinds of arithmetic for one set of formulas: exact as the original, and normal.

The original multiplies sizes in unsigned 32-bit integers, which wrap, turns products into 32-bit
floats, multiplies and adds in the order written, and cuts the result down to a whole number.
Normal arithmetic has double precision and no wrap-around.  Each works on single numbers and on
columns; a formula calls

======== ==========================================================================
whole    on products of sizes, before they are compared or divided
real     on products of sizes, before they meet weights
weight   on weights, where all else in a term is a product of sizes
larger   the larger of two products
cut      where the original cuts a term to whole cycles
======== ==========================================================================
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

_MASK = 0xFFFFFFFF
LARGEST_EXACT_CYCLES = 2**30
"""The original limits every estimate to this."""


class Arithmetic(Protocol):
    """How formulas compute; arguments are single numbers, or columns of shape (n,)."""

    def whole(self, value: Any) -> Any:
        """Wrap a product of sizes, where they wrap."""
        ...

    def real(self, value: Any) -> Any:
        """Make a product of sizes ready to meet weights."""
        ...

    def weight(self, value: Any) -> Any:
        """Make a weight ready to meet sizes as if it was one."""
        ...

    def larger(self, left: Any, right: Any) -> Any:
        """Return the larger one, of each pair."""
        ...

    def cut(self, value: Any) -> Any:
        """Round down where the original does."""
        ...


class NormalNumber:
    """Python numbers: whole ones of any size, and doubles."""

    whole = weight = cut = staticmethod(lambda value: value)
    real = staticmethod(float)
    larger = staticmethod(max)


class NormalColumn:
    """Columns of doubles, which hold whole numbers exactly up to 2**53."""

    whole = real = weight = cut = staticmethod(lambda value: value)
    larger = staticmethod(np.maximum)


class ExactNumber:
    """Python integers that wrap at 32 bits, and 32-bit floats."""

    @staticmethod
    def whole(value: Any) -> Any:
        """Wrap at 32 bits."""
        return value & _MASK

    @staticmethod
    def real(value: Any) -> Any:
        """Turn into a 32-bit float."""
        return np.float32(value & _MASK)

    @staticmethod
    def weight(value: Any) -> Any:
        """Cut to a whole number."""
        return int(value)

    larger = staticmethod(max)

    @staticmethod
    def cut(value: Any) -> Any:
        """Cut to a whole number."""
        return int(value)


class ExactColumn:
    """Columns of unsigned 32-bit integers and 32-bit floats."""

    whole = staticmethod(lambda value: value)
    larger = staticmethod(np.maximum)

    @staticmethod
    def real(value: Any) -> Any:
        """Turn into 32-bit floats."""
        return np.asarray(value).astype(np.float32)

    @staticmethod
    def weight(value: Any) -> Any:
        """Cut to whole numbers."""
        return np.asarray(value).astype(np.uint32)

    @staticmethod
    def cut(value: Any) -> Any:
        """Cut to whole numbers."""
        return np.asarray(value).astype(np.uint32)
