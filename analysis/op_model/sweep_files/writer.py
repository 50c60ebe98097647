"""Write the raw CSV file of a swept operation, in the columns that such files have always had.

One row per configuration: ``Test-ID``, what is special to the type of operation, ``math_fidelity``,
ten columns per operand, and the metrics of the run, which cover all inputs of a launch.  A failed
test has ``N/A`` in every metric.  What a device of the farm does not report is ``N/A`` for every
test: utilisation of the math unit, and bandwidths of the steady state.

Bandwidths across the whole runtime are ``tiles * bytes of a tile * inputs / runtime``, in GB/s.
Products of sparse matrices have the short header, with cycles per input in ``runtime``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.op_model.formats import INTEGERS, TILE_BYTES
from sweeps.op_model.operation import (
    MOST_BLOCK_TILES,
    MOST_INTEGER_BLOCK_TILES,
    Operation,
)

NOT_MEASURED = "N/A"
N_SPLICED = 3
"""Inputs of a splice."""

_OPERAND_COLUMNS = (
    "df",
    "t",
    "grid_size_r",
    "grid_size_c",
    "mb_r",
    "mb_c",
    "ub_r",
    "ub_c",
    "ublock_order",
    "buf_size_mb",
)
_METRICS = (
    "first-input-idx-recorded",
    "last-input-idx-recorded",
    "average-math-utilization-all-inputs",
    "total-runtime",
    "input0-bw",
    "input1-bw",
    "output-bw",
    "input0-bw-across-cores-total-runtime",
    "input1-bw-across-cores-total-runtime",
    "output-bw-across-cores-total-runtime",
)
_ROW_OF_BLOCKS, _BUFFERS = "r", 2
_ZERO_POINT = 1

Row = Mapping[str, Any]
"""One configuration: axes and features of the sweep, parts of the shape by name, `cycles` of a
launch (None: it failed) and `clock_hz`."""


def csv_text(operation: Operation, rows: Sequence[Row]) -> str:
    """Return the text of an operation's CSV file, rows in the order given."""
    tables = [_cells(operation, test_id, row) for test_id, row in enumerate(rows)]
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(list(tables[0]))
    writer.writerows(list(cells.values()) for cells in tables)
    return sink.getvalue()


def _cells(operation: Operation, test_id: int, row: Row) -> dict[str, Any]:
    if operation.op == "matmul_sparse":
        return _sparse_cells(test_id, row)
    operands = _operands(operation, row)
    return {
        "Test-ID": test_id,
        **_leading(operation, row),
        "math_fidelity": row["fidelity"],
        **{
            f"{name}_{column}": cell
            for name, cells in operands.items()
            for column, cell in zip(_OPERAND_COLUMNS, cells, strict=True)
        },
        **_trailing(operation, row),
        **dict(zip(_METRICS, _metrics(operands, row), strict=True)),
    }


def _leading(operation: Operation, row: Row) -> dict[str, Any]:
    match operation.op_type:
        case "unary":
            own = {"Unary-Type": operation.op, "Vector-Mode": row["vector_mode"]}
            if len(operation.values()["approx"]) > 1:
                own["Approximate-Mode"] = row["approx"]
            return own
        case "binary":
            return {"Binary-Type": operation.op}
        case "quant":
            return {"quant_type": operation.op, "zero_point": _ZERO_POINT}
        case _:
            return {}


def _trailing(operation: Operation, row: Row) -> dict[str, Any]:
    if operation.op == "matmul":
        return {
            "mblock_k": row["mblock_k"],
            "ublock_kt": row["ublock_kt"],
            "l1_acc": row["l1_accumulate"],
        }
    if operation.op == "splice":
        length = row["mblock_n"] // N_SPLICED
        return {
            f"input{i}_{part}": cell
            for i in range(N_SPLICED)
            for part, cell in (("index", 0), ("length", length), ("stride", length))
        }
    return {}


