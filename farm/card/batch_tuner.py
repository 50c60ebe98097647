"""Pure: how many vectors a batch should hold, learned while the sweep runs.

**The cost of a vector.**  Per batch of `b` vectors the card waits for one profiler read of
``fixed_s + launch_s * n_launches`` and for the messages of one batch, ``HANDOVER_S``; together
``F`` per batch and ``l`` per launch.  A vector takes ``t`` seconds on the device and has ``r``
launches.  Some vectors hang or crash the card; let there be ``h`` of them per measured vector.
When one strikes, the vectors of its batch that were executed before it are unread and run again:
where the next guilty one hides is uniform over the batch, so that is ``(b - 1) / 2`` of them on
average, and since those are known to be innocent they cost their time and nothing else.  With
``C`` seconds of recovery per fault::

    cost(b) = t + r l + F / b + h t (b - 1) / 2 + h C

* ``r l`` and ``h C`` do not depend on `b`: neither the cost per launch nor the time that a card
  takes to recover moves the optimum.  A card that recovers slowly loses much, and loses the same at
  every batch size.
* Setting the derivative to zero leaves the square-root law ``b* = sqrt(2 F / (h t))``: a read that
  is four times dearer doubles the batch, four times as many faults halve it.  It is the law of the
  best interval between checkpoints [1]_ and of the economic order quantity [2]_, and as flat: a
  batch half or twice the optimum costs a quarter more of ``F / b + h t b / 2``, no more.
* Faults that strike executions at random, and not vectors, can strike again what runs again.  With
  a small probability ``q`` per execution the cost is ``(t + q C) (exp(q b) - 1) / (q b) + F / b``
  (and ``r l``): `C` enters, as part of the price of running again, but in second order of ``q``.
  To stay right there, ``h`` is counted per *measured* vector: where batches are so long that few
  are ever finished, it grows like ``(exp(q b) - 1) / b``, and the law retreats to about the optimum
  of that case, too, as far as `C` is small against ``t / q``.

**Limits**, each of which wins over the optimum: the chunk; the launches that the profiler's buffer
holds (a full one drops records; a vector that fills it alone is still a batch of one);
`MOST_LAUNCHES`; and `LONGEST_BATCH_S`, so that progress and drains stay responsive.  The last one
yields where it would let the fixed cost take more than `FIXED_SHARE` of the card's time.  Within
its limits a batch is chosen so that a chunk falls into equal ones.

**What is measured.** ``F`` and ``l``: a robust line through the reads, see `farm.card.read_cost`. A
read counts whole, dump and parsing, although the parsing goes on beside the next batch: on a busy
host it is not free, and where it is, the law is too flat for that to matter. ``t``: median over the
latest batches. ``h``: faults over measured vectors, with a memory of about ten faults. A line needs
two ends, so batches start at `FIRST_ROWS` and grow by `GROWTH` until the reads span a factor of
`SPAN`, or a limit is met. After that the size only changes if that saves `HYSTERESIS` of a vector's
cost. If reads come to cost something else than the line says, the line is forgotten and learned
again.

References
----------
.. [1] J. W. Young, "A first order approximation to the optimum checkpoint interval",
   Communications of the ACM 17(9), 1974, p. 530.
.. [2] F. W. Harris, "How many parts to make at once", Factory, The Magazine of Management 10(2),
   1913, p. 135.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from farm.card.read_cost import ReadCost

FIRST_ROWS = 4
"""Vectors of the first batch."""

GROWTH = 8
"""A batch is at most so many times as large as the largest seen."""

SPAN = 8
"""Largest over smallest read, in vectors, that makes the line of the read cost known."""

HYSTERESIS = 0.02
"""Share of a vector's predicted cost that another size must save."""

LONGEST_BATCH_S = 2.0
"""Longest batch but for its fixed cost: for so long, progress and drains may wait for it."""

FIXED_SHARE = 0.1
"""Share of a batch's time that its fixed cost may take before the latency bound yields."""

MOST_LAUNCHES = 100_000
"""Launches of one batch, whatever the buffer holds: bounds the memory of its answer."""

HANDOVER_S = 1e-3
"""What a batch costs beside the read: its messages, encoded, queued and taken in.

Of this order on a host with two cores.  Where batches take longer it hides behind the next one, and
counting it nevertheless makes batches a little longer than they need be, which costs next to
nothing; not counting it would let a card without read cost drown its actor in tiny batches."""

_FAULT_MEMORY = 0.9
_PRIOR_FAULTS, _PRIOR_VECTORS = 1e-3, 100.0
_KEPT_BATCHES = 7
_LATENCY_SLACK = 1.25


