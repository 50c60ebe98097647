"""How many cycles an operation takes on a simulated card: the estimator, and what it cannot see.

The cycles of one input are the estimator's (`analysis.op_model.estimator.formulas`) with weights
that are invented, but of the size that real cards show, and then what a straight line misses:

* Unpack, math and pack of a block work at the same time, so that the slowest decides: a block is
  never done before its operands are unpacked and its results are packed, and never in less than
  the latency of handing it over.  In matrix products math and unpacking overlap in part.
* A block of more than half the tiles of the destination register leaves no room for the next one:
  packing what is over that cannot overlap with math.
* Operands in wide formats take longer to move, and more phases of fidelity longer to multiply.
* Each input, and each launch, has to fill the pipeline first.

In this module an operation is on ``input_count`` inputs, see `sweeps.op_model.sweep`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.op_model.descriptors.descriptor import Descriptor, Sizes, Traits
from analysis.op_model.descriptors.formats import FIDELITY_PHASES, TILE_BYTES, DataFormat, Fidelity
from analysis.op_model.descriptors.ops import Category, category
from analysis.op_model.estimator.arithmetic import NormalNumber
from analysis.op_model.estimator.formulas import dense_formula, factors
from analysis.op_model.parameters.yaml_mapping import Number
from farm.devices.sim_noise import CLOCK_HZ
from farm.errors import InvalidVectorError, OutOfMemoryError, UnsupportedVectorError, UsageError
from sweeps.op_model.operation import (
    MOST_BLOCK_TILES,
    OUTPUT_BUFFER_BYTES,
    SHAPE_PARTS,
    plain_op,
)

_BLOCK_LATENCY = 290.0
_MOVE_SETUP = 25.0
_MOVE_BYTES_PER_CYCLE = 30.0
"""Setting up a block in unpack or pack, and what they move: cycles, bytes per cycle."""

_FILL_INPUT, _FILL_LAUNCH = 55.0, 900.0
_HALF_DESTINATION_TILES = MOST_BLOCK_TILES // 2
_SPILL_PER_TILE = 24.0
_PHASE_PER_TILE = 4.0
_OVERLAP = 0.6
"""Part of the shorter of math and unpacking that matrix products hide behind the longer one."""
_STRIP_SEEK, _NZ_UBLOCK_SWITCH = 140.0, 31.0

_ARCH_SCALE = {"grayskull": 1.35, "wormhole_b0": 1.0, "blackhole": 0.8}

_ELTWISE_WEIGHTS: Mapping[str, tuple[float, float]] = {
    "nop": (240.0, 45.0),
    "abs": (40.0, 160.0),
    "cosine": (20.0, 1400.0),
    "dropout": (25.0, 520.0),
    "exp": (15.0, 1600.0),
    "gelu": (30.0, 250.0),
    "gelu_derivative": (20.0, 2000.0),
    "log": (20.0, 650.0),
    "lrelu": (35.0, 190.0),
    "power": (30.0, 210.0),
    "reciprocal": (20.0, 900.0),
    "sigmoid": (30.0, 300.0),
    "sine": (20.0, 1300.0),
    "sqrt": (20.0, 830.0),
    "square": (40.0, 150.0),
    "tanh": (25.0, 350.0),
    "add": (200.0, 30.0),
    "subtract": (200.0, 31.0),
    "multiply": (190.0, 33.0),
    "maximum": (20.0, 310.0),
    "quantization": (50.0, 140.0),
    "dequantization": (60.0, 130.0),
    "requantization": (60.0, 450.0),
    "splice": (120.0, 60.0),
}
"""Operation -> cycles per block and per tile."""

_APPROXIMATE_SHARE = 0.45
_VECTOR_SHARE = {"rc": 1.0, "r": 0.15, "c": 0.52}
"""Part of the cycles per tile that approximation, and work on a part of the tile, leave."""

_MATMUL_WEIGHTS: Mapping[str, float] = {
    "m_k_weight": 80.0,
    "ublock_weight": 150.0,
    "tile_weight": 17.0,
    "math_tiles_weight": 16.0,
    "math_dest_spill_weight": 45.0,
    "unpack_ublocks_weight": 90.0,
    "unpack_tiles_weight": 21.0,
}
_SPARSE_WEIGHTS: Mapping[str, float] = {
    "tile_weight": 16.0,
    "reload": 18.0,
    "reload_config": 22.0,
    "reload_wait_pop": 18.0,
    "pack_wait_push": 22.0,
    "pack": 12.0,
    "ublock_decode": 9.0,
    "nz_ublock_decode": 9.0,
    "nz_tile_decode": 11.0,
}


def input_cycles(descriptor: Descriptor) -> float:
    """Cycles of one input, without the filling of the pipeline at the beginning of a launch.

    Raises
    ------
    UnsupportedVectorError
        If the simulated card does not have the operation.
    """
    sizes, traits = descriptor.sizes, descriptor.traits
    weights = _weights(traits)
    estimate = float(dense_formula(traits).cycles(sizes, weights, NormalNumber()))
    match category(traits.op):
        case Category.MATMUL:
            silicon = estimate + _product_effects(sizes, weights)
        case Category.SPARSE:
            silicon = estimate + _STRIP_SEEK * sizes.nz_strips
            silicon += _NZ_UBLOCK_SWITCH * sizes.nz_ublocks * sizes.mblock_n
        case _:
            silicon = estimate + _eltwise_effects(sizes, traits, estimate)
    return _ARCH_SCALE[traits.arch] * silicon + _FILL_INPUT


@lru_cache(maxsize=1 << 12)
def _weights(traits: Traits) -> Mapping[str, Number]:
    kind = category(traits.op)
    numbers = factors(traits)
    if kind is Category.MATMUL:
        return {**numbers, **_MATMUL_WEIGHTS}
    if kind is Category.SPARSE:
        return {**numbers, **_SPARSE_WEIGHTS}
    if traits.op not in _ELTWISE_WEIGHTS:
        raise UnsupportedVectorError(f"the simulated card has no operation {traits.op!r}")
    per_block, per_tile = _ELTWISE_WEIGHTS[traits.op]
    share = _VECTOR_SHARE[traits.vector_mode] * (_APPROXIMATE_SHARE if traits.approx else 1.0)
    return {**numbers, "ublock_weight": per_block, "tile_weight": per_tile * share}


def _move_cycles(n_tiles: int, data_format: str) -> float:
    """Cycles in which unpack or pack moves the tiles of a block."""
    return _MOVE_SETUP + n_tiles * TILE_BYTES[DataFormat(data_format)] / _MOVE_BYTES_PER_CYCLE


def _eltwise_effects(sizes: Sizes, traits: Traits, estimate: float) -> float:
    n_tiles = sizes.ublock_rt * sizes.ublock_ct
    n_blocks = sizes.t * sizes.mblock_m * sizes.mblock_n
    math = estimate / n_blocks
    if traits.op == "multiply":
        math += n_tiles * _PHASE_PER_TILE * (FIDELITY_PHASES[Fidelity(traits.fidelity)] - 1)
    unpack = _move_cycles(n_tiles, traits.input_format)
    pack = _move_cycles(n_tiles, traits.output_format)
    slowest = max(math, unpack, pack, _BLOCK_LATENCY)
    spilled = _SPILL_PER_TILE * max(0, n_tiles - _HALF_DESTINATION_TILES)
    return float(n_blocks * (slowest + spilled) - estimate)


def _product_effects(sizes: Sizes, weights: Mapping[str, Number]) -> float:
    rows, columns, inner = sizes.ublock_rt, sizes.ublock_ct, sizes.ublock_kt
    math = rows * columns * inner * weights["phases"] * weights["math_tiles_weight"]
    unpack = weights["unpack_ublocks_weight"]
    unpack += inner * rows * (1 + columns) * weights["unpack_tiles_weight"]
    n_steps = sizes.t * sizes.mblock_k * sizes.mblock_m * sizes.mblock_n
    spilled = _SPILL_PER_TILE * max(0, rows * columns - _HALF_DESTINATION_TILES)
    return float(n_steps * (spilled - _OVERLAP * min(math, unpack)))


class SimulatedOps:
    """What the simulated card knows of the operation ``op_model``."""

    def check(self, params: Mapping[str, Any]) -> None:
        """Refuse what a core cannot hold, and what has no meaning.

        Raises
        ------
        OpError
            Its subclass decides the status.
        """
        descriptor = _descriptor(params)
        sizes = descriptor.sizes
        _weights(descriptor.traits)
        n_tiles = sizes.ublock_rt * sizes.ublock_ct
        if n_tiles > MOST_BLOCK_TILES:
            raise InvalidVectorError(
                f"a block of {n_tiles} tiles: the destination register holds {MOST_BLOCK_TILES}"
            )
        n_bytes = 2 * TILE_BYTES[DataFormat(descriptor.output_format)]
        n_bytes *= n_tiles * sizes.mblock_m * sizes.mblock_n
        if n_bytes > OUTPUT_BUFFER_BYTES:
            raise OutOfMemoryError(
                f"two output buffers take {n_bytes} bytes; L1 has {OUTPUT_BUFFER_BYTES} for them"
            )

    def durations_ns(self, params: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
        """Return how long a launch of each vector takes, shape (n,)."""
        cycles = [
            _FILL_LAUNCH + own["input_count"] * input_cycles(_descriptor(own)) for own in params
        ]
        return np.array(cycles) * (1e9 / CLOCK_HZ)


def _descriptor(params: Mapping[str, Any]) -> Descriptor:
    try:
        shape = dict(zip(SHAPE_PARTS, params["shape"], strict=True))
        if not shape["nz_tiles"]:
            shape |= {"nz_ublocks": -1, "nz_strips": -1}
        return Descriptor(
            plain_op(params["operation"]),
            **shape,
            input_format=params["input_format"],
            output_format=params["output_format"],
            fidelity=params["fidelity"],
            vector_mode=params["vector_mode"],
            approx=params["approx"],
            l1_accumulate=params["l1_accumulate"],
            arch=params["arch"],
        )
    except KeyError as error:
        raise InvalidVectorError(f"op op_model needs the parameter {error}") from error
    except (UsageError, ValueError) as error:
        raise InvalidVectorError(str(error)) from error


MODEL = SimulatedOps()
"""The entry ``op_model`` of ``sweepfarm.sim_models``."""
