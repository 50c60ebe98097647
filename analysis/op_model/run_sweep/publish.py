"""A new version of the weights from what was swept, on top of the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.op_model.parameters.attribute_sets import arranged
from analysis.op_model.parameters.parameter_file import (
    Operations,
    Parameters,
    read_parameters,
    write_parameters,
)
from analysis.op_model.parameters.versions import find_versions, next_version_path
from analysis.op_model.run_sweep.assessment import Swept
from farm.errors import UsageError


def publish(folder: Path, arch: str, results: Sequence[Swept]) -> tuple[Parameters, bool]:
    """Write what was fitted as a new version, together with all else that the newest one has.

    Returns
    -------
    tuple
        The parameters, read back, and whether they are new: no version is written for weights that
        the newest one has already.

    Raises
    ------
    UsageError
        If nothing was fitted.
    FormatError
        If the newest version does not load.
    """
    fits = {(fit.op, fit.set_name): (fit, result) for result in results for fit in result.fits}
    if not fits:
        raise UsageError(
            "no operation was measured, so there are no weights to write; "
            + "; ".join(f"{result.op_name}: {result.problem}" for result in results[:3])
        )
    versions = find_versions(folder).get(arch, {})
    newest = max(versions, default=0)
    before = read_parameters(versions[newest], arch, newest) if newest else None
    known: Operations = before.operations if before else {}
    operations = {op: dict(sets) for op, sets in known.items()}
    records = dict(before.records) if before else {}
    for (op, name), (fit, result) in fits.items():
        operations.setdefault(op, {})[name] = fit.weights
        records[op, name] = fit.record(Path(result.file).name)
    merged = {op: arranged(op, sets) for op, sets in operations.items()}
    if before and merged == before.operations:
        return before, False
    path = next_version_path(folder, arch)
    write_parameters(path, merged, records)
    return read_parameters(path, arch, newest + 1), True