@dataclass(frozen=True, slots=True)
class BatchCosts:
    """What a batch costs, see the module's text.

    Attributes
    ----------
    fixed_s, launch_s : float
        Seconds per batch, and per launch in it, that the card waits for read and messages.
    launches : float
        Launches per vector.
    vector_s : float
        Seconds on the device per vector.
    faults : float
        Faults per measured vector.
    """

    fixed_s: float
    launch_s: float
    launches: float
    vector_s: float
    faults: float

    @property
    def rows_s(self) -> float:
        """Seconds that each vector adds to a batch."""
        return self.vector_s + self.launches * self.launch_s

    def per_vector_s(self, rows: float) -> float:
        """Seconds per vector in batches of `rows`, without recovery."""
        lost_s = self.faults * self.vector_s * (rows - 1) / 2
        return self.rows_s + self.fixed_s / rows + lost_s

    @property
    def optimum(self) -> float:
        """Vectors per batch by the square-root law, at least 1; infinite where nothing is lost."""
        loss_s = self.faults * self.vector_s
        if loss_s <= 0:
            return math.inf
        return max(1.0, math.sqrt(2 * self.fixed_s / loss_s))

    @property
    def latency_rows(self) -> float:
        """Vectors of the longest batch, at least 1."""
        if self.rows_s <= 0:
            return math.inf
        longest_s = max(LONGEST_BATCH_S, self.fixed_s * (1 / FIXED_SHARE - 1))
        return max(1.0, longest_s / self.rows_s)

    def best_rows(self, most: int, chunk_rows: int) -> int:
        """Cheapest batch within the latency bound that cuts a chunk into equal batches.

        Parameters
        ----------
        most : int
            Vectors of the largest batch allowed, at least 1.
        chunk_rows : int
            Vectors of a chunk.
        """
        limit = max(1, min(most, chunk_rows, math.floor(min(self.latency_rows, chunk_rows))))
        n_batches = math.ceil(chunk_rows / math.floor(min(self.optimum, limit)))
        # The largest equal batches not above the optimum, and the smallest above it.
        equal = {math.ceil(chunk_rows / n) for n in (n_batches, n_batches - 1) if n > 0}
        allowed = sorted(rows for rows in equal if rows <= limit)
        return min(allowed, key=self.per_vector_s, default=limit)


@dataclass(frozen=True, slots=True)
class Choice:
    """The present batch size and what speaks for it.

    Attributes
    ----------
    rows : int
        Vectors per batch.
    reason : str
        What decided: ``fixed``, ``growing``, ``optimum``, ``chunk``, ``profiler buffer``,
        ``most launches``, ``latency`` or ``steady``.
    costs : BatchCosts or None
        The estimates; None before the first batch.
    """

    rows: int
    reason: str
    costs: BatchCosts | None = None


