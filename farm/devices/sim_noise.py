"""Noise of the simulated card: a pure function of seed, vector and repeat.

Each launch takes the true duration times ``1 + noise * z``.  ``z`` is the sum of twelve uniform
numbers less six: nearly normal with standard deviation 1, never beyond six, and made of whole
numbers only, so that it is the same on every machine, card, batch and order.

References
----------
G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014:
SplitMix64, whose finaliser hashes the counters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CLOCK_HZ = 1_000_000_000
LARGEST_Z = 6.0
"""Bound of the deviate: no launch is farther from the truth than this times `noise`."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORDS, _PARTS_PER_WORD, _PART_BITS = 3, 4, 16


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))


def deviates(
    seed: int, vector_ids: Sequence[bytes], repeats: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Nearly normal deviates, one per launch.

    Parameters
    ----------
    seed : int
        Seed of the card, 0 <= seed < 2**64.
    vector_ids : Sequence of bytes
        Identity of each launch's vector, 16 bytes each, n in all.
    repeats : ndarray
        Number of each launch among those of its vector, shape (n,).

    Returns
    -------
    ndarray
        Shape (n,), float64, within -6..6.
    """
    halves = np.frombuffer(b"".join(vector_ids), dtype="<u8").reshape(-1, 2)
    state = _mixed(halves[:, 0] ^ _mixed(np.array([seed], np.uint64)))
    state = _mixed(state ^ halves[:, 1])
    state = _mixed(state ^ repeats.astype(np.uint64))
    total = np.zeros(len(state), np.int64)
    mask = np.uint64((1 << _PART_BITS) - 1)
    for word in range(_WORDS):
        bits = _mixed(state ^ np.uint64(word + 1))
        for part in range(_PARTS_PER_WORD):
            total += ((bits >> np.uint64(part * _PART_BITS)) & mask).astype(np.int64)
    n_parts = _WORDS * _PARTS_PER_WORD
    # Each part stands for the middle of its interval, so that the mean is exactly zero.
    return (total + n_parts / 2) / (1 << _PART_BITS) - n_parts / 2


def measured_ns(
    true_ns: npt.NDArray[np.float64],
    vector_ids: Sequence[bytes],
    repeats: npt.NDArray[np.int32],
    seed: int,
    noise: float,
) -> npt.NDArray[np.float64]:
    """Return what the profiler of the simulated card reports for each launch.

    Parameters
    ----------
    true_ns : ndarray
        True duration of each launch in ns, shape (n,).
    vector_ids : Sequence of bytes
        Identity of each launch's vector.
    repeats : ndarray
        Number of each launch among those of its vector, shape (n,).
    seed : int
        Seed of the card.
    noise : float
        Relative standard deviation of the launches of one vector.

    Returns
    -------
    ndarray
        Durations in ns, whole cycles of a clock of 1 GHz, at least one; shape (n,).
    """
    noisy = true_ns * (1.0 + noise * deviates(seed, vector_ids, repeats))
    cycle_ns = 1e9 / CLOCK_HZ
    cycles: npt.NDArray[np.float64] = np.maximum(np.rint(noisy / cycle_ns), 1.0) * cycle_ns
    return cycles
