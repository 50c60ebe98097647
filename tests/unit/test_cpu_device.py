"""The cpu device: cores, options, timing rules."""

from __future__ import annotations

import gc
import os
import weakref
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from farm.devices import cpu, cpu_host
from farm.devices.cpu import KIND, CpuDevice
from farm.devices.device import PROFILE_SCHEMA, CardSlot
from farm.errors import CardError, OpFailedError, OutOfMemoryError, UsageError
from sweeps.axis import Axis
from sweeps.space import Feature, Sweep
from sweeps.vector import Vector, vector_id


def counting_sweep(launch: Any) -> Sweep:
    return Sweep(
        name="counting",
        op="count",
        axes=(Axis.ints("n", (1, 2, 3)),),
        size="n",
        group_by=(),
        features=(Feature("flops", lambda c: c["n"]),),
        kernel=lambda params: launch(params["n"]),
    )


def counting_vector(n: int = 1) -> Vector:
    return Vector(0, vector_id("count", {"n": n}), "count", {"n": n}, {"flops": n})


@pytest.fixture
def opened(request):
    devices = []

    def make(sweep: Sweep, **options: str) -> CpuDevice:
        device = CpuDevice(KIND.discover(1, options)[0], sweep)
        device.open()
        devices.append(device)
        return device

    yield make
    for device in devices:
        device.close()


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_an_open_card_has_its_cores_and_gives_them_back(opened):
    before, threads_before = os.sched_getaffinity(0), blas_threads()
    device = opened(counting_sweep(lambda n: lambda: n))
    cores = {int(core) for core in device.info.details["cores"].split(",")}
    assert os.sched_getaffinity(0) == cores
    assert blas_threads() <= {1}
    with pytest.raises(CardError, match="open already"):
        device.open()
    device.close()
    assert os.sched_getaffinity(0) == before
    assert blas_threads() == threads_before


def test_the_first_core_is_left_to_the_host_where_there_is_another():
    cores = sorted(os.sched_getaffinity(0))
    usable = cpu_host.usable_cores()
    assert usable == (cores[1:] if len(cores) > 1 else cores)


def test_cards_share_no_core():
    n = len(cpu_host.usable_cores())
    slots = KIND.discover(n, {})
    named = [slot.options["cores"] for slot in slots]
    assert len(set(named)) == n
    with pytest.raises(UsageError, match=rf"{n + 1} cpu card\(s\) of 1 thread"):
        KIND.discover(n + 1, {})
    with pytest.raises(UsageError, match="2 core"):
        KIND.discover(1, {"threads": "2", "cores": named[0]})


def test_named_cores_are_used():
    first = min(os.sched_getaffinity(0))
    (slot,) = KIND.discover(1, {"cores": str(first)})
    assert slot.options["cores"] == str(first)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threads": "0"}, "threads='0'"),
        ({"threads": "many"}, "whole number"),
        ({"cache": "warm"}, "hot or cold"),
        ({"cores": "a"}, "core numbers"),
        ({"cores": "100000"}, "may use"),
        ({"speed": "high"}, "no option 'speed'"),
    ],
)
def test_malformed_options_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        KIND.discover(1, options)


def test_a_slot_made_elsewhere_finds_its_core():
    device = CpuDevice(CardSlot("cpu", 0), counting_sweep(lambda n: lambda: n))
    assert device.info.details["cores"] == str(cpu_host.usable_cores()[0])


def test_each_vector_warms_up_and_runs_each_repeat(opened):
    calls = []
    busy = np.ones(400_000)

    def launch(n: int) -> Any:
        return lambda: calls.append(busy.sum())

    device = opened(counting_sweep(launch))
    device.execute(counting_vector(), 6, 3)
    assert cpu.LEAST_WARM_UPS + 6 <= len(calls) <= cpu.MOST_WARM_UPS + 6
    assert device.read_profile()["tag"].to_pylist() == [3] * 6


def test_short_launches_are_repeated_within_a_sample_unless_caches_are_cold(opened):
    calls = []
    sweep = counting_sweep(lambda n: lambda: calls.append(n))
    opened(sweep).execute(counting_vector(), 5, 0)
    assert len(calls) > cpu.MOST_WARM_UPS + 5
    calls.clear()
    device = opened(sweep, cache="cold")
    device.execute(counting_vector(), 5, 0)
    assert len(calls) <= cpu.MOST_WARM_UPS + 5
    assert device.info.details["cache"] == "cold"


def test_garbage_collection_is_off_while_measuring_and_on_afterwards(opened):
    seen = []
    device = opened(counting_sweep(lambda n: lambda: seen.append(gc.isenabled())))
    device.execute(counting_vector(), 2, 0)
    assert not seen[-1]
    assert gc.isenabled()


def test_inputs_are_let_go_between_vectors(opened):
    kept = []

    def launch(n: int) -> Any:
        values = np.ones(1000)
        kept.append(weakref.ref(values))
        return values.sum

    device = opened(counting_sweep(launch))
    device.execute(counting_vector(), 2, 0)
    assert kept[0]() is None


def test_what_a_sweeps_kernel_raises_is_the_vectors(opened):
    def launch(n: int) -> Any:
        if n == 1:
            raise MemoryError("none left")

        def fail() -> None:
            raise OpFailedError("no")

        return fail

    device = opened(counting_sweep(launch))
    with pytest.raises(OutOfMemoryError, match="none left"):
        device.execute(counting_vector(1), 2, 0)
    with pytest.raises(OpFailedError):
        device.execute(counting_vector(2), 2, 1)
    assert device.read_profile().num_rows == 0
    assert gc.isenabled()


def test_the_probe_runs_beside_a_kernel_of_the_sweep(opened):
    def launch(n: int) -> Any:
        raise AssertionError("the probe is no vector of the sweep")

    device = opened(counting_sweep(launch))
    control = KIND.control(CardSlot("cpu", 0))
    (probe,) = control.probe_vectors()
    device.execute(probe, 3, 0)
    profile = device.read_profile()
    assert control.probe_is_healthy(profile)
    assert not control.probe_is_healthy(profile.slice(1))
    assert not control.probe_is_healthy(PROFILE_SCHEMA.empty_table())


def test_the_host_is_described():
    assert cpu_host.model_name()
    assert cpu_host.last_level_cache_bytes() > 1 << 18
    assert cpu_host.software()["numpy"] == np.__version__
    assert all(hz > 1e8 for hz in cpu_host.clocks_hz().values())
    assert cpu_host.governor()


def test_a_core_that_is_not_there_is_the_cards_fault():
    with pytest.raises(CardError, match="100000"):
        cpu_host.pin([100_000])
