"""Read raw op sweeps, of every generation of their format, into one canonical table.

A sweep is a CSV file in UTF-8, with or without byte-order mark, with LF or CRLF: one header row,
then one row per configuration.  Two families of headers name the same things:

================== ============================= ================================
canonical          long (one block per operand)  short
================== ============================= ================================
t                  output_t                      t
mblock_m, mblock_n output_mb_r, output_mb_c      mblock_m, mblock_n
ublock_rt, _ct     output_ub_r, output_ub_c      ublock_rt, ublock_ct
mblock_k           mblock_k                      m_k
ublock_kt          ublock_kt                     u_kt
reduce_z           input0_t / output_t           z
runtime_cycles     total-runtime / inputs        runtime
================== ============================= ================================

The target is cycles per input: the column ``runtime`` where there is one; else, in a verbose
report, the runtime of the last input on the slowest core; else the total runtime divided by the
recorded inputs.  The operation, approximation, L1 accumulation and the architecture come from
columns where there are some, else from the file's name and folder.  A failed test has ``N/A`` in
its metrics: its row is dropped and named in `SweepTable.dropped`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.op_model.sweep_files.cells import Columns, parse_number, read_cells, unique_names
from analysis.op_model.sweep_files.names import ARCHITECTURES, SweepName, parse_sweep_name
from farm.errors import FormatError, UsageError

NOT_MEASURED = frozenset({"", "n/a", "na", "nan", "none"})

# canonical name -> names in files, the preferred one first
_DIMENSIONS = {
    "t": ("t", "output_t"),
    "mblock_m": ("mblock_m", "output_mb_r"),
    "mblock_n": ("mblock_n", "output_mb_c"),
    "ublock_rt": ("ublock_rt", "output_ub_r"),
    "ublock_ct": ("ublock_ct", "output_ub_c"),
}
_OPTIONAL_INTEGERS = {
    "mblock_k": (("mblock_k", "m_k", "mb_inner"), 0),
    "ublock_kt": (("ublock_kt", "u_kt", "ub_inner"), 0),
    "nz_tiles": (("nz_tiles",), 0),
    "nz_ublocks": (("nz_ublocks",), -1),
    "nz_strips": (("nz_strips",), -1),
}
_OP_COLUMNS = ("op", "Unary-Type", "Binary-Type", "quant_type")
_APPROX_COLUMNS = ("approx", "Approximate-Mode", "approximate_mode")
_TEST_ID_COLUMNS = ("Test-ID", "test_id")
_VECTOR_MODES = {"rc": "rc", "r": "r", "c": "c", "1": "rc", "2": "r", "3": "c"}
_LAST_INPUT = "runtime-last-input"

CANONICAL_COLUMNS = (
    "op",
    *_DIMENSIONS,
    "mblock_k",
    "ublock_kt",
    "reduce_z",
    "nz_tiles",
    "nz_ublocks",
    "nz_strips",
    "input_format",
    "output_format",
    "fidelity",
    "vector_mode",
    "approx",
    "l1_accumulate",
    "attribute",
    "arch",
    "runtime_cycles",
)


@dataclass(frozen=True)
class DroppedRow:
    """A row without a measurement.

    Attributes
    ----------
    line : int
        Line of the file, from 1.
    test_id : str
        Test-ID of the row; empty where the file has none.
    reason : str
        Why it was dropped.
    """

    line: int
    test_id: str
    reason: str


@dataclass(frozen=True, eq=False)
class SweepTable:
    """The measured rows of one sweep file.

    Attributes
    ----------
    path : Path
        The file.
    header : tuple of str
        Column names as the file has them, in order; they may repeat.
    cells : DataFrame
        Every cell of the n measured rows as text, columns in file order; a repeated name has
        ``.1``, ``.2``, ... appended.
    frame : DataFrame
        The n measured rows under `CANONICAL_COLUMNS`.
    dropped : tuple of DroppedRow
        Rows without a measurement.
    warnings : tuple of str
        What was assumed, or limits the data's worth.
    """

    path: Path
    header: tuple[str, ...]
    cells: pd.DataFrame
    frame: pd.DataFrame
    dropped: tuple[DroppedRow, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def arch(self) -> str:
        """Architecture; empty where unknown."""
        return str(self.frame["arch"].iloc[0])

    @property
    def tells_op(self) -> bool:
        """Whether a column says which operation a row is of."""
        return bool(set(_OP_COLUMNS) & set(self.header))

    @property
    def ops(self) -> tuple[str, ...]:
        """The file's operations, in order of appearance."""
        return tuple(dict.fromkeys(self.frame["op"]))

    def __len__(self) -> int:
        return len(self.frame)