class BatchTuner:
    """Chooses the batch size of one card.

    Parameters
    ----------
    repeats : int
        Measured launches per vector.
    chunk_rows : int
        Vectors of a chunk.
    buffer_launches : int or None
        Launches that the profiler holds between two reads; None: no limit.
    fixed : int or None
        Vectors per batch if that is not to be tuned; the hard limits hold nevertheless.
    """

    def __init__(
        self,
        repeats: int,
        chunk_rows: int,
        buffer_launches: int | None = None,
        fixed: int | None = None,
    ) -> None:
        self._chunk_rows, self._fixed = max(1, chunk_rows), fixed
        self._buffer_launches = buffer_launches
        self._most_launches_per_vector = float(max(1, repeats))
        self._launches: deque[float] = deque(maxlen=_KEPT_BATCHES)
        self._vector_s: deque[float] = deque(maxlen=_KEPT_BATCHES)
        self._reads = ReadCost()
        self._n_faults = 0.0
        self._n_measured = 0.0
        self._largest = 0
        self._is_wanted_seen = False
        self._is_known = False
        self._wanted = fixed or FIRST_ROWS
        self._decide()

    @property
    def rows(self) -> int:
        """Vectors of the next batch, at least 1."""
        return self._choice.rows

    @property
    def is_growing(self) -> bool:
        """Whether the next size waits for the answer to this one: more of it teaches nothing."""
        return self._choice.reason == "growing"

    def limit_buffer(self, buffer_launches: int | None) -> None:
        """Take note of how many launches the profiler holds; None: no limit."""
        if buffer_launches != self._buffer_launches:
            self._buffer_launches = buffer_launches
            self._decide()

    def observe(self, n_vectors: int, n_launches: int, execute_s: float, read_s: float) -> None:
        """Take in a batch that was read.

        Parameters
        ----------
        n_vectors, n_launches : int
            Its vectors and all their launches.
        execute_s, read_s : float
            Seconds for which the card executed, and for which it waited for the read.
        """
        if n_vectors < 1 or not (math.isfinite(execute_s) and math.isfinite(read_s)):
            return
        self._n_measured += n_vectors
        self._largest = max(self._largest, n_vectors)
        # At the end of a chunk, or after a fault, batches are smaller than what was asked for.
        self._is_wanted_seen = 2 * n_vectors > self._wanted
        self._vector_s.append(max(0.0, execute_s) / n_vectors)
        self._launches.append(n_launches / n_vectors)
        self._most_launches_per_vector = max(self._most_launches_per_vector, self._launches[-1])
        self._reads.learn(max(1, n_launches), max(0.0, read_s))
        does_matter = read_s > HYSTERESIS * (execute_s + HANDOVER_S)
        if self._fixed is None and does_matter and self._reads.has_drifted:
            self._learn_again()
        self._decide()

    def observe_fault(self) -> None:
        """Take in a hang or crash that threw an unread batch away."""
        # Forgetting goes by faults, not by vectors: a rate that rises is believed after ten faults,
        # and one that falls shows in the vectors that no fault interrupts.
        self._n_faults = self._n_faults * _FAULT_MEMORY + 1
        self._n_measured *= _FAULT_MEMORY
        self._decide()

    def describe(self) -> dict[str, Any]:
        """Return the choice and its reasons as plain data; safe from another thread."""
        choice = self._choice
        facts: dict[str, Any] = {"rows": choice.rows, "reason": choice.reason}
        if choice.costs is not None:
            facts |= {name: float(f"{x:.4g}") for name, x in asdict(choice.costs).items()}
            facts["per_vector_s"] = float(f"{choice.costs.per_vector_s(choice.rows):.4g}")
        return facts

    def _learn_again(self) -> None:
        self._reads = ReadCost()
        self._is_wanted_seen = self._is_known = False
        self._wanted = max(1, self._wanted // SPAN)

    def _costs(self) -> BatchCosts | None:
        if not self._vector_s:
            return None
        return BatchCosts(
            fixed_s=self._reads.fixed_s + HANDOVER_S,
            launch_s=self._reads.launch_s,
            launches=median(self._launches),
            vector_s=median(self._vector_s),
            faults=(self._n_faults + _PRIOR_FAULTS) / (self._n_measured + _PRIOR_VECTORS),
        )

    def _hard_limit(self) -> tuple[int, str]:
        limits = [(self._chunk_rows, "chunk"), (MOST_LAUNCHES, "most launches")]
        if self._buffer_launches is not None:
            limits.append((self._buffer_launches, "profiler buffer"))
        return min(
            (n if why == "chunk" else max(1, int(n / self._most_launches_per_vector)), why)
            for n, why in limits
        )

    def _decide(self) -> None:
        most, why = self._hard_limit()
        costs = self._costs()
        if self._fixed is not None:
            reason = "fixed" if self._fixed <= most else why
        elif costs is None:
            reason = "growing"
        else:
            reason = self._tune(costs, most, why)
        self._choice = Choice(min(self._wanted, most), reason, costs)

    def _tune(self, costs: BatchCosts, most: int, why: str) -> str:
        if not self._is_known and self._explore(costs, most):
            return "growing"
        now = min(self._wanted, most)
        best = costs.best_rows(most, self._chunk_rows)
        reachable = min(best, max(now, GROWTH * self._largest))
        saving = 1 - costs.per_vector_s(reachable) / costs.per_vector_s(now)
        if saving >= HYSTERESIS or now > _LATENCY_SLACK * costs.latency_rows:
            self._wanted = now = reachable
        if now < best and saving >= HYSTERESIS:
            return "growing"
        return self._reason(costs, now, best, most, why)

    def _explore(self, costs: BatchCosts, most: int) -> bool:
        """Grow until reads of different sizes, or a limit, are seen; returns whether to go on."""
        ceiling = math.floor(min(costs.latency_rows, most))
        is_at_ceiling = self._wanted >= ceiling and self._is_wanted_seen
        self._is_known = self._reads.span >= SPAN or is_at_ceiling
        if not self._is_known:
            grown = self._wanted * GROWTH if self._is_wanted_seen else self._wanted
            self._wanted = min(ceiling, grown)
            self._is_wanted_seen = False
        return not self._is_known

    @staticmethod
    def _reason(costs: BatchCosts, now: int, best: int, most: int, why: str) -> str:
        if now != best:
            return "steady"
        if best >= most:
            return why
        return "optimum" if costs.optimum <= costs.latency_rows else "latency"
