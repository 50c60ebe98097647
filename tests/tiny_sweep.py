"""A sweep of 24 vectors in 3 shards of 2 chunks, and outcomes that depend on the vectors alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from farm.generation import Plan, open_or_generate
from farm.outcome import OUTCOME_SCHEMA
from farm.store.directory import SweepDirectory
from farm.store.files import Files
from farm.store.location import LocationLike
from farm.store.results import ResultMeta
from sweeps.axis import Axis
from sweeps.space import Feature, Rule, Sweep

TINY = Sweep(
    name="tiny",
    op="copy",
    version="1",
    axes=(
        Axis.choice("layout", ["tiled", "rows"]),
        Axis.grids("grid", [1, 2], [1]),
        Axis.ints("rows", range(1, 9)),
    ),
    rules=(Rule("rows are not spread evenly", lambda c: c["rows"] % c["grid.x"] == 0),),
    features=(Feature("elements", lambda c: 32 * c["rows"]),),
    suite_by=("layout",),
    group_by=("layout", "grid"),
    size="elements",
    repeats=3,
    chunk_rows=4,
)
PLAN = Plan(TINY, "tiny")


@contextmanager
def small_shards(n_rows: int = 8) -> Iterator[None]:
    """Shards of few rows, so that the sweep has several."""
    with patch("farm.generation.SHARD_ROWS", n_rows):
        yield


def generated(
    place: LocationLike | Files, plan: Plan = PLAN, files: Files | None = None
) -> SweepDirectory:
    """Generate, or open, the sweep in small shards."""
    with small_shards():
        return open_or_generate(files or place, plan)


def outcomes_of(directory: SweepDirectory, chunk_id: str) -> pa.Table:
    """Outcomes by the vectors alone; every fifth vector of the sweep ran out of memory."""
    chunk = directory.chunk(chunk_id)
    vectors = directory.vectors(chunk_id)
    first = chunk.first_index
    is_ok = np.array([index % 5 != 4 for index in range(first, first + chunk.n_rows)])
    sizes = vectors["elements"].to_numpy()
    durations = sizes[:, None] * 10.0 + 500 + np.array([0.0, 3.0, 9.0])
    status = ["OK" if ok else "OUT_OF_MEMORY" for ok in is_ok]
    columns = {
        "vector_id": vectors["vector_id"],
        "status": pa.array(status).dictionary_encode(),
        "mean_ns": pa.array(durations.mean(1), mask=~is_ok),
        "std_ns": pa.array(durations.std(1), mask=~is_ok),
        "min_ns": pa.array(durations.min(1), mask=~is_ok),
        "median_ns": pa.array(np.median(durations, axis=1), mask=~is_ok),
        "durations_ns": pa.array(
            [row.tolist() if ok else None for row, ok in zip(durations, is_ok, strict=True)],
            pa.list_(pa.float64()),
        ),
        "reason": pa.array([None if ok else "no room in L1" for ok in is_ok], pa.string()),
        "card": ["sim:0"] * chunk.n_rows,
        "attempt": pa.array([1] * chunk.n_rows, pa.int32()),
        "started_at": pa.array([1_800_000_000_000_000] * chunk.n_rows, pa.timestamp("us", "UTC")),
    }
    return pa.table(columns).cast(OUTCOME_SCHEMA)


def meta_of(directory: SweepDirectory, chunk_id: str, attempt: int = 1) -> ResultMeta:
    """Footer of a chunk's results."""
    return ResultMeta(
        chunk=chunk_id,
        fingerprint=directory.manifest.fingerprint,
        run_id="run-1",
        card="sim:0",
        attempt=attempt,
        epoch=1,
        device={"card": "sim:0", "kind": "sim"},
        started_at="2026-11-20T22:00:00+00:00",
        ended_at="2026-11-20T22:00:02+00:00",
        measured_s=2.5,
        counts={},
    )


def commit(directory: SweepDirectory, chunk_id: str, attempt: int = 1) -> bool:
    """Commit a chunk; returns whether it was the first commit."""
    outcomes = outcomes_of(directory, chunk_id)
    return directory.commit(outcomes, meta_of(directory, chunk_id, attempt))


def commit_all(directory: SweepDirectory) -> None:
    """Commit every chunk that is not."""
    committed = directory.committed()
    for chunk in directory.chunks():
        if chunk.chunk_id not in committed:
            assert commit(directory, chunk.chunk_id)


def content_of(path: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
