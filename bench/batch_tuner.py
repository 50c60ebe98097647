"""The batch tuner against the best fixed batch size, on synthetic cost models.

Run ``python bench/batch_tuner.py``; ``--all`` prints every model and not only the worst.  A model
is a fixed read cost, a cost per launch, a device time per vector and a share of vectors that take
the card down.  A sweep is simulated vector by vector, so that what faults throw away is counted,
not computed.  What the tuner sees is noisy (log-normal, 10 %; one read in fifty takes five times as
long).  As in the farm, three batches are in flight, but one while the size grows.  Recovery is left
out: it is the same at every size and would hide the differences.

*steady* is the cost per vector at the size settled on after 12,000 vectors, *total* that of the
first 2,000 vectors with the start from nothing.  The best fixed size is found by trying all sizes,
with the costs of the model and without noise; *best* obeys the same limits as the tuner (chunk,
latency), *unbounded* knows no latency.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from itertools import product

import numpy as np
from rich.console import Console
from rich.table import Table

from farm.card.batch_tuner import HANDOVER_S, LONGEST_BATCH_S, BatchCosts, BatchTuner

REPEATS = 10
CHUNK_ROWS = 1024
N_VECTORS = 2_000
N_SETTLING = 10_000
BATCHES_IN_FLIGHT = 3
FIXED_READ_S = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
LAUNCH_READ_S = (1e-5, 7e-5, 5e-4, 7e-3)
VECTOR_S = (1e-4, 1e-3, 1e-2, 1e-1)
FAULT_RATES = (0.0, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Model:
    """What a card costs: seconds per read, launch and vector, and faults per vector."""

    fixed_s: float
    launch_s: float
    vector_s: float
    fault_rate: float

    @property
    def costs(self) -> BatchCosts:
        """The same in the words of the tuner."""
        return BatchCosts(
            self.fixed_s + HANDOVER_S,
            self.launch_s,
            REPEATS,
            self.vector_s,
            self.fault_rate / (1 - self.fault_rate),
        )

    def in_chunks_s(self, rows: int) -> float:
        """Predict seconds per vector where a chunk is not a multiple of the batch."""
        n_full, rest = divmod(CHUNK_ROWS, rows)
        whole_s = n_full * rows * self.costs.per_vector_s(rows)
        return (whole_s + (rest * self.costs.per_vector_s(rest) if rest else 0.0)) / CHUNK_ROWS

    def best_rows(self, most: float) -> int:
        """Try every size."""
        sizes = range(1, 1 + int(min(CHUNK_ROWS, most)))
        return min(sizes, key=self.in_chunks_s)


class Card:
    """A sweep on one card, by the rules of the farm: what was unread when a fault struck is rerun.

    A guilty vector is known before the run (seeded), and leaves the sweep when it strikes.
    """

    def __init__(self, model: Model, seed: int) -> None:
        self._model, self._random = model, np.random.default_rng(seed)

    def total_s(self, n_vectors: int, tuner: BatchTuner | None, rows: int = 0) -> float:
        """Seconds for a sweep, by a tuner or at a fixed size; recovery is left out."""
        total_s, is_guilty = 0.0, self._random.random(n_vectors) < self._model.fault_rate
        for first in range(0, n_vectors, CHUNK_ROWS):
            todo = deque(is_guilty[first : first + CHUNK_ROWS].tolist())
            sent: deque[list[bool]] = deque()
            while todo or sent:
                most = 1 if tuner and tuner.is_growing else BATCHES_IN_FLIGHT
                while todo and len(sent) < most:
                    size = tuner.rows if tuner else rows
                    sent.append([todo.popleft() for _ in range(min(size, len(todo)))])
                batch = sent.popleft()
                if True not in batch:
                    total_s += self._run(len(batch), tuner)
                    continue
                struck = batch.index(True)
                total_s += struck * self._model.vector_s
                unread = [False] * struck + batch[struck + 1 :]
                todo.extendleft(reversed([*unread, *(v for later in sent for v in later)]))
                sent.clear()
                if tuner:
                    tuner.observe_fault()
        return total_s

    def _run(self, n: int, tuner: BatchTuner | None) -> float:
        execute_s = n * self._model.vector_s * self._random.lognormal(0, 0.1)
        read_s = self._model.fixed_s + n * REPEATS * self._model.launch_s
        if tuner:
            noisy_s = read_s * self._random.lognormal(0, 0.1)
            slow = 5 if self._random.random() < 0.02 else 1
            tuner.observe(n, n * REPEATS, execute_s, noisy_s * slow)
        return HANDOVER_S + n * self._model.vector_s + read_s


@dataclass(frozen=True)
class Comparison:
    """One row of the table."""

    model: Model
    tuned: int
    best: int
    unbounded: int
    steady: float
    steady_unbounded: float
    total: float


def compare(model: Model, seed: int = 1) -> Comparison:
    best = model.best_rows(model.costs.latency_rows)
    unbounded = model.best_rows(CHUNK_ROWS)
    tuner = BatchTuner(REPEATS, CHUNK_ROWS)
    cold_s = Card(model, seed).total_s(N_VECTORS, tuner)
    fixed_s = Card(model, seed).total_s(N_VECTORS, None, best)
    Card(model, seed + 1).total_s(N_SETTLING, tuner)
    steady_s = model.in_chunks_s(tuner.rows)
    return Comparison(
        model,
        tuner.rows,
        best,
        unbounded,
        steady_s / model.in_chunks_s(best) - 1,
        steady_s / model.in_chunks_s(unbounded) - 1,
        cold_s / fixed_s - 1,
    )


def printed(comparisons: list[Comparison]) -> Table:
    table = Table(
        title=f"cost over the best fixed size, chunks of {CHUNK_ROWS}, {REPEATS} launches"
    )
    for heading in (
        "fixed read [ms]", "per launch [ms]", "vector [ms]", "faults", "tuned", "best",
        "steady", "unbounded", "steady", "total of 2,000",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for c in comparisons:
        m = c.model
        times = (f"{1e3 * s:g}" for s in (m.fixed_s, m.launch_s, m.vector_s))
        sizes = (str(c.tuned), str(c.best), f"{c.steady:+.1%}")
        wide = (str(c.unbounded), f"{c.steady_unbounded:+.1%}", f"{c.total:+.1%}")
        table.add_row(*times, f"{m.fault_rate:.2%}", *sizes, *wide)
    return table


def main(shows_all: bool) -> None:
    models = [
        Model(*values) for values in product(FIXED_READ_S, LAUNCH_READ_S, VECTOR_S, FAULT_RATES)
    ]
    comparisons = [compare(model) for model in models]
    worst_first = sorted(comparisons, key=lambda c: -c.steady)
    console = Console(width=130)
    console.print(printed(comparisons if shows_all else worst_first[:12]))
    for name in ("steady", "steady_unbounded", "total"):
        over = np.array([getattr(c, name) for c in comparisons])
        console.print(
            f"{name}: median {np.median(over):+.2%}, "
            f"95th percentile {np.quantile(over, 0.95):+.1%}, worst {over.max():+.1%}; "
            f"within 5 %: {np.count_nonzero(over <= 0.05)} of {len(over)} models"
        )
    console.print(f"latency bound: {LONGEST_BATCH_S:g} s per batch beside the fixed cost")


if __name__ == "__main__":
    main("--all" in sys.argv[1:])
