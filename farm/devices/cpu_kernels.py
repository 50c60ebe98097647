"""Kernels of the ``cpu`` device: what one launch of a vector is.

A kernel allocates its inputs and output, so that a launch does nothing but the work.  Inputs are
random, seeded from the vector's identity; floating-point inputs lie within 0.5..1.5 and whole ones
within 1..3, where no usual function overflows or leaves its domain.

======== ================================= =================================================
op       parameters                        launch
======== ================================= =================================================
matmul   M, K, N, dtype                    ``C[M, N] = A[M, K] @ B[K, N]``; BLAS for float32
                                           and float64, loops of NumPy for the others
eltwise  ufunc, dtype, shape               NumPy ufunc of one or two inputs of that shape
memcpy   layout, dtype, shape of (h, w)    ``copy``, ``transpose``, or ``tilize`` into tiles of
                                           32 x 32 elements
op_model those of the sweep op-model       ``input_count`` times the eltwise or matmul that
                                           `farm.devices.cpu_op_model` says
======== ================================= =================================================

A type is never converted in secret: where NumPy would compute in another type than ``dtype``, the
vector is unsupported.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from farm.devices.cpu_op_model import host_vector
from farm.errors import InvalidVectorError, OutOfMemoryError, UnsupportedVectorError
from sweeps.dtypes import ITEM_BYTES
from sweeps.vector import Vector

Launch = Callable[[], object]
Array = npt.NDArray[Any]

TILE_EDGE = 32
_ALWAYS_FITS_BYTES = 1 << 27
_BLOCK = 1 << 16
_LEAST_FREE_SHARE = 0.1
"""Part of the free memory that a vector must leave to the rest of the host."""


def kernel(vector: Vector) -> Launch:
    """Allocate what a vector needs and return its launch.

    Raises
    ------
    UnsupportedVectorError
        If there is no kernel for the operation or data type.
    InvalidVectorError
        If a parameter is missing or has no meaning.
    OutOfMemoryError
        If the arrays do not fit the free memory.
    """
    build = _KERNELS.get(vector.op)
    if build is None:
        raise UnsupportedVectorError(
            f"the cpu device has no kernel for op {vector.op!r}; it has {', '.join(_KERNELS)}, "
            "and whatever a sweep declares as its kernel"
        )
    rng = np.random.default_rng(int.from_bytes(vector.vector_id))
    try:
        return build(vector.params, rng)
    except KeyError as error:
        raise InvalidVectorError(f"op {vector.op!r} needs the parameter {error}") from error
    except MemoryError as error:
        raise OutOfMemoryError(f"the arrays do not fit this host's memory: {error}") from error


def _dtype(params: Mapping[str, Any]) -> np.dtype[Any]:
    name = params["dtype"]
    if name == "bfloat16":
        try:
            module = importlib.import_module("ml_dtypes")
        except ImportError as error:
            raise UnsupportedVectorError(
                "bfloat16 needs the package ml_dtypes: pip install 'sweepfarm[cpu-bfloat16]'"
            ) from error
        bfloat16: np.dtype[Any] = np.dtype(module.bfloat16)
        return bfloat16
    if name not in ITEM_BYTES:
        raise UnsupportedVectorError(f"no data type {name!r}; known are {', '.join(ITEM_BYTES)}")
    known: np.dtype[Any] = np.dtype(name)
    return known


def _extents(params: Mapping[str, Any], *names: str) -> list[int]:
    extents = [params[name] for name in names]
    if not all(isinstance(extent, int) and extent > 0 for extent in extents):
        raise InvalidVectorError(f"{', '.join(names)} = {extents}: all must be positive integers")
    return extents


def _shape(params: Mapping[str, Any]) -> tuple[int, ...]:
    shape = tuple(params["shape"])
    if not shape or not all(isinstance(extent, int) and extent > 0 for extent in shape):
        raise InvalidVectorError(f"shape {shape} must have positive extents")
    return shape


def _require_memory(dtype: np.dtype[Any], *shapes: tuple[int, ...]) -> None:
    """Refuse arrays that would not fit: the kernel overcommits, and kills whoever uses it."""
    n_bytes = dtype.itemsize * sum(math.prod(shape) for shape in shapes)
    if n_bytes <= _ALWAYS_FITS_BYTES:
        return
    available = psutil.virtual_memory().available
    if n_bytes > (1 - _LEAST_FREE_SHARE) * available:
        raise OutOfMemoryError(
            f"the arrays take {n_bytes} bytes; this host has {available} bytes of free memory"
        )


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "iu":
        return rng.integers(1, 4, shape, dtype=dtype)
    if dtype.name in ("float32", "float64"):
        values = rng.random(shape, dtype=dtype.type)
        values += dtype.type(0.5)
        return values
    filled = np.empty(shape, dtype)
    flat = filled.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        part = flat[start : start + _BLOCK]
        part[...] = rng.random(part.shape, dtype=np.float32) + np.float32(0.5)
    return filled


def _require_own_loop(ufunc: np.ufunc, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of the output if `ufunc` computes in `dtype`."""
    inputs = (dtype,) * ufunc.nin
    try:
        found = ufunc.resolve_dtypes((*inputs, None))
    except TypeError as error:
        raise UnsupportedVectorError(f"{ufunc.__name__} takes no {dtype.name}") from error
    if found[: ufunc.nin] != inputs:
        raise UnsupportedVectorError(
            f"{ufunc.__name__} would convert {dtype.name} to {found[0].name} first"
        )
    return found[-1]


