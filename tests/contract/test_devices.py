"""Every device kind of the project through one contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from analysis import model_device
from farm.devices import cpu, sim
from farm.devices.device import DeviceKind
from farm.testing.device_contract import DeviceContract
from sweeps import eltwise, matmul, memcpy, reshard, soc_design
from sweeps.axis import Axis, Value
from sweeps.space import Feature, Sweep


class TestSim(DeviceContract):
    def kind(self) -> DeviceKind:
        return sim.KIND

    def sweep(self) -> Sweep:
        return reshard.SWEEP

    def _params(self, edge: int) -> Mapping[str, Value]:
        return {
            "input_strategy": "BLOCK",
            "output_strategy": "HEIGHT",
            "input_orientation": "ROW_MAJOR",
            "output_orientation": "ROW_MAJOR",
            "dtype": "BFLOAT16",
            "input_grid": (2, 2),
            "output_grid": (1, 1),
            "shape": (1, 1, edge, edge),
        }

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [self._params(edge) for edge in (64, 128, 256)]

    def failing_params(self) -> Mapping[str, Value]:
        return self._params(32 * 100)


class TestSimThatWaitsAsLongAsACard(TestSim):
    def options(self) -> Mapping[str, str]:
        return {"device_time": "true", "seed": "7", "noise": "0.02"}


class TestSimWithAnOldLog(TestSim):
    def options(self) -> Mapping[str, str]:
        return {"profiler": "log", "profiler_generation": "v1"}


class TestSimWithoutALog(TestSim):
    def options(self) -> Mapping[str, str]:
        return {"profiler": "direct"}


class TestSimOfAnotherOp(DeviceContract):
    def kind(self) -> DeviceKind:
        return sim.KIND

    def sweep(self) -> Sweep:
        return matmul.SWEEP

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [{"dtype": "float32", "M": m, "K": 64, "N": 64} for m in (64, 128)]


class TestCpu(DeviceContract):
    def kind(self) -> DeviceKind:
        return cpu.KIND

    def sweep(self) -> Sweep:
        return matmul.SWEEP

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [{"dtype": dtype, "M": 32, "K": 16, "N": 64} for dtype in ("float32", "float64")]

    def failing_params(self) -> Mapping[str, Value]:
        return {"dtype": "float128", "M": 32, "K": 16, "N": 64}


class TestCpuElementWise(TestCpu):
    def sweep(self) -> Sweep:
        return eltwise.SWEEP

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [{"ufunc": ufunc, "dtype": "float32", "shape": (8, 16)} for ufunc in ("exp", "add")]

    def failing_params(self) -> Mapping[str, Value]:
        return {"ufunc": "exp", "dtype": "int8", "shape": (8, 16)}


class TestCpuWithColdCaches(TestCpu):
    def options(self) -> Mapping[str, str]:
        return {"cache": "cold"}

    def sweep(self) -> Sweep:
        return memcpy.SWEEP

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [
            {"layout": layout, "dtype": "int8", "shape": (64, 32)}
            for layout in ("copy", "transpose", "tilize")
        ]

    def failing_params(self) -> Mapping[str, Value]:
        return {"layout": "tilize", "dtype": "int8", "shape": (33, 32)}


def _sum_of(params: Mapping[str, Value]) -> Callable[[], object]:
    n = params["n"]
    if not isinstance(n, int):
        raise TypeError(n)
    return np.ones(n).sum


class TestCpuWithAKernelOfTheSweep(DeviceContract):
    def kind(self) -> DeviceKind:
        return cpu.KIND

    def sweep(self) -> Sweep:
        return Sweep(
            name="sums",
            op="sum",
            axes=(Axis.ints("n", (10, 1000)),),
            size="n",
            group_by=(),
            features=(Feature("flops", lambda c: c["n"]),),
            kernel=_sum_of,
        )

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [{"n": 10}, {"n": 1000}]


class TestModel(DeviceContract):
    def kind(self) -> DeviceKind:
        return model_device.KIND

    def sweep(self) -> Sweep:
        return soc_design.SWEEP

    def good_params(self) -> Sequence[Mapping[str, Value]]:
        return [{**model_device.BASELINE, "n_sms": n_sms} for n_sms in (16, 24)]

    def failing_params(self) -> Mapping[str, Value]:
        return {**model_device.BASELINE, "n_chiplets": -1}


class TestModelOfAnotherWorkload(TestModel):
    def options(self) -> Mapping[str, str]:
        return {"workload": "gemm:1x4096x4096"}
