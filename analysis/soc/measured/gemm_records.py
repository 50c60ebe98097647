"""Recorded matrix products of GPUs: Parquet files of the aiconfigurator project's format.

One row per product ``C[m, n] = A[m, k] @ B[k, n]`` with the columns ``gemm_dtype``, ``m``, ``n``,
``k``, ``latency`` in milliseconds, and optionally ``device``.

========== ======================================= ==================== =========================
gemm_dtype A, B, C in bytes per element            held against         remark
========== ======================================= ==================== =========================
bfloat16   2, 2, 2                                 BF16
fp8        1, 1, 2                                 FP8                  tensor-wise scales
fp8_block  1, 1, 2                                 FP8                  scales per block, which
                                                                        add up to 3 % to A
int8_wo    2, 1, 2                                 BF16                 weights only; products
                                                                        are of 16-bit numbers
int4_wo    2, 1/2, 2                               BF16                 the same
sq         1, 1, 2                                 INT8                 SmoothQuant
nvfp4      1/2, 1/2, 2                             FP4                  scales add 1/8 to A and B
========== ======================================= ==================== =========================

A latency is that of a whole linear layer: where A is quantised, from 16 bits each time, that is
included, and shows up as launch overhead and as a lower efficiency.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.soc.chip.precision import Precision
from analysis.soc.measured.measured_ops import MeasuredOps
from analysis.soc.workload.ops import gemm_compulsory_bytes, gemm_flops
from farm.errors import FormatError

_COLUMNS = ("gemm_dtype", "m", "n", "k", "latency")


@dataclass(frozen=True)
class _Scheme:
    a_size: float
    b_size: float
    c_size: float
    precision: Precision


_SCHEMES = {
    "bfloat16": _Scheme(2, 2, 2, Precision.BF16),
    "fp8": _Scheme(1, 1, 2, Precision.FP8),
    "fp8_block": _Scheme(1, 1, 2, Precision.FP8),
    "int8_wo": _Scheme(2, 1, 2, Precision.BF16),
    "int4_wo": _Scheme(2, 0.5, 2, Precision.BF16),
    "sq": _Scheme(1, 1, 2, Precision.INT8),
    "nvfp4": _Scheme(0.5, 0.5, 2, Precision.FP4),
}


def read_gemm_records(path: Path) -> MeasuredOps:
    """Read a file of recorded products.

    Products with equal n and k share their weights, and neighbouring m share kernels: they count
    as one cluster.

    Raises
    ------
    FormatError
        If it is no such file, or a row has no meaning; the message names file, row and column.
    """
    table = _read(path)
    dtype = np.asarray(table["gemm_dtype"].to_pylist(), np.str_)
    if unknown := sorted(set(np.unique(dtype).tolist()) - set(_SCHEMES)):
        raise FormatError(
            f"{path}: gemm_dtype {unknown[0]!r} is not known; known are {', '.join(_SCHEMES)}"
        )
    m, n, k, latency_ms = (_positive(path, table, name) for name in _COLUMNS[1:])
    bytes_moved = np.zeros(len(dtype))
    for name, scheme in _SCHEMES.items():
        of = dtype == name
        sizes = {"a_size": scheme.a_size, "b_size": scheme.b_size, "c_size": scheme.c_size}
        bytes_moved[of] = gemm_compulsory_bytes(m[of], n[of], k[of], **sizes)
    cluster = np.unique(np.stack([n, k]), axis=1, return_inverse=True)[1].reshape(-1)
    return MeasuredOps(
        source=str(path),
        system=_system(table),
        conditions="",
        dtype=dtype,
        precisions={name: scheme.precision for name, scheme in _SCHEMES.items()},
        flops=np.asarray(gemm_flops(m, n, k)),
        bytes_moved=bytes_moved,
        time_s=latency_ms * 1e-3,
        cluster=cluster,
        cache_bytes=0.0,
        labels=lambda row: f"{dtype[row]} m={m[row]:.0f} n={n[row]:.0f} k={k[row]:.0f}",
    )


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in _COLUMNS if name not in names]:
                raise FormatError(
                    f"{path}: no column {missing[0]!r}: recorded products have the columns "
                    f"{', '.join(_COLUMNS)}, this file has {', '.join(names)}"
                )
            table = file.read(columns=[*_COLUMNS, *({"device"} & set(names))])
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise FormatError(f"{path} is not a Parquet file: {error}") from error
    if not table.num_rows:
        raise FormatError(f"{path}: it has no rows")
    return table


def _positive(
    path: Path, table: pa.Table, name: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        values = np.asarray(table[name].cast(pa.float64()).to_numpy())
    except pa.ArrowException as error:
        raise FormatError(f"{path}: column {name!r} does not hold numbers: {error}") from error
    if bad := np.flatnonzero(~(np.isfinite(values) & (values > 0))).tolist():
        raise FormatError(
            f"{path}: row {bad[0]}: {name} = {values[bad[0]]:g} must be above 0 "
            f"({len(bad)} such rows)"
        )
    return values


def _system(table: pa.Table) -> str:
    if "device" not in table.column_names:
        return "GPU"
    names = pc.unique(table["device"].combine_chunks()).to_pylist()
    return ", ".join(str(name) for name in names)
