"""Vectorised enumeration of a sweep: product space -> valid vectors, a block at a time.

Rules are evaluated on an open mesh, so a rule that looks at two axes costs the product of those
two, not of all; only the conjunction touches every candidate.  The ids of the vectors that are
kept are the only work done per vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sweeps.space import Array, Columns, Loop, Suite, Sweep, Verdicts
from sweeps.suite import Codes
from sweeps.vector import VECTOR_ID_BYTES, canonical_json, vector_ids

BLOCK_CANDIDATES = 1 << 22
"""Candidates whose validity is held in memory at a time."""

_MOST_COMBINATIONS = 1 << 62
"""Values of the group axes, multiplied, that a 64-bit number can tell apart."""

VECTOR_ID_FIELD = pa.field("vector_id", pa.binary(VECTOR_ID_BYTES), nullable=False)


@dataclass(frozen=True)
class SuiteSelection:
    """Which candidates of a suite are vectors of the sweep.

    Attributes
    ----------
    suite : Suite
        The part of the sweep.
    kept : ndarray
        Positions of the vectors in the suite's product space, ascending, shape (n,), int64.
    n_candidates, n_valid : int
        Size of the product space, and how many passed all rules (``n_valid - n`` were thinned
        out).
    rejected : Mapping
        Reason -> candidates for which this was the first rule to fail.
    """

    suite: Suite
    kept: npt.NDArray[np.int64]
    n_candidates: int
    n_valid: int
    rejected: Mapping[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """Return the counts of this suite as JSON data."""
        return {
            "name": self.suite.name,
            "n_candidates": self.n_candidates,
            "n_valid": self.n_valid,
            "n_vectors": len(self.kept),
            "rejected": dict(self.rejected),
        }


def select(sweep: Sweep, suite: Suite, verdicts: Verdicts | None = None) -> SuiteSelection:
    """Evaluate the rules over all candidates of a suite and thin it out where it is too large.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    suite : Suite
        One of its suites.
    verdicts : Verdicts or None
        What the sweep's `judge` found for this suite.

    Raises
    ------
    SpecError
        If a rule does not return booleans that broadcast to the candidates.
    """
    rejected = {rule.reason: 0 for rule in sweep.rules}
    strides = _strides(suite.loops)
    found = [np.empty(0, np.int64)]
    for ranges in _blocks(suite.loops):
        shape = tuple(stop - start for start, stop in ranges)
        mesh: dict[str, Codes] = {}
        for d, (loop, (start, stop)) in enumerate(zip(suite.loops, ranges, strict=True)):
            along = [-1 if k == d else 1 for k in range(len(shape))]
            mesh |= loop.codes(np.arange(start, stop).reshape(along))
        alive = _alive(sweep, Columns(suite.axes, mesh), shape, rejected)
        local = np.unravel_index(np.flatnonzero(alive), shape)
        flat = np.zeros(len(local[0]), np.int64)
        for position, (start, _), stride in zip(local, ranges, strides, strict=True):
            flat += (position + start) * stride
        found.append(flat)
    valid = np.concatenate(found)
    if verdicts is not None:
        valid = valid[verdicts.is_valid[valid]]
        rejected |= verdicts.rejected
    return SuiteSelection(
        suite,
        _thinned(valid, sweep.max_vectors_per_suite),
        suite.n_candidates,
        len(valid),
        rejected,
    )


def _alive(
    sweep: Sweep, columns: Columns, shape: tuple[int, ...], rejected: dict[str, int]
) -> npt.NDArray[np.bool_]:
    alive = np.ones(shape, np.bool_)
    n_alive = alive.size
    for rule in sweep.rules:
        try:
            np.logical_and(alive, _booleans(rule.is_valid(columns)), out=alive)
        except Exception as error:
            raise sweep.failed(f"rule {rule.reason!r}", error) from error
        left = int(np.count_nonzero(alive))
        rejected[rule.reason] += n_alive - left
        n_alive = left
    return alive


def _booleans(mask: Array) -> Array:
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"it returned {mask.dtype}, not bool")
    return mask


def _strides(loops: tuple[Loop, ...]) -> list[int]:
    strides = [1]
    for loop in reversed(loops[1:]):
        strides.insert(0, strides[0] * loop.n_steps)
    return strides


def _blocks(loops: tuple[Loop, ...]) -> Iterator[list[tuple[int, int]]]:
    """Split the product space into index ranges of at most `BLOCK_CANDIDATES`, in order."""
    if not loops:
        yield []
        return
    inner = int(np.prod([loop.n_steps for loop in loops[1:]], dtype=object))
    step = max(1, BLOCK_CANDIDATES // inner)
    for start in range(0, loops[0].n_steps, step):
        stop = min(start + step, loops[0].n_steps)
        if inner <= BLOCK_CANDIDATES:
            yield [(start, stop), *((0, loop.n_steps) for loop in loops[1:])]
        else:
            for rest in _blocks(loops[1:]):
                yield [(start, stop), *rest]


def _thinned(valid: npt.NDArray[np.int64], most: int | None) -> npt.NDArray[np.int64]:
    while most is not None and len(valid) > most:
        valid = valid[1::2]
    return valid


def schema(sweep: Sweep) -> pa.Schema:
    """Arrow schema of the vectors of a sweep; features are int64 or float64 columns."""
    sample = sweep.derive({axis.name: axis.values[0] for axis in sweep.axes})
    return pa.schema(
        [
            VECTOR_ID_FIELD,
            pa.field("group_id", pa.int64(), nullable=False),
            pa.field("suite", pa.dictionary(pa.int32(), pa.string()), nullable=False),
            *(
                pa.field(axis.name, axis.arrow_type, nullable=axis.name in sweep.partial_axes)
                for axis in sweep.axes
            ),
            *(
                pa.field(
                    name, pa.int64() if isinstance(value, int) else pa.float64(), nullable=False
                )
                for name, value in sample.items()
            ),
            *(pa.field(label.name, pa.string(), nullable=False) for label in sweep.labels),
        ]
    )


def vectors(sweep: Sweep, selection: SuiteSelection, start: int, stop: int) -> pa.Table:
    """Columns of the vectors ``start..stop`` (half-open) of a suite, see `schema`.

    Raises
    ------
    SpecError
        If a feature fails or returns values of another shape or type.
    """
    suite, wanted = selection.suite, schema(sweep)
    flat = selection.kept[start:stop]
    codes: dict[str, Codes] = {}
    positions = np.unravel_index(flat, [loop.n_steps for loop in suite.loops])
    for loop, along in zip(suite.loops, positions, strict=True):
        codes |= loop.codes(along)
    own = {axis.name: axis for axis in suite.axes}
    columns = Columns(suite.axes, codes)
    arrays: list[pa.Array] = [
        pa.array(vector_ids(sweep.op, suite.axes, codes), pa.binary(VECTOR_ID_BYTES)),
        pa.array(_group_ids(sweep, suite, codes)),
        pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(flat), np.int32)), pa.array([suite.name])
        ),
        *(
            own[axis.name].column(codes[axis.name])
            if axis.name in own
            else pa.nulls(len(flat), axis.arrow_type)
            for axis in sweep.axes
        ),
    ]
    for feature in sweep.features:
        try:
            values = np.broadcast_to(feature.compute(columns), flat.shape)
            arrays.append(pa.array(values, wanted.field(feature.name).type))
        except Exception as error:
            raise sweep.failed(f"feature {feature.name!r}", error) from error
    arrays += [pa.array(label.compute(suite, codes), pa.string()) for label in sweep.labels]
    return pa.Table.from_arrays(arrays, schema=wanted)


def group_id(op: str, values: Mapping[str, object]) -> int:
    """Identity of a group: the first 63 bits of SHA-256 over the canonical JSON of its key."""
    digest = hashlib.sha256(canonical_json({"group": dict(values), "op": op})).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _group_ids(sweep: Sweep, suite: Suite, codes: Mapping[str, Codes]) -> npt.NDArray[np.int64]:
    by = [axis for axis in suite.axes if axis.name in sweep.group_by]
    combined = np.zeros(len(codes[suite.axes[0].name]), np.int64)
    n_combinations = 1
    for axis in by:
        if n_combinations * len(axis.values) > _MOST_COMBINATIONS:
            distinct, combined = np.unique(combined, return_inverse=True)
            n_combinations = len(distinct)
        combined = combined * len(axis.values) + codes[axis.name]
        n_combinations *= len(axis.values)
    distinct, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    ids = np.empty(len(distinct), np.int64)
    for i, row in enumerate(first):
        key = {axis.name: axis.values[codes[axis.name][row]] for axis in by}
        ids[i] = group_id(sweep.op, key)
    return ids[inverse]
