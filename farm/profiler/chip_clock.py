"""Clocks of chips: 44 bits that wrap, made one line per chip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farm.profiler.log_format import CLOCK_BITS

_WRAP = 1 << CLOCK_BITS
# Rows come dump by dump, so a row is hardly ever before the latest one by more than the length of a
# dump, but it may be hours after it: a card can be idle.
_LONGEST_BACK = 1 << (CLOCK_BITS - 2)


class ChipClocks:
    """Unwraps the clock of each chip: order of rows matters by no more than 2^42 cycles (1.2 h).

    A row that seems to be up to 2^42 cycles before the latest row of its chip is taken to be there;
    any other is after it, by up to 3 * 2^42 cycles (3.7 h at 1 GHz).  A longer pause than that
    counts no wrap, which shifts later launches as a whole and changes no duration.  After the reset
    of a card its clock begins at 0: begin with new clocks.
    """

    def __init__(self) -> None:
        self._latest: dict[int, int] = {}

    @property
    def chips(self) -> list[int]:
        """Chips seen, in the order of their first rows."""
        return list(self._latest)

    def unwrap(self, chip: npt.NDArray[np.int64], cycles: npt.NDArray[np.int64]) -> None:
        """Unwrap `cycles` in place.

        Parameters
        ----------
        chip, cycles : ndarray
            Shape (n,): chip and clock of each row, in the order of the file.
        """
        if len(chip) == 0:
            return
        if chip[0] == chip[-1] and (chip == chip[0]).all():
            cycles[:] = self._unwrapped(int(chip[0]), cycles)
            return
        first = {int(c): int(np.argmax(chip == c)) for c in np.unique(chip)}
        for one in sorted(first, key=lambda c: first[c]):
            is_its = chip == one
            cycles[is_its] = self._unwrapped(one, cycles[is_its])

    def _unwrapped(self, chip: int, cycles: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        latest = self._latest.get(chip, int(cycles[0]))
        epoch = latest & -_WRAP
        lowest, highest = int(cycles.min()) + epoch, int(cycles.max()) + epoch
        earliest = latest - _LONGEST_BACK
        if lowest >= earliest and highest < earliest + _WRAP:
            result = cycles + epoch if epoch else cycles
        else:
            result = earliest + ((cycles - earliest) & (_WRAP - 1))
            if int(result.min()) < 0:
                result = result + _WRAP
            highest = int(result.max())
        self._latest[chip] = max(latest, highest)
        return result
