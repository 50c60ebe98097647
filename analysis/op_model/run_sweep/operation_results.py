"""What the farm measured of each operation of an ``op-model`` sweep, in cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm.errors import UsageError
from farm.outcome import Status
from farm.store.directory import SweepDirectory
from sweeps.op_model.operation import SHAPE_PARTS

CLOCKS = ("aiclk", "max", "current")
"""Clocks of a device that count cycles, the first that it has."""

_AXES = (
    "input_count",
    "input_format",
    "output_format",
    "fidelity",
    "vector_mode",
    "approx",
    "l1_accumulate",
)


def operation_results(directory: SweepDirectory) -> dict[str, list[dict[str, Any]]]:
    """Read the configurations of each operation with what became of them.

    Returns
    -------
    dict
        Operation name -> rows in the order of the sweep: axes and parts of the shape by name,
        `status`, `reason` (None where it was measured), `cycles` of a launch, the median of its
        repeats (None where it was not), and `clock_hz`.

    Raises
    ------
    DamagedStoreError
        If a file is damaged.
    UsageError
        If a device does not say how fast its clock is.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    committed = directory.committed()
    for chunk in directory.chunks():
        if chunk.chunk_id not in committed:
            continue
        clock_hz = clock_of(directory.result_meta(chunk.chunk_id).device)
        vectors = directory.vectors(chunk.chunk_id).select(["operation", "shape", *_AXES])
        outcomes = directory.outcomes(chunk.chunk_id).select(["status", "reason", "median_ns"])
        for vector, outcome in zip(vectors.to_pylist(), outcomes.to_pylist(), strict=True):
            is_ok = outcome["status"] == Status.OK
            row = dict(zip(SHAPE_PARTS, vector.pop("shape"), strict=True)) | vector
            row |= {
                "status": outcome["status"],
                "reason": outcome["reason"],
                "cycles": outcome["median_ns"] * clock_hz / 1e9 if is_ok else None,
                "clock_hz": clock_hz,
            }
            found.setdefault(row.pop("operation"), []).append(row)
    return found


def clock_of(device: Mapping[str, Any]) -> float:
    """Choose the clock that counts a device's cycles, in Hz.

    Raises
    ------
    UsageError
        If it has none.
    """
    clocks_hz = device.get("clocks_hz", {})
    for name in CLOCKS:
        if clocks_hz.get(name, 0) > 0:
            return float(clocks_hz[name])
    raise UsageError(
        f"{device.get('card')} does not say how fast its clock is ({', '.join(CLOCKS)}), so that "
        f"its durations are no cycles"
    )
