"""What one launch on the cpu computes, and which vectors are refused."""

from __future__ import annotations

import builtins
import importlib.util
from typing import Any

import numpy as np
import psutil
import pytest

from farm.devices import cpu_kernels
from farm.devices.cpu_kernels import kernel
from farm.errors import InvalidVectorError, OutOfMemoryError, UnsupportedVectorError
from sweeps.axis import Value
from sweeps.dtypes import ITEM_BYTES
from sweeps.vector import Vector, vector_id

NUMPY_DTYPES = [name for name in ITEM_BYTES if name != "bfloat16"]


def vector(op: str, **params: Value) -> Vector:
    return Vector(0, vector_id(op, params), op, params, {})


def arrays(launch: Any) -> dict[str, Any]:
    """What a launch works on, by the name of the variable."""
    names = launch.__code__.co_freevars
    return {n: cell.cell_contents for n, cell in zip(names, launch.__closure__, strict=True)}


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_matmul_multiplies(dtype):
    launch = kernel(vector("matmul", dtype=dtype, M=5, K=7, N=3))
    launch()
    a, b, c = (arrays(launch)[name] for name in "abc")
    assert (a.shape, b.shape, c.shape) == ((5, 7), (7, 3), (5, 3))
    assert {x.dtype.name for x in (a, b, c)} == {dtype}
    np.testing.assert_allclose(c, a.astype(float) @ b.astype(float), rtol=1e-2)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("name", ["exp", "sqrt", "tanh", "log", "add", "multiply", "divide"])
def test_eltwise_applies_the_ufunc_in_its_type(name, dtype):
    launch = kernel(vector("eltwise", ufunc=name, dtype=dtype, shape=(3, 70_000)))
    launch()
    inputs, out = arrays(launch)["inputs"], arrays(launch)["out"]
    assert out.dtype.name == dtype
    np.testing.assert_array_equal(out, getattr(np, name)(*inputs))
    for values in inputs:
        assert values.shape == (3, 70_000)
        assert values.min() >= 0.5
        assert values.max() <= 1.5


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "negative"])
def test_whole_numbers_do_not_overflow(name, dtype):
    launch = kernel(vector("eltwise", ufunc=name, dtype=dtype, shape=(4, 8)))
    launch()
    inputs = [values.astype(np.int64) for values in arrays(launch)["inputs"]]
    np.testing.assert_array_equal(arrays(launch)["out"], getattr(np, name)(*inputs))


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("layout", ["copy", "transpose", "tilize"])
def test_memcpy_lays_out(layout, dtype):
    launch = kernel(vector("memcpy", layout=layout, dtype=dtype, shape=(64, 96)))
    launch()
    source, out = arrays(launch)["source"], arrays(launch)["out"]
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, source)
    assert out.shape == {"copy": (64, 96), "transpose": (96, 64), "tilize": (2, 3, 32, 32)}[layout]
    if layout == "tilize":
        matrix = source.swapaxes(1, 2).reshape(64, 96)
        np.testing.assert_array_equal(out[1, 2], matrix[32:64, 64:96])


def test_inputs_depend_on_the_vector_alone():
    def first(rows: int) -> Any:
        launch = kernel(vector("matmul", dtype="float32", M=rows, K=4, N=4))
        return arrays(launch)["b"].tolist()

    assert first(4) == first(4)
    assert first(4) != first(5)


@pytest.mark.parametrize(
    ("refused", "error", "words"),
    [
        (vector("conv", dtype="float32"), UnsupportedVectorError, "no kernel for op 'conv'"),
        (vector("matmul", dtype="float32", M=2, K=2), InvalidVectorError, "'N'"),
        (vector("matmul", dtype="float32", M=2, K=0, N=1), InvalidVectorError, "positive"),
        (vector("matmul", dtype="float8", M=2, K=2, N=1), UnsupportedVectorError, "float8"),
        (
            vector("eltwise", ufunc="exp", dtype="int8", shape=(2, 2)),
            UnsupportedVectorError,
            "exp would convert int8 to float16",
        ),
        (
            vector("eltwise", ufunc="invert", dtype="float32", shape=(2, 2)),
            UnsupportedVectorError,
            "invert takes no float32",
        ),
        (
            vector("eltwise", ufunc="matmul", dtype="float32", shape=(2, 2)),
            UnsupportedVectorError,
            "no NumPy ufunc",
        ),
        (
            vector("eltwise", ufunc="save", dtype="float32", shape=(2, 2)),
            UnsupportedVectorError,
            "'save' is no NumPy ufunc",
        ),
        (
            vector("eltwise", ufunc="exp", dtype="float32", shape=()),
            InvalidVectorError,
            "positive extents",
        ),
        (
            vector("memcpy", layout="copy", dtype="int8", shape=(2, 2, 2)),
            InvalidVectorError,
            "matrices",
        ),
        (
            vector("memcpy", layout="tilize", dtype="int8", shape=(32, 40)),
            InvalidVectorError,
            "tiles of 32",
        ),
        (
            vector("memcpy", layout="shuffle", dtype="int8", shape=(32, 32)),
            UnsupportedVectorError,
            "shuffle",
        ),
    ],
    ids=lambda value: getattr(value, "op", None),
)
def test_vectors_that_are_refused(refused, error, words):
    with pytest.raises(error, match=words):
        kernel(refused)


def test_arrays_beyond_the_free_memory_are_refused_before_they_are_made():
    edge = int((psutil.virtual_memory().total) ** 0.5)
    with pytest.raises(OutOfMemoryError, match="bytes of free memory"):
        kernel(vector("memcpy", layout="copy", dtype="int8", shape=(edge, edge)))


def test_numpys_own_lack_of_memory_is_out_of_memory(monkeypatch):
    monkeypatch.setattr(cpu_kernels, "_ALWAYS_FITS_BYTES", 1 << 70)
    with pytest.raises(OutOfMemoryError, match="do not fit"):
        kernel(vector("memcpy", layout="copy", dtype="int8", shape=(1 << 28, 1 << 28)))


HAS_ML_DTYPES = importlib.util.find_spec("ml_dtypes") is not None


@pytest.mark.skipif(not HAS_ML_DTYPES, reason="ml_dtypes is not installed")
def test_bfloat16_with_its_library():
    launch = kernel(vector("eltwise", ufunc="add", dtype="bfloat16", shape=(8, 40)))
    launch()
    a, b = arrays(launch)["inputs"]
    out = arrays(launch)["out"]
    assert out.dtype.name == "bfloat16"
    exact = a.astype(np.float32) + b.astype(np.float32)
    np.testing.assert_allclose(out.astype(np.float32), exact, rtol=2**-8)
    with pytest.raises(UnsupportedVectorError, match="convert bfloat16"):
        kernel(vector("matmul", dtype="bfloat16", M=2, K=2, N=2))


def test_bfloat16_without_its_library(monkeypatch):
    def refuse(name: str, *args: Any) -> Any:
        if name == "ml_dtypes":
            raise ImportError(name)
        return builtins.__import__(name, *args)

    monkeypatch.setattr(cpu_kernels.importlib, "import_module", refuse)
    with pytest.raises(UnsupportedVectorError, match="ml_dtypes"):
        kernel(vector("memcpy", layout="copy", dtype="bfloat16", shape=(32, 32)))
