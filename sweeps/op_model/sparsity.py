"""Random positions in the space of sparse matrix products, the same for ever from one seed.

A draw is a block shape and how much of operand 0 is not zero: ``s`` strips, ``u`` blocks in them
and ``z`` tiles in those, each uniform over what the one before leaves possible:

    s in [t, mblock_k + t - 1],  u in [s, min(s * mblock_m, 3500)],
    z in [u, min(u * ublock_rt * ublock_kt, 10000)]
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_BLOCKS, MOST_TILES = 3500, 10_000
_MOST_TRIES_PER_DRAW = 1000

Shape = tuple[int, ...]


class _Dice:
    """Whole numbers from `random.Random.random`, whose sequence Python guarantees per seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def between(self, low: int, high: int) -> int:
        return low + int(self._random.random() * (high - low + 1))

    def of(self, values: Sequence[int]) -> int:
        return values[self.between(0, len(values) - 1)]


def draws(
    axes: Mapping[str, Sequence[int]],
    n: int,
    seed: int,
    is_valid: Callable[[Mapping[str, int]], bool],
) -> Iterator[dict[str, int]]:
    """Yield `n` distinct draws.

    Parameters
    ----------
    axes : Mapping
        Values of t, mblock_m, mblock_n, ublock_rt, ublock_ct, mblock_k and ublock_kt.
    n : int
        How many; fewer come if the space is too small for them.
    seed : int
        Of the random numbers.
    is_valid : Callable
        Which block shapes are drawn for.
    """
    dice = _Dice(seed)
    seen: set[Shape] = set()
    for _ in range(n * _MOST_TRIES_PER_DRAW):
        if len(seen) == n:
            return
        drawn = {name: dice.of(values) for name, values in axes.items()}
        if not is_valid(drawn):
            continue
        t, m, k_outer = drawn["t"], drawn["mblock_m"], drawn["mblock_k"]
        strips = dice.between(t, k_outer + t - 1)
        blocks = dice.between(strips, min(strips * m, MOST_BLOCKS))
        tiles_per_block = drawn["ublock_rt"] * drawn["ublock_kt"]
        tiles = dice.between(blocks, min(blocks * tiles_per_block, MOST_TILES))
        drawn |= {"nz_strips": strips, "nz_ublocks": blocks, "nz_tiles": tiles}
        shape = tuple(drawn.values())
        if shape not in seen:
            seen.add(shape)
            yield drawn
