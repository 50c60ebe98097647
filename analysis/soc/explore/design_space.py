"""Where designs come from: a declared space, enumerated in memory, or a sweep directory.

Both hand out their designs in chunks of columns, so that a space of any size passes through a
bounded memory: a declared space holds the positions of at most `PART_CANDIDATES` candidates.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pyarrow.compute as pc

from analysis.soc.explore.evaluation import PARAMETERS, Floats
from analysis.soc.workload.workload import Workload
from farm.errors import UsageError
from farm.generation import plan_of
from farm.outcome import Status
from farm.store.directory import SweepDirectory
from farm.store.location import LocationLike
from sweeps.axis import AxisKind
from sweeps.generate import select
from sweeps.soc_design import SWEEP
from sweeps.space import Sweep

CHUNK_DESIGNS = 1 << 15
"""Designs of a chunk: their columns stay in the caches of a core."""

PART_CANDIDATES = 1 << 22
"""Candidates whose validity and positions are in memory at a time."""


class DesignSource(Protocol):
    """Designs in chunks.

    Attributes
    ----------
    sweep : Sweep
        The space: axes and rules.
    label : str
        What to call it.
    n_candidates : int
        Size of the product space.
    dropped : Counter
        Reason -> candidates that are not handed out; complete after `chunks`.
    workload : Workload or None
        What the ``time_ns`` of the chunks is the time of; None where they have none.
    """

    sweep: Sweep
    label: str
    n_candidates: int
    dropped: Counter[str]
    workload: Workload | None

    def chunks(self) -> Iterator[dict[str, Floats]]:
        """Yield columns of parameters, and of ``time_ns`` where it is stored; shape (n,) each."""


def require_designs(sweep: Sweep) -> None:
    """Check that the vectors of a sweep are designs.

    Raises
    ------
    UsageError
        If it has another operation, or an axis that is no parameter of a design.
    """
    if sweep.op != SWEEP.op:
        raise UsageError(
            f"sweep {sweep.name} is of {sweep.op!r}, not of designs; take {SWEEP.name}, or a sweep "
            f"with op={SWEEP.op!r}"
        )
    for axis in sweep.axes:
        if axis.name not in PARAMETERS or axis.kind not in (AxisKind.INT, AxisKind.FLOAT):
            raise UsageError(
                f"sweep {sweep.name}: axis {axis.name!r} is no number of a chip; numbers are "
                f"{', '.join(PARAMETERS)}"
            )


class DeclaredSpace:
    """Every valid design of a sweep, in memory.

    Parameters
    ----------
    sweep : Sweep
        Its axes are parameters of designs.

    Raises
    ------
    UsageError
        If they are not.
    """

    workload: Workload | None = None

    def __init__(self, sweep: Sweep) -> None:
        require_designs(sweep)
        self.sweep = sweep
        self.label = sweep.name
        self.n_candidates = int(np.prod([len(axis.values) for axis in sweep.axes], dtype=object))
        self.dropped: Counter[str] = Counter()

    def chunks(self) -> Iterator[dict[str, Floats]]:
        """Yield columns of parameters."""
        self.dropped = Counter()
        for part in _parts(self.sweep):
            values = {axis.name: np.array(axis.values, np.float64) for axis in part.axes}
            shape = [len(column) for column in values.values()]
            for suite in part.suites():
                selection = select(part, suite)
                self.dropped.update(selection.rejected)
                for start in range(0, len(selection.kept), CHUNK_DESIGNS):
                    kept = selection.kept[start : start + CHUNK_DESIGNS]
                    codes = np.unravel_index(kept, shape)
                    yield {
                        name: column[code]
                        for (name, column), code in zip(values.items(), codes, strict=True)
                    }


def _parts(sweep: Sweep, depth: int = 0) -> Iterator[Sweep]:
    """Cut the axes from the first on, so that no part has more than `PART_CANDIDATES`."""
    axis = sweep.axes[depth]
    inner = int(np.prod([len(a.values) for a in sweep.axes[depth + 1 :]], dtype=object))
    step = max(1, PART_CANDIDATES // inner)
    for start in range(0, len(axis.values), step):
        part = sweep.with_axis(axis.with_values(axis.values[start : start + step]))
        if inner <= PART_CANDIDATES:
            yield part
        else:
            yield from _parts(part, depth + 1)


class StoredSpace:
    """The designs that were evaluated in a sweep directory, finished or not.

    Parameters
    ----------
    place : str, Path or Location
        Sweep directory of designs.

    Raises
    ------
    UsageError
        If it holds something else, nothing yet, or times of more than one workload.
    """

    def __init__(self, place: LocationLike) -> None:
        self._directory = SweepDirectory.open(place)
        manifest = self._directory.manifest
        self.sweep = plan_of(manifest).sweep
        require_designs(self.sweep)
        self.label = str(place)
        self.n_candidates = sum(int(suite["n_candidates"]) for suite in manifest.suites)
        committed = self._directory.committed()
        if not committed:
            raise UsageError(f"{place} has no results yet; farm run {place} --device model")
        self._chunks = [c for c in self._directory.chunks() if c.chunk_id in committed]
        self.workload: Workload | None = self._workload()
        self.dropped: Counter[str] = Counter()

    def _workload(self) -> Workload:
        found: dict[str, str] = {}
        for meta in self._directory.result_metas(chunk.chunk_id for chunk in self._chunks):
            device = meta.device
            if device["kind"] != "model":
                raise UsageError(
                    f"{self.label} has times measured by device {device['kind']!r}, not designs "
                    f"evaluated by device 'model'"
                )
            found[device["details"]["workload_ops"]] = device["details"]["workload"]
        if len(found) > 1:
            raise UsageError(
                f"{self.label} has times of {len(found)} workloads, {' and '.join(found)}: they "
                f"cannot be compared; run each in a directory of its own"
            )
        ops, name = next(iter(found.items()))
        try:
            content = {"name": name, "ops": json.loads(ops)}
        except ValueError:
            raise UsageError(
                f"{self.label}: the workload of its times cannot be read back ({ops[:80]}): it was "
                f"evaluated by another version; evaluate the designs again"
            ) from None
        return Workload.parse(content, f"{self.label}: workload_ops")

    def chunks(self) -> Iterator[dict[str, Floats]]:
        """Yield columns of parameters, and the stored ``time_ns``."""
        manifest = self._directory.manifest
        n_left = manifest.n_vectors - sum(chunk.n_rows for chunk in self._chunks)
        self.dropped = Counter()
        for suite in manifest.suites:
            self.dropped.update(suite["rejected"])
        self.dropped.update({"not evaluated yet": n_left})
        chunk_ids = [chunk.chunk_id for chunk in self._chunks]
        results = self._directory.results(chunk_ids)
        for chunk_id, (outcomes, _) in zip(chunk_ids, results, strict=True):
            vectors = self._directory.vectors(chunk_id)
            statuses = outcomes["status"].combine_chunks().dictionary_decode()
            is_ok = pc.equal(statuses, Status.OK.value)
            for row in pc.value_counts(statuses).to_pylist():
                if row["values"] != Status.OK.value:
                    self.dropped[f"status {row['values']}"] += row["counts"]
            columns = vectors.select([axis.name for axis in self.sweep.axes])
            columns = columns.append_column("time_ns", outcomes["mean_ns"]).filter(is_ok)
            yield {
                name: columns[name].to_numpy().astype(np.float64) for name in columns.column_names
            }
