"""Pure: whether a card whose node goes can still finish what it has in hand."""

from __future__ import annotations

from dataclasses import dataclass

COMMIT_S = 2.0
"""Time kept for committing a chunk and letting go of the card."""


@dataclass(frozen=True, slots=True)
class Departure:
    """When a card has to be gone.

    Attributes
    ----------
    by_s : float or None
        Monotonic time, seconds; infinity if nobody has said when, None if the card may stay.
    """

    by_s: float | None = None

    @property
    def is_due(self) -> bool:
        """Whether the card is to take no more work."""
        return self.by_s is not None

    def allows(self, n_left: int, row_s: float | None, now_s: float) -> bool:
        """Say whether so many vectors can still be measured and committed.

        Parameters
        ----------
        n_left : int
            Vectors in hand without an outcome.
        row_s : float or None
            Seconds per vector so far; None if that is not known.
        now_s : float
            Monotonic time, seconds.

        Returns
        -------
        bool
            False if it is better to hand them back at once, so that another card begins.

        Examples
        --------
        >>> Departure(by_s=100.0).allows(n_left=10, row_s=1.0, now_s=80.0)
        True
        >>> Departure(by_s=100.0).allows(n_left=30, row_s=1.0, now_s=80.0)
        False
        """
        if self.by_s is None:
            return True
        return now_s + COMMIT_S + n_left * (row_s or 0.0) <= self.by_s
