"""A card that gets hotter and slower: ``throttle=FIRST..LAST@FACTOR[/SLOT]``.

Durations of the vectors at FIRST..LAST of the sweep grow in equal steps, up to FACTOR times what
they are on a cool card.  The ramp goes by position, not by clock: a sweep is run nearly in order,
and a vector that runs again is as slow as before, so that every measurement can still be checked
(`Throttle.factors`).  With ``/SLOT`` one card alone throttles.  The card says so in the details of
its `DeviceInfo`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farm.errors import UsageError

_THROTTLE = re.compile(
    r"(?P<first>\d+)\.\.(?P<last>\d+)@(?P<factor>\d+(\.\d*)?|\.\d+)(/(?P<slot>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A ramp of durations.

    Attributes
    ----------
    first, last : int
        Positions in the sweep, both included.
    factor : float
        Reached at `last`; at least 1.
    slot : int or None
        The only card that throttles; None for every card.
    """

    first: int
    last: int
    factor: float
    slot: int | None = None

    @staticmethod
    def parse(text: str) -> Throttle | None:
        """Read a ramp from text; None if there is no text.

        Raises
        ------
        UsageError
            If the text is malformed.
        """
        if not text.strip():
            return None
        match = _THROTTLE.fullmatch(text.strip())
        if match is None or int(match["last"]) < int(match["first"]) or float(match["factor"]) < 1:
            raise UsageError(
                f"device option throttle={text!r}: write FIRST..LAST@FACTOR or "
                "FIRST..LAST@FACTOR/SLOT, for example 100..999@1.3; FACTOR is at least 1"
            )
        slot = int(match["slot"]) if match["slot"] else None
        return Throttle(int(match["first"]), int(match["last"]), float(match["factor"]), slot)

    def factors(self, indexes: npt.NDArray[np.int64], slot: int) -> npt.NDArray[np.float64]:
        """Return how many times longer each vector takes on a card.

        Parameters
        ----------
        indexes : ndarray
            Positions in the sweep, shape (n,).
        slot : int
            Where the card is.

        Returns
        -------
        ndarray
            Shape (n,); 1 for vectors that are not on the ramp.
        """
        step = (indexes - self.first + 1) / (self.last - self.first + 1)
        is_on = (indexes >= self.first) & (indexes <= self.last) & (self.slot in (None, slot))
        factors: npt.NDArray[np.float64] = np.where(is_on, 1.0 + (self.factor - 1.0) * step, 1.0)
        return factors

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        end = "" if self.slot is None else f"/{self.slot}"
        return f"{self.first}..{self.last}@{self.factor:g}{end}"
