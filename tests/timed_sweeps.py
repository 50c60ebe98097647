"""Sweep directories of products and of copies whose durations follow a known machine."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from farm.devices.device import DeviceInfo
from farm.generation import Plan, open_or_generate
from farm.outcome import OUTCOME_SCHEMA
from farm.store.directory import SweepDirectory
from farm.store.results import ResultMeta
from sweeps import matmul, memcpy
from sweeps.limits import limited
from sweeps.space import Sweep

PEAK_FLOPS_S = {"float32": 100e9, "float64": 50e9}
MEMORY_BYTES_S = 20e9
CACHE_BYTES_S = 80e9
CACHE_BYTES = 8 << 20
OVERHEAD_S = 2e-6

PRODUCTS = ("M=64,256,1024", "K=64,256,1024", "N=64,256,1024")
COPIES = (
    "layout=copy",
    "dtype=float32",
    "shape:=" + ",".join(f"{h}x1024" for h in (*range(32, 512, 64), *range(4096, 12288, 1024))),
)

HOST = DeviceInfo(
    card="cpu:0",
    kind="cpu",
    arch="Test CPU",
    software={"numpy": np.__version__},
    details={"threads": "1", "cache": "hot", "last_level_cache_bytes": str(CACHE_BYTES)},
)


def products(
    path: Path, limits: tuple[str, ...] = PRODUCTS, device: DeviceInfo = HOST
) -> SweepDirectory:
    """Make the directory of a finished sweep of products."""
    return _timed(path, matmul.SWEEP, limits, device)


def copies(
    path: Path, limits: tuple[str, ...] = COPIES, device: DeviceInfo = HOST
) -> SweepDirectory:
    """Make the directory of a finished sweep of copies."""
    return _timed(path, memcpy.SWEEP, limits, device)


def time_s(flops: np.ndarray, n_bytes: np.ndarray, peak_flops_s: np.ndarray | float) -> np.ndarray:
    """What ops take on the machine: launch, then the longer of computing and moving."""
    bandwidth = np.where(n_bytes <= CACHE_BYTES, CACHE_BYTES_S, MEMORY_BYTES_S)
    return OVERHEAD_S + np.maximum(flops / peak_flops_s, n_bytes / bandwidth)


def _timed(path: Path, sweep: Sweep, limits: tuple[str, ...], device: DeviceInfo) -> SweepDirectory:
    directory = open_or_generate(path, Plan(limited(sweep, list(limits)), sweep.name, limits))
    for chunk in directory.chunks():
        _commit(directory, chunk.chunk_id, device)
    return directory


def _commit(directory: SweepDirectory, chunk_id: str, device: DeviceInfo) -> None:
    vectors = directory.vectors(chunk_id)
    n = vectors.num_rows
    peaks = np.array([PEAK_FLOPS_S.get(dtype, np.nan) for dtype in vectors["dtype"].to_pylist()])
    flops, n_bytes = (vectors[name].to_numpy() for name in ("flops", "bytes_moved"))
    durations = time_s(flops, n_bytes, peaks) * 1e9
    columns = {
        "vector_id": vectors["vector_id"],
        "status": pa.array(["OK"] * n).dictionary_encode(),
        # One launch of three was disturbed: the median does not notice.
        "mean_ns": 2 * durations,
        "std_ns": durations,
        "min_ns": durations,
        "median_ns": durations,
        "durations_ns": pa.array([[d, d, 4 * d] for d in durations.tolist()]),
        "reason": pa.nulls(n, pa.string()),
        "card": [device.card] * n,
        "attempt": pa.array([1] * n, pa.int32()),
        "started_at": pa.array([1_800_000_000_000_000] * n, pa.timestamp("us", "UTC")),
    }
    meta = ResultMeta(
        chunk=chunk_id,
        fingerprint=directory.manifest.fingerprint,
        run_id="run-1",
        card=device.card,
        attempt=1,
        epoch=1,
        device=device.as_json(),
        started_at="2026-11-20T22:00:00+00:00",
        ended_at="2026-11-20T22:00:02+00:00",
        measured_s=2.0,
        counts=Counter(),
    )
    assert directory.commit(pa.table(columns).cast(OUTCOME_SCHEMA), meta)