def _matmul(params: Mapping[str, Any], rng: np.random.Generator) -> Launch:
    dtype, (m, k, n) = _dtype(params), _extents(params, "M", "K", "N")
    out_dtype = _require_own_loop(np.matmul, dtype)
    _require_memory(dtype, (m, k), (k, n), (m, n))
    a, b, c = _random(rng, (m, k), dtype), _random(rng, (k, n), dtype), np.empty((m, n), out_dtype)
    return lambda: np.matmul(a, b, out=c)


def _eltwise(params: Mapping[str, Any], rng: np.random.Generator) -> Launch:
    dtype, shape = _dtype(params), _shape(params)
    ufunc = getattr(np, params["ufunc"], None)
    if not isinstance(ufunc, np.ufunc) or ufunc.signature or ufunc.nin > 2 or ufunc.nout > 1:
        raise UnsupportedVectorError(
            f"{params['ufunc']!r} is no NumPy ufunc of one or two inputs and one output"
        )
    out_dtype = _require_own_loop(ufunc, dtype)
    _require_memory(dtype, *[shape] * (ufunc.nin + 1))
    inputs = [_random(rng, shape, dtype) for _ in range(ufunc.nin)]
    out = np.empty(shape, out_dtype)
    return lambda: ufunc(*inputs, out=out)


def _memcpy(params: Mapping[str, Any], rng: np.random.Generator) -> Launch:
    dtype, shape, layout = _dtype(params), _shape(params), params["layout"]
    if len(shape) != 2:
        raise InvalidVectorError(f"shape {shape}: memcpy works on matrices (h, w)")
    high, wide = shape
    _require_memory(dtype, shape, shape)
    match layout:
        case "copy":
            source, out = _random(rng, shape, dtype), np.empty(shape, dtype)
        case "transpose":
            source, out = _random(rng, shape, dtype).T, np.empty((wide, high), dtype)
        case "tilize":
            if high % TILE_EDGE or wide % TILE_EDGE:
                raise InvalidVectorError(f"shape {shape} is not made of tiles of 32 x 32 elements")
            tiles = (high // TILE_EDGE, TILE_EDGE, wide // TILE_EDGE, TILE_EDGE)
            source = _random(rng, shape, dtype).reshape(tiles).swapaxes(1, 2)
            out = np.empty(source.shape, dtype)
        case _:
            raise UnsupportedVectorError(f"layout {layout!r} is none of copy, transpose and tilize")
    return lambda: np.copyto(out, source)


def _op_model(params: Mapping[str, Any], rng: np.random.Generator) -> Launch:
    op, own, n_times = host_vector(params)
    once = _KERNELS[op](own, rng)

    def launch() -> None:
        for _ in range(n_times):
            once()

    return launch


_KERNELS: dict[str, Callable[[Mapping[str, Any], np.random.Generator], Launch]] = {
    "matmul": _matmul,
    "eltwise": _eltwise,
    "memcpy": _memcpy,
    "op_model": _op_model,
}
