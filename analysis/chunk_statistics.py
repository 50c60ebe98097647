"""What an analysis worker knows: the statistics of each chunk it has seen, once.

A chunk counts once however often it arrives.  The final statistics merge the chunks in the order
of their names, so they are the same bits whatever the order of arrival.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from analysis.moments import Floats, Ints, LineMoments
from analysis.size_means import SizeMeans
from farm.errors import UsageError


class Over(StrEnum):
    """What the points of a fit are."""

    VECTORS = "vectors"
    SIZE_MEANS = "size-means"

    @staticmethod
    def parse(text: str) -> Over:
        """Read the convention's name.

        Raises
        ------
        UsageError
            If there is none of that name.
        """
        try:
            return Over(text)
        except ValueError as error:
            known = " or ".join(over.value for over in Over)
            raise UsageError(f"--over {text!r}: a fit is over {known}") from error


class ChunkStatistics:
    """Statistics by chunk, and their union.

    Parameters
    ----------
    over : Over
        What the points of the fits are.
    """

    def __init__(self, over: Over) -> None:
        self._over = over
        self._lines: dict[str, LineMoments] = {}
        self._means: dict[str, SizeMeans] = {}
        self._seen_lines: LineMoments | None = None
        self._seen_means: SizeMeans | None = None
        self._new: list[str] = []

    @property
    def chunk_ids(self) -> set[str]:
        """Names of the chunks that count."""
        return set(self._lines) | set(self._means)

    def __contains__(self, chunk_id: str) -> bool:
        """Whether a chunk counts."""
        return chunk_id in self._lines or chunk_id in self._means

    def __len__(self) -> int:
        """Count the chunks."""
        return len(self._lines) + len(self._means)

    def add(self, chunk_id: str, group_ids: Ints, sizes: Floats, durations_ns: Floats) -> None:
        """Add the measured vectors of a chunk, which must not be known yet; arrays (n,)."""
        with np.errstate(invalid="ignore", over="ignore"):
            if self._over is Over.VECTORS:
                self._lines[chunk_id] = LineMoments.from_arrays(group_ids, sizes, durations_ns)
            else:
                self._means[chunk_id] = SizeMeans.from_arrays(group_ids, sizes, durations_ns)
        self._new.append(chunk_id)

    def line_moments(self) -> LineMoments:
        """Statistics of the lines over all chunks; reproducible to the bit."""
        ordered = sorted(self.chunk_ids)
        with np.errstate(invalid="ignore", over="ignore"):
            if self._over is Over.VECTORS:
                return LineMoments.merge([self._lines[chunk_id] for chunk_id in ordered])
            return SizeMeans.merge([self._means[chunk_id] for chunk_id in ordered]).line_moments()

    def live_line_moments(self) -> LineMoments:
        """Statistics of the lines, merged as the chunks came: cheaper, equal but for rounding."""
        new, self._new = self._new, []
        with np.errstate(invalid="ignore", over="ignore"):
            if self._over is Over.VECTORS:
                seen = [] if self._seen_lines is None else [self._seen_lines]
                self._seen_lines = LineMoments.merge(seen + [self._lines[c] for c in new])
                return self._seen_lines
            known = [] if self._seen_means is None else [self._seen_means]
            self._seen_means = SizeMeans.merge(known + [self._means[c] for c in new])
            return self._seen_means.line_moments()