class NothingMeasuredError(FormatError):
    """All tests of a sweep failed.

    Attributes
    ----------
    n_rows : int
        How many.
    """

    def __init__(self, path: Path, n_rows: int) -> None:
        super().__init__(f"{path}: none of its {n_rows} rows was measured")
        self.n_rows = n_rows


def read_sweep(path: Path, arch: str | None = None, op: str | None = None) -> SweepTable:
    """Read a sweep file.

    Parameters
    ----------
    path : Path
        The file.
    arch : str, optional
        Architecture; by default as the file says, else its name or folder.
    op : str, optional
        Operation; by default as the file says, else its name.

    Raises
    ------
    UsageError
        If the file cannot be opened, or `arch` is unknown.
    FormatError
        If it is no sweep, a row has too few or too many cells, a cell is not what its column
        holds, or no row was measured (`NothingMeasuredError`).
    """
    if arch is not None and arch not in ARCHITECTURES:
        raise UsageError(f"unknown architecture {arch!r}; there are {', '.join(ARCHITECTURES)}")
    header, rows, lines = read_cells(path)
    missing = _missing_columns(header)
    if missing:
        raise FormatError(f"{path} is not an op sweep: it has no column {missing}")
    names = unique_names(header)
    cells = pd.DataFrame(rows, columns=names, dtype=str)
    measured, dropped = _split(path, cells, lines)
    if not measured.any():
        raise NothingMeasuredError(path, len(rows))
    cells = cells[measured].reset_index(drop=True)
    columns = Columns(path, cells, [line for line, ok in zip(lines, measured, strict=True) if ok])
    name = parse_sweep_name(path)
    frame, warnings = _canonical(columns, name, arch, op)
    return SweepTable(path, tuple(header), cells, frame, tuple(dropped), tuple(warnings))


def find_sweeps(paths: Sequence[Path]) -> list[Path]:
    """List the sweep files among files and folders; every folder is searched in depth.

    A file that is named itself is taken as it is; in a folder, CSV files that are no sweeps are
    passed over.

    Raises
    ------
    UsageError
        If a path does not exist, or a folder holds no sweep.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*.csv")) if is_sweep(file)]
            if not inside:
                raise UsageError(f"{path}: no op sweep (a CSV file) in this folder")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such file or folder")
    return list(dict.fromkeys(found))


def is_sweep(path: Path) -> bool:
    """Whether the first line of a file is a header of an op sweep."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return not _missing_columns(header)


def _missing_columns(header: Sequence[str]) -> str:
    """Names of the needed columns that a header lacks; empty for a sweep."""
    have = {name.strip() for name in header}
    missing = [" or ".join(names) for names in _DIMENSIONS.values() if not have & set(names)]
    if not have & {"runtime", _LAST_INPUT, "total-runtime"}:
        missing.append(f"runtime, {_LAST_INPUT} or total-runtime")
    return ", ".join(missing)


def _target_column(cells: pd.DataFrame) -> str:
    if "runtime" in cells:
        return "runtime"
    # A verbose report has one block of metrics for the fastest core, then one for the slowest.
    last_input = [str(name) for name in cells if str(name).split(".")[0] == _LAST_INPUT]
    return last_input[-1] if last_input else "total-runtime"


def _split(
    path: Path, cells: pd.DataFrame, lines: Sequence[int]
) -> tuple[npt.NDArray[np.bool_], list[DroppedRow]]:
    """Which rows were measured, and why the others were not."""
    texts = cells[_target_column(cells)].tolist()
    id_column = next((name for name in _TEST_ID_COLUMNS if name in cells), None)
    test_ids = cells[id_column].tolist() if id_column else [""] * len(cells)
    measured = np.ones(len(cells), dtype=bool)
    dropped = []
    for i, (text, line, test_id) in enumerate(zip(texts, lines, test_ids, strict=True)):
        reason = ""
        if text.lower() in NOT_MEASURED:
            reason = "the test failed: no runtime"
        elif parse_number(text, f"{path}, line {line}, column {_target_column(cells)}") <= 0:
            reason = f"a runtime of {text} cycles"
        if reason:
            measured[i] = False
            dropped.append(DroppedRow(line, test_id, reason))
    return measured, dropped


