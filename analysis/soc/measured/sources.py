"""Measured ops of several origins, and the processor that they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.soc.measured.assessment import NOISE, Assessment
from analysis.soc.measured.ceilings import MeasuredCeilings, measured_ceilings
from analysis.soc.measured.gemm_records import read_gemm_records
from analysis.soc.measured.measured_ops import MeasuredOps, read_sweep
from analysis.soc.models.marker import Marker
from analysis.soc.models.performance import Processor
from analysis.soc.workload.machine import Machine
from analysis.units import count
from farm.errors import UsageError

_RECORDS_SUFFIX = ".parquet"
_LONGEST_NAME = 24


@dataclass(frozen=True, eq=False)
class MeasuredSources:
    """What was measured, and what it is held against.

    Attributes
    ----------
    ops : tuple of MeasuredOps
        One per source.
    processor : Processor
        A published chip, or the ceilings that the sources show.
    cache_bytes : float
        Its last-level cache; 0 where it is not known.
    measured : MeasuredCeilings or None
        The ceilings with their uncertainty, where the sources show them.
    """

    ops: tuple[MeasuredOps, ...]
    processor: Processor
    cache_bytes: float
    measured: MeasuredCeilings | None


def read_sources(paths: Sequence[Path], chip: Processor | None = None) -> MeasuredSources:
    """Read sweep directories and files of recorded products.

    Parameters
    ----------
    paths : sequence of Path
        A file that ends in ``.parquet`` holds recorded products, anything else is a sweep.
    chip : Processor, optional
        The chip that measured; where it is missing, sweeps of copies and of products show the
        ceilings themselves.

    Raises
    ------
    FarmError
        If something cannot be read, or the ceilings do not show.
    """
    records = [path for path in paths if path.suffix == _RECORDS_SUFFIX]
    if records and chip is None:
        raise no_ceilings(records[0])
    ops = read_ops([path for path in paths if path not in records], records)
    if chip is None:
        measured = measured_ceilings(ops)
        return MeasuredSources(ops, measured.processor, measured.cache_bytes, measured)
    cache_bytes = Machine.of(chip).cache_bytes
    return MeasuredSources(ops, chip, cache_bytes if np.isfinite(cache_bytes) else 0.0, None)


def read_ops(sweeps: Sequence[Path], records: Sequence[Path]) -> tuple[MeasuredOps, ...]:
    """Read sweep directories, and files of recorded products.

    Raises
    ------
    FarmError
        If something cannot be read, or is given twice.
    """
    paths = [path.resolve() for path in (*sweeps, *records)]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise UsageError(f"{twice[0]} is given twice; every op must count once")
    return (*(read_sweep(p) for p in sweeps), *(read_gemm_records(p) for p in records))


def no_ceilings(records: Path) -> UsageError:
    """Say that recorded products need a chip."""
    return UsageError(
        f"{records}: recorded products do not show the ceilings of the chip; name it, such as "
        f"--chip h100"
    )


def markers_of(ops: MeasuredOps) -> list[Marker]:
    """Put measured ops on a roofline; those without flops have no place there."""
    name = Path(ops.source).name
    precision = {dtype: ops.precision(dtype) for dtype in ops.dtypes if dtype in ops.precisions}
    return [
        Marker(
            name=ops.labels(row),
            flops=float(ops.flops[row]),
            n_bytes=float(ops.bytes_moved[row]),
            time_s=float(ops.time_s[row]),
            precision=precision[str(ops.dtype[row])],
            group=f"{name} {ops.dtype[row]}" if len(name) <= _LONGEST_NAME else str(ops.dtype[row]),
        )
        for row in np.flatnonzero(ops.flops > 0).tolist()
    ]


def above_note(assessments: Sequence[Assessment], cache_bytes: float) -> list[str]:
    """Say why ops lie above the roofline, where any do and can."""
    n_above = sum(one.n_above for one in assessments)
    n_impossible = sum(int(one.is_impossible.sum()) for one in assessments)
    if not n_above - n_impossible:
        return []
    n_noise = sum(
        int(np.sum((one.efficiency > 1) & (one.efficiency <= 1 + NOISE))) for one in assessments
    )
    n_cache = n_above - n_impossible - n_noise
    reasons = []
    if n_cache > 0:
        reasons.append(
            f"{count(n_cache)} took data from the last-level cache of {cache_bytes / 1e6:.3g} MB, "
            f"which the roofline of the memory does not know"
        )
    if n_noise > 0:
        reasons.append(f"{count(n_noise)} are within {100 * NOISE:.0f} %, the noise")
    return [f"Above 100 %: {count(n_above)} ops; {'; '.join(reasons)}."]
