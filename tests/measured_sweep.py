"""A small sweep directory with committed results, made by the store itself."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from farm.devices.device import DeviceInfo
from farm.generation import Plan, open_or_generate
from farm.outcome import OUTCOME_SCHEMA
from farm.store.directory import SweepDirectory
from farm.store.journal import JournalWriter
from farm.store.local_files import LocalFiles
from farm.store.results import ResultMeta
from sweeps.axis import Axis
from sweeps.space import Feature, Rule, Sweep

COPY = Sweep(
    name="copy",
    op="copy",
    version="1",
    axes=(
        Axis.choice("layout", ["tiled", "<row&major>"]),
        Axis.grids("grid", [1, 2], [1, 12]),
        Axis.ints("lanes", [8, 64]),
        Axis.ints("rows", [1, 2, 3, 4, 6, 8, 12, 16]),
        Axis.ints("columns", [1, 2, 4, 8]),
    ),
    rules=(Rule("more than 96 elements", lambda c: c["rows"] * c["columns"] <= 96),),
    features=(Feature("elements", lambda c: c["rows"] * c["columns"]),),
    suite_by=("layout",),
    group_by=("grid", "lanes", "layout"),
    size="elements",
    repeats=3,
    timeout_s=2.0,
    chunk_rows=37,
)
"""Eight-odd rows per group; group keys whose text order is not their numeric order."""

SIM = DeviceInfo(
    card="sim:0",
    kind="sim",
    arch="sim-1",
    clocks_hz={"aiclk": 1e9},
    software={"numpy": np.__version__},
    details={"seed": "0"},
)


def generate(path: Path, sweep: Sweep = COPY, source: str = "copy") -> SweepDirectory:
    """Generate the vectors of a sweep."""
    return open_or_generate(path, Plan(sweep, source))


def outcomes_of(directory: SweepDirectory, chunk_id: str, failing: str = "") -> pa.Table:
    """Outcomes that depend on the vectors alone: about a line per group, with some failures.

    Groups whose key contains `failing` have no measured vector.
    """
    vectors = directory.vectors(chunk_id)
    manifest = directory.manifest
    columns = vectors.select(list(manifest.group_by)).to_pylist()
    keys = [
        "/".join(manifest.axis(name).format(row[name]) for name in manifest.group_by)
        for row in columns
    ]
    ids = vectors["vector_id"].to_pylist()
    rows = []
    for vector_id, key, size in zip(ids, keys, vectors[manifest.size].to_pylist(), strict=True):
        rng = np.random.default_rng(int.from_bytes(vector_id[:8], "big"))
        slope = 1 + int(hashlib.sha256(key.encode()).hexdigest()[:4], 16) / 1000
        durations = (400 + slope * size) * (1 + 0.03 * rng.standard_normal(manifest.repeats))
        is_bad = bool(failing) and failing in key
        status = "OUT_OF_MEMORY" if is_bad else "OP_ERROR" if rng.random() < 0.02 else "OK"
        is_ok = status == "OK"
        rows.append(
            {
                "vector_id": vector_id,
                "status": status,
                "mean_ns": float(durations.mean()) if is_ok else None,
                "std_ns": float(durations.std()) if is_ok else None,
                "min_ns": float(durations.min()) if is_ok else None,
                "median_ns": float(np.median(durations)) if is_ok else None,
                "durations_ns": durations.tolist() if is_ok else None,
                "reason": None if is_ok else f"<b>no</b> luck with {size} elements",
                "card": SIM.card,
                "attempt": 1,
                "started_at": 1_800_000_000_000_000,
            }
        )
    names = {name: [row[name] for row in rows] for name in OUTCOME_SCHEMA.names}
    arrays = [
        pa.array(names[field.name], pa.string()).dictionary_encode().cast(field.type)
        if pa.types.is_dictionary(field.type)
        else pa.array(names[field.name], field.type)
        for field in OUTCOME_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=OUTCOME_SCHEMA)


def commit(
    directory: SweepDirectory, chunk_id: str, failing: str = "", number: int = 0
) -> pa.Table:
    """Commit a chunk; returns its outcomes."""
    outcomes = outcomes_of(directory, chunk_id, failing)
    minute = f"2026-11-20T22:{number % 60:02d}"
    meta = ResultMeta(
        chunk=chunk_id,
        fingerprint=directory.manifest.fingerprint,
        run_id="run-1",
        card=SIM.card,
        attempt=1,
        epoch=1,
        device=SIM.as_json(),
        started_at=f"{minute}:00+00:00",
        ended_at=f"{minute}:02.5+00:00",
        measured_s=2.5,
        counts=Counter(),
    )
    assert directory.commit(outcomes, meta)
    return outcomes


def journal_incidents(path: Path) -> None:
    """Write an incident of each common kind."""
    writer = JournalWriter(LocalFiles(path), "sim-0")
    writer.append(
        "hang",
        card="sim:0",
        chunk="00000-00001",
        index=40,
        vector_id="ab" * 16,
        message="no progress for 2.0 s <killed>",
        lost_s=2.4,
    )
    writer.append("reset", card="sim:0", message="warm reset", lost_s=0.5)
    writer.close()