def _operands(operation: Operation, row: Row) -> dict[str, tuple[Any, ...]]:
    """Cells of each operand, see `_OPERAND_COLUMNS`; the output comes last."""
    m, n, r, c = (row[name] for name in ("mblock_m", "mblock_n", "ublock_rt", "ublock_ct"))
    given, result = row["input_format"], row["output_format"]

    def cells(data_format: str, *blocks: int) -> tuple[Any, ...]:
        return (data_format, row["t"], 1, 1, *blocks, _ROW_OF_BLOCKS, _BUFFERS)

    output = {"output": cells(result, m, n, r, c)}
    match operation.op_type:
        case "unary":
            return {"input0": cells(given, m, n, r, c), **output}
        case "quant":
            # The second operand holds the scales.
            scales = cells("Float32", m, n, r, c)
            return {"input0": cells(given, m, n, r, c), "input1": scales, **output}
        case "matmul" | "matmul_l1_acc":
            depth = row["mblock_k"] * row["ublock_kt"]
            across, down = _fed_tiles(row, r), _fed_tiles(row, c)
            left = cells(given, m, depth // across, r, across)
            right = cells(given, depth // down, n, down, c)
            return {"input0": left, "input1": right, **output}
        case "splice":
            part = cells(given, m, n // N_SPLICED, r, c)
            return {**{f"input{i}": part for i in range(N_SPLICED)}, **output}
        case _:
            both = cells(given, m, n, r, c)
            return {"input0": both, "input1": both, **output}


def _fed_tiles(row: Row, other_edge: int) -> int:
    """Tiles along the inner dimension of a block of an operand, as the core that feeds it has it.

    That core has a destination register, too, which blocks of `ublock_kt` tiles may not fit.
    """
    is_whole = bool({row["input_format"], row["output_format"]} & set(INTEGERS))
    most = (MOST_INTEGER_BLOCK_TILES if is_whole else MOST_BLOCK_TILES) // other_edge
    inner: int = row["ublock_kt"]
    return max((n for n in range(1, inner + 1) if inner % n == 0 and n <= most), default=1)


def _metrics(operands: Mapping[str, tuple[Any, ...]], row: Row) -> list[Any]:
    if row["cycles"] is None:
        return [NOT_MEASURED] * len(_METRICS)
    n_inputs, cycles = row["input_count"], round(row["cycles"])
    runtime_ns = cycles / row["clock_hz"] * 1e9
    bandwidths = [
        _bytes(operands[name]) * n_inputs / runtime_ns if name in operands else NOT_MEASURED
        for name in ("input0", "input1", "output")
    ]
    unknown = [NOT_MEASURED] * 3
    return [0, n_inputs - 1, NOT_MEASURED, cycles, *unknown, *bandwidths]


def _bytes(cells: tuple[Any, ...]) -> int:
    data_format, t, _, _, *blocks = cells[:8]
    n_tiles: int = t * math.prod(blocks)
    return TILE_BYTES[data_format] * n_tiles


def _sparse_cells(test_id: int, row: Row) -> dict[str, Any]:
    cycles = row["cycles"]
    runtime = NOT_MEASURED if cycles is None else round(cycles / row["input_count"], 3)
    return {
        "test_id": test_id,
        "input0_df": row["input_format"],
        "input1_df": row["output_format"],
        "output_df": row["output_format"],
        "math_fidelity": row["fidelity"],
        "output_t": row["t"],
        "output_mb_r": row["mblock_m"],
        "output_mb_c": row["mblock_n"],
        "output_ub_r": row["ublock_rt"],
        "output_ub_c": row["ublock_ct"],
        "mblock_k": row["mblock_k"],
        "ublock_kt": row["ublock_kt"],
        "nz_strips": row["nz_strips"],
        "nz_ublocks": row["nz_ublocks"],
        "nz_tiles": row["nz_tiles"],
        "runtime": runtime,
    }
