"""From measured sweep directories to raw CSV files, and lists of failed tests beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from analysis.op_model.run_sweep.operation_results import operation_results
from analysis.op_model.run_sweep.sweep_folder import Part
from analysis.op_model.sweep_files.writer import csv_text
from farm.errors import FormatError
from farm.store.directory import SweepDirectory
from farm.store.disk_access import StoreAccess
from farm.store.files import TEMPORARY
from farm.store.local_files import LocalFiles
from farm.store.manifest import Manifest
from sweeps.op_model.operation import SHAPE_PARTS, Operation


def export(parts: Iterable[Part], operations: Sequence[Operation], raw: Path) -> list[str]:
    """Write the raw CSV files of operations, and for each a list of its failed tests.

    Parameters
    ----------
    parts : Iterable of Part
        Completed sweep directories that hold the operations.
    operations : Sequence of Operation
        The operations.
    raw : Path
        Folder of the files.

    Returns
    -------
    list of str
        Which operations have no configuration that fits a core, and why.

    Raises
    ------
    FarmError
        If a directory is damaged, or the disk refuses.
    """
    warnings = []
    wanted = {operation.op_name: operation for operation in operations}
    with StoreAccess("make", raw):
        raw.mkdir(parents=True, exist_ok=True)
    files = LocalFiles(raw)
    for part in parts:
        directory = SweepDirectory.open(part.path)
        results = operation_results(directory)
        warnings += _without_tests(directory.manifest, wanted)
        for name in wanted.keys() & results.keys():
            operation, rows = wanted[name], results[name]
            files.replace(operation.data_file, csv_text(operation, rows).encode())
            failed = [
                {"Test-ID": i, **_failure(row)}
                for i, row in enumerate(rows)
                if row["cycles"] is None
            ]
            path = failed_tests_path(raw, operation)
            if failed:
                text = yaml.safe_dump(failed, sort_keys=False, width=1000)
                files.replace(path.name, text.encode())
            else:
                path.unlink(missing_ok=True)
    _remove_empty(raw / TEMPORARY)
    return warnings


def _without_tests(manifest: Manifest, wanted: Collection[str]) -> list[str]:
    """Say which operations have no configuration that fits a core, and why."""
    said = []
    for suite in manifest.suites:
        if suite["name"] in wanted and not suite["n_vectors"]:
            reasons = [f"{reason} ({n})" for reason, n in suite["rejected"].items() if n]
            said.append(f"{suite['name']} has no configuration to measure: {'; '.join(reasons)}")
    return said


def failed_tests_path(raw: Path, operation: Operation) -> Path:
    """Where the failed tests of an operation are listed."""
    return raw / f"{operation.data_file.removesuffix('.csv')}-failed.yaml"


def failure_reasons(raw: Path, operation: Operation) -> dict[str, int]:
    """Count the failed tests of an operation by status and reason; none where nothing is listed.

    Raises
    ------
    FormatError
        If the list is damaged.
    """
    path = failed_tests_path(raw, operation)
    if not path.exists():
        return {}
    try:
        failed = yaml.safe_load(path.read_text())
        return dict(Counter(f"{test['status']}: {test['reason']}" for test in failed))
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: no list of failed tests: {error}") from error


def _failure(row: Mapping[str, Any]) -> dict[str, Any]:
    axes = ("input_format", "output_format", "fidelity", "vector_mode")
    return {
        "status": row["status"],
        "reason": row["reason"],
        **{axis: row[axis] for axis in axes},
        **{part: row[part] for part in SHAPE_PARTS if row[part]},
    }


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
