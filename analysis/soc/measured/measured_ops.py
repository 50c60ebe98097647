"""Operations that were measured, with the work they did: columns for a roofline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError
from farm.errors import UsageError
from farm.store.directory import SweepDirectory
from farm.store.manifest import Manifest
from farm.store.measured import measured_columns

Floats = npt.NDArray[np.float64]

MIB = float(1 << 20)

_PRECISIONS = {
    "float64": Precision.FP64,
    "float32": Precision.FP32,
    "float16": Precision.FP16,
    "bfloat16": Precision.BF16,
    "int8": Precision.INT8,
}
_NO_DTYPE = "any"


@dataclass(frozen=True, eq=False)
class MeasuredOps:
    """Measured operations of one origin, as columns of n rows.

    Attributes
    ----------
    source : str
        Directory or file.
    system : str
        What measured, as it was recorded.
    conditions : str
        Cores, caches, software: what a figure of this system holds for.
    dtype : ndarray
        Kind of arithmetic as the source calls it, text, shape (n,).
    precisions : mapping
        Whose peak a dtype is held against, as far as there is one.
    flops, bytes_moved : ndarray
        Work and compulsory traffic, shape (n,); flops may be 0.
    time_s : ndarray
        Measured time, shape (n,), above 0.
    cluster : ndarray
        Ops with equal numbers are not independent of each other, shape (n,).
    cache_bytes : float
        Last-level cache, where the source tells; else 0.
    labels : callable
        Row -> what the op is, in words.
    """

    source: str
    system: str
    conditions: str
    dtype: npt.NDArray[np.str_]
    precisions: Mapping[str, Precision]
    flops: Floats
    bytes_moved: Floats
    time_s: Floats
    cluster: npt.NDArray[np.int64]
    cache_bytes: float
    labels: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def intensity(self) -> Floats:
        """Arithmetic intensity in flop/byte, shape (n,)."""
        return self.flops / self.bytes_moved

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Kinds of arithmetic, in the order of their names."""
        return tuple(np.unique(self.dtype).tolist())

    def rows_of(self, dtype: str) -> npt.NDArray[np.intp]:
        """Rows of one kind of arithmetic."""
        return np.flatnonzero(self.dtype == dtype)

    def precision(self, dtype: str) -> Precision:
        """Whose peak a kind of arithmetic is held against.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if dtype not in self.precisions:
            raise ConfigError(
                f"{self.source}: no peak is known for the data type {dtype!r}; there are peaks "
                f"for {', '.join(_PRECISIONS)}"
            )
        return self.precisions[dtype]


def read_sweep(path: Path | str) -> MeasuredOps:
    """Read the measured ops of a sweep directory, finished or not.

    Work and traffic are the sweep's features ``flops`` (0 where it has none) and ``bytes_moved``;
    the time is the median over the launches, which a single disturbed launch does not move.

    Raises
    ------
    UsageError
        If the sweep does not say what its ops move, or nothing was measured.
    StoreError
        If the directory cannot be read or is damaged.
    """
    directory = SweepDirectory.open(path)
    manifest = directory.manifest
    if "bytes_moved" not in manifest.features:
        raise UsageError(
            f"{path}: the sweep {manifest.sweep!r} has no feature bytes_moved, so its ops have no "
            f"place on a roofline; its features are {', '.join(manifest.features) or 'none'}"
        )
    axes = [axis.name for axis in manifest.axes]
    works = [name for name in ("flops", "bytes_moved") if name in manifest.features]
    chunk_ids = sorted(directory.committed())
    tables, devices = [], []
    for chunk_id, (outcomes, meta) in zip(chunk_ids, directory.results(chunk_ids), strict=True):
        vectors = directory.vectors(chunk_id)
        tables.append(measured_columns(vectors, outcomes, [*axes, *works]))
        devices.append(meta.device)
    rows = pa.concat_tables(tables) if tables else None
    if rows is None or not rows.num_rows:
        raise UsageError(f"{path}: no vector was measured yet; farm run {path} goes on with it")
    systems = {str(device.get("arch", "")) for device in devices}
    if len(systems) > 1:
        raise UsageError(
            f"{path}: was measured by different devices ({', '.join(sorted(systems))}), which have "
            f"no roofline in common"
        )
    return _ops_of(str(path), manifest, rows, devices[0])


def _ops_of(
    source: str, manifest: Manifest, rows: pa.Table, device: Mapping[str, Any]
) -> MeasuredOps:
    n = rows.num_rows
    names = rows.column_names
    has_dtype = "dtype" in [axis.name for axis in manifest.axes]
    dtype = rows["dtype"].to_numpy() if has_dtype else np.full(n, _NO_DTYPE)
    flops = rows["flops"].to_numpy() if "flops" in names else np.zeros(n)
    if not has_dtype and np.any(flops > 0):
        raise UsageError(
            f"{source}: the sweep {manifest.sweep!r} has no axis dtype, so no peak can be chosen "
            f"for its flops"
        )
    details = device.get("details", {})

    def label(row: int) -> str:
        values = rows.slice(row, 1).to_pylist()[0]
        return " ".join(f"{axis.name}={axis.format(values[axis.name])}" for axis in manifest.axes)

    return MeasuredOps(
        source=source,
        system=f"{device.get('arch', '')} ({device.get('kind', '')})",
        conditions=_conditions(device),
        dtype=np.asarray(dtype, np.str_),
        precisions=_PRECISIONS,
        flops=np.asarray(flops, np.float64),
        bytes_moved=np.asarray(rows["bytes_moved"].to_numpy(), np.float64),
        time_s=np.asarray(rows["duration_ns"].to_numpy(), np.float64) * 1e-9,
        cluster=np.arange(n),
        cache_bytes=float(details.get("last_level_cache_bytes", 0)),
        labels=label,
    )


def _conditions(device: Mapping[str, Any]) -> str:
    details = device.get("details", {})
    parts = [f"{key} {details[key]}" for key in ("threads", "cores", "cache") if key in details]
    software = device.get("software", {})
    return ", ".join([*parts, *(f"{name} {version}" for name, version in software.items())])