def _runtime_cycles(columns: Columns) -> npt.NDArray[np.float64]:
    name = _target_column(columns.cells)
    runtime = columns.numbers(name)
    if name != "total-runtime":
        return runtime
    first = columns.integers(("first-input-idx-recorded",), least=0, default=0)
    last = columns.integers(("last-input-idx-recorded",), least=0, default=-1)
    wrong = np.flatnonzero(last < first)
    if wrong.size:
        raise FormatError(
            f"{columns.path}, line {columns.lines[int(wrong[0])]}: total-runtime needs the columns "
            f"first-input-idx-recorded and last-input-idx-recorded to count its inputs"
        )
    return runtime / (last - first + 1)


def _canonical(
    columns: Columns, name: SweepName, arch: str | None, op: str | None
) -> tuple[pd.DataFrame, list[str]]:
    n = len(columns.cells)
    data: dict[str, object] = {}
    for canonical, names in _DIMENSIONS.items():
        data[canonical] = columns.integers(names, least=1)
    for canonical, (optional_names, default) in _OPTIONAL_INTEGERS.items():
        data[canonical] = columns.integers(optional_names, least=default, default=default)
    attributes = columns.texts(("reduce-dim",), name.attribute)
    if columns.find(("z",)):
        attributes = ["z"] * n
    ops, op_warnings = _ops(columns, name, op, attributes)
    data["op"] = ops
    data["attribute"] = attributes
    data["reduce_z"] = _reduce_z(columns, attributes, np.asarray(data["t"]))
    data["input_format"] = columns.texts(("input0_df", "input0", "input_format"), "")
    data["output_format"] = columns.texts(("output_df", "output_format"), "")
    if columns.find(("output_df", "output_format")) is None:
        data["output_format"] = data["input_format"]
    data["fidelity"] = columns.texts(("math_fidelity", "fidelity"), "")
    data["vector_mode"] = columns.words(("Vector-Mode", "vector_mode"), _VECTOR_MODES, "rc")
    data["approx"] = columns.flags(_APPROX_COLUMNS, default=name.approx)
    data["l1_accumulate"] = columns.flags(("l1_acc", "l1_accumulate"), default=name.l1_accumulate)
    chosen_arch = arch or columns.texts(("arch",), name.arch)[0]
    data["arch"] = [chosen_arch] * n
    data["runtime_cycles"] = _runtime_cycles(columns)
    warnings = list(op_warnings)
    if not chosen_arch:
        warnings.append("no folder or column names the architecture: wormhole_b0 is assumed")
        data["arch"] = ["wormhole_b0"] * n
    return pd.DataFrame({column: data[column] for column in CANONICAL_COLUMNS}), warnings


def _ops(
    columns: Columns, name: SweepName, op: str | None, attributes: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Operation of each row, and what was assumed about it."""
    n = len(columns.cells)
    if op is not None:
        return [op] * n, []
    if columns.find(("nz_tiles",)):
        return ["matmul_sparse"] * n, []
    if columns.find(("reduce-dim", "z")):
        return ["reduce_z" if attribute == "z" else "reduce" for attribute in attributes], []
    column = columns.find(_OP_COLUMNS)
    if column is not None:
        return columns.cells[column].tolist(), []
    if columns.find(("mblock_k", "m_k")) and name.op not in {"matmul", "depthwise"}:
        return ["matmul"] * n, [f"taken for a matmul: its name says {name.op!r}"]
    return [name.op] * n, []


def _reduce_z(
    columns: Columns, attributes: Sequence[str], t: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    if columns.find(("z", "reduce_z")):
        return columns.integers(("z", "reduce_z"), least=0)
    is_z = np.array([attribute == "z" for attribute in attributes])
    if not is_z.any() or columns.find(("input0_t",)) is None:
        return np.zeros(len(attributes), dtype=np.int64)
    return np.where(is_z, columns.integers(("input0_t",), least=1) // t, 0)
