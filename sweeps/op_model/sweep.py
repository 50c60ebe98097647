"""One sweep of many operations: a suite each, and the limits of a Tensix core as rules.

A launch runs an operation on ``input_count`` inputs, one after the other, on one core.  An input is
a tensor of ``t`` slices of ``mblock_m x mblock_n`` blocks of ``ublock_rt x ublock_ct`` tiles of
32 x 32 data; matrix products add up ``mblock_k`` steps of ``ublock_kt`` tiles.

The rules admit exactly the configurations of the public recordings of these sweeps.  Both limits on
the operands of matrix products were found from those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from sweeps.axis import Axis, AxisKind, Value
from sweeps.columns import Array, Columns
from sweeps.errors import SpecError
from sweeps.op_model.catalogue import DEFAULT_OPERATIONS
from sweeps.op_model.formats import BLOCK_FLOATS, INTEGERS, NARROW_BLOCK_FLOATS, TILE_BYTES
from sweeps.op_model.op_types import DEFAULT_INPUT_COUNT
from sweeps.op_model.operation import (
    MOST_BLOCK_TILES,
    MOST_INTEGER_BLOCK_TILES,
    OUTPUT_BUFFER_BYTES,
    SHAPE_PARTS,
    Operation,
)
from sweeps.space import Feature, Rule, Sweep
from sweeps.vector import canonical_json

OP = "op_model"
"""What devices know these vectors by."""

ARCHES = ("grayskull", "wormhole_b0", "blackhole")
DEFAULT_ARCH = "wormhole_b0"
INTEGER_ARCHES = ("wormhole_b0",)
"""Architectures that compute on whole numbers."""

OPERAND_BUFFER_BYTES = 1 << 20
"""L1 memory of one core that the buffers of a matrix product may take."""


def runs_on(operation: Operation, arch: str) -> bool:
    """Whether an architecture can compute any of the formats of an operation."""
    return arch in INTEGER_ARCHES or not all(
        set(pair) & set(INTEGERS) for pair in operation.formats
    )


def _tile_bytes(format_names: Array) -> Array:
    n_bytes = np.zeros(format_names.shape, np.int64)
    for name, size in TILE_BYTES.items():
        n_bytes[format_names == name] = size
    return n_bytes


def _is_integer(c: Columns) -> Array:
    return np.isin(c["input_format"], INTEGERS) | np.isin(c["output_format"], INTEGERS)


def _block_tiles(c: Columns) -> Array:
    return c["shape.ublock_rt"] * c["shape.ublock_ct"]


def _output_tiles(c: Columns) -> Array:
    """Tiles of one slice of the output."""
    return c["shape.mblock_m"] * c["shape.mblock_n"] * _block_tiles(c)


def _fidelity_suits(lofi_is_swept: Array, c: Columns) -> Array:
    is_lofi = c["fidelity"] == "LoFi"
    is_block = np.isin(c["output_format"], BLOCK_FLOATS)
    is_narrow = np.isin(c["output_format"], NARROW_BLOCK_FLOATS)
    return np.where(is_lofi, is_block, ~is_narrow & ~(is_block & lofi_is_swept))


def _blocks_fit(c: Columns) -> Array:
    most = np.where(_is_integer(c), MOST_INTEGER_BLOCK_TILES, MOST_BLOCK_TILES)
    return _block_tiles(c) <= most


def _output_fits(c: Columns) -> Array:
    n_bytes = np.maximum(_tile_bytes(c["input_format"]), _tile_bytes(c["output_format"]))
    is_product = c["shape.mblock_k"] > 0
    n_bytes = np.where(is_product, _tile_bytes(c["output_format"]), n_bytes)
    return 2 * n_bytes * _output_tiles(c) <= OUTPUT_BUFFER_BYTES


def _operands_fit(c: Columns) -> Array:
    """Operands as wholes in the cores that feed them; one step of both, and the output, here."""
    rows = c["shape.mblock_m"] * c["shape.ublock_rt"]
    columns = c["shape.mblock_n"] * c["shape.ublock_ct"]
    per_step, n_steps = c["shape.ublock_kt"], c["shape.mblock_k"]
    buffers = 2 * _tile_bytes(c["input_format"])
    fed = buffers * np.maximum(rows, columns) * n_steps * per_step
    output = _tile_bytes(c["output_format"]) * _output_tiles(c)
    here = buffers * (rows + columns) * per_step + output
    is_dense = c["shape.nz_tiles"] == 0
    return ~is_dense | (np.maximum(fed, here) <= OPERAND_BUFFER_BYTES)


def _tiles(c: Columns) -> Array:
    return c["shape.t"] * _output_tiles(c)


def _math_tiles(c: Columns) -> Array:
    """Tiles that the math unit works on: of the output, or pairs of tiles of a product."""
    steps = np.maximum(c["shape.mblock_k"] * c["shape.ublock_kt"], 1)
    pairs = c["shape.nz_tiles"] * c["shape.mblock_n"] * c["shape.ublock_ct"]
    return np.where(c["shape.nz_tiles"] > 0, pairs, _tiles(c) * steps)


def sweep_of(operations: Sequence[Operation]) -> Sweep:
    """Declare the sweep of some operations.

    Parameters
    ----------
    operations : Sequence of Operation
        With distinct names.

    Raises
    ------
    SpecError
        If there are none, or two have one name or one data file.
    """
    for role in ("op_name", "data_file"):
        names = [getattr(operation, role) for operation in operations]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SpecError(f"two operations have the {role} {twice!r}; give one another")
    by_name = {operation.op_name: operation for operation in operations}
    values = {name: operation.values() for name, operation in by_name.items()}

    def union(axis: str) -> list[Value]:
        return list(dict.fromkeys(value for own in values.values() for value in own[axis]))

    def names_where(is_wanted: Sequence[bool]) -> list[str]:
        return [name for name, wanted in zip(by_name, is_wanted, strict=True) if wanted]

    with_lofi = names_where(["LoFi" in operation.fidelities for operation in operations])

    def formats_belong(c: Columns) -> Array:
        return np.any(
            [
                (c["operation"] == name) & (c["input_format"] == i) & (c["output_format"] == o)
                for name, operation in by_name.items()
                for i, o in operation.formats
            ],
            axis=0,
        )

    digest = hashlib.sha256(canonical_json([operation.as_json() for operation in operations]))
    return Sweep(
        name="op-model",
        op=OP,
        version=f"1 {digest.hexdigest()[:16]}",
        axes=(
            Axis.choice("operation", by_name),
            Axis.choice("arch", [DEFAULT_ARCH]),
            Axis.ints("input_count", [DEFAULT_INPUT_COUNT]),
            *(
                Axis.choice(name, [str(value) for value in union(name)])
                for name in ("input_format", "output_format", "fidelity", "vector_mode")
            ),
            Axis.flags("approx"),
            Axis.flags("l1_accumulate"),
            Axis("shape", AxisKind.SHAPE, tuple(union("shape")), SHAPE_PARTS),
        ),
        suite_by=("operation",),
        suite_values=lambda pinned: values[str(pinned["operation"])],
        rules=(
            Rule("no such output of this input format", formats_belong),
            Rule(
                "the math fidelity is not for the format",
                lambda c: _fidelity_suits(np.isin(c["operation"], with_lofi), c),
            ),
            Rule(
                f"whole numbers need {' or '.join(INTEGER_ARCHES)}",
                lambda c: np.isin(c["arch"], INTEGER_ARCHES) | ~_is_integer(c),
            ),
            Rule("a block has more tiles than the destination register", _blocks_fit),
            Rule("the output does not fit L1", _output_fits),
            Rule("the operands do not fit L1", _operands_fit),
        ),
        features=(Feature("tiles", _tiles), Feature("math_tiles", _math_tiles)),
        group_by=("operation", "input_format", "output_format", "fidelity", "vector_mode"),
        size="math_tiles",
        repeats=3,
        timeout_s=60.0,
        chunk_rows=64,
    )


SWEEP = sweep_of(DEFAULT_OPERATIONS)
