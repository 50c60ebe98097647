"""Read the rows of one operation from a sweep file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from analysis.op_model.sweep_files.names import parse_sweep_name
from analysis.op_model.sweep_files.reader import SweepTable, read_sweep
from farm.errors import UsageError


def read_chosen(path: Path, arch: str | None, op: str | None) -> SweepTable:
    """Read a sweep, or its rows of one operation.

    Parameters
    ----------
    path : Path
        The file.
    arch : str, optional
        Architecture, if the file does not tell it.
    op : str, optional
        Operation, with its attributes, such as ``exp_approx``: chooses the rows of it in a file
        of several operations, else says what the file's rows are.

    Raises
    ------
    UsageError, FormatError
        As `read_sweep`.
    """
    if op is None:
        return read_sweep(path, arch)
    name = parse_sweep_name(Path(op))
    sweep = read_sweep(path, arch)
    warnings = list(sweep.warnings)
    if name.op not in sweep.ops and sweep.tells_op:
        raise UsageError(f"--op {op}: {path} has rows of {', '.join(sweep.ops)}, and none of it")
    if name.op not in sweep.ops:
        warnings.append(f"{path} is of {', '.join(sweep.ops)}; it is taken for {name.op}")
        sweep = read_sweep(path, arch, name.op)
    rows = (sweep.frame["op"] == name.op).to_numpy()
    frame = sweep.frame[rows].reset_index(drop=True)
    if name.approx:
        frame["approx"] = True
    if name.l1_accumulate:
        frame["l1_accumulate"] = True
    if name.attribute:
        frame["attribute"] = name.attribute
    cells = sweep.cells[rows].reset_index(drop=True)
    return replace(sweep, frame=frame, cells=cells, warnings=tuple(warnings))
