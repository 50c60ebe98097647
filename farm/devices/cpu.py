"""The ``cpu`` device kind: real kernels on cores of this host.

A card is one or more cores that the executor is pinned to.  How a vector is measured:

1. Its inputs are made (`farm.devices.cpu_kernels`, or the sweep's own kernel, which goes first).
2. Warm-up: at least two launches, until two in a row agree within 10 %, but no more than ten
   launches or 100 ms.
3. Each repeat is one sample of ``time.perf_counter_ns``, which is monotonic; garbage collection is
   off meanwhile.  Reading the clock takes some 50 ns, so a launch under 1 us is done several times
   within a sample of about 10 us, which is divided by their number.
4. The inputs are let go.

With ``cache=cold`` a buffer twice as large as the last-level cache is written before each sample,
outside of the measured time, and a sample is always one launch.
"""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from farm.devices import cpu_host
from farm.devices.cpu_kernels import Launch, kernel
from farm.devices.device import (
    PROFILE_SCHEMA,
    CardControl,
    CardSlot,
    Device,
    DeviceInfo,
    Process,
    ResetLevel,
)
from farm.devices.registry import check_options
from farm.errors import CardError, OutOfMemoryError, UsageError
from sweeps.axis import Value
from sweeps.matmul import SWEEP as MATMUL
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id

LEAST_WARM_UPS, MOST_WARM_UPS = 2, 10
MOST_WARM_UP_NS = 100_000_000
AGREEMENT = 0.1
SHORT_LAUNCH_NS = 1_000
SHORT_SAMPLE_NS = 10_000
MOST_INNER = 1_000
PROBE_LIMIT_NS = 5e9


def _threads(options: Mapping[str, str]) -> int:
    text = options.get("threads", "1")
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"device option threads={text!r}: give a whole number from 1")
    return int(text)


def _is_cold(options: Mapping[str, str]) -> bool:
    text = options.get("cache", "hot")
    if text not in ("hot", "cold"):
        raise UsageError(f"device option cache={text!r}: give hot or cold")
    return text == "cold"


def _cores(slot: CardSlot) -> list[int]:
    """Cores of a slot; `CpuKind.discover` writes them into its options."""
    text = slot.options.get("cores")
    if text is not None:
        return cpu_host.parse_cores(text)
    return cpu_host.cores_per_card(slot.index + 1, _threads(slot.options))[slot.index]


def _settled(options: Mapping[str, str]) -> dict[str, str]:
    return {"threads": str(_threads(options)), "cache": "cold" if _is_cold(options) else "hot"}


class CpuDevice:
    """Cores of this host as one card, open in this process."""

    def __init__(self, slot: CardSlot, sweep: Sweep) -> None:
        self._slot, self._sweep = slot, sweep
        self._threads = _threads(slot.options)
        self._is_cold = _is_cold(slot.options)
        self._cores = _cores(slot)
        self._cores_before: set[int] | None = None
        self._limits: threadpool_limits | None = None
        self._eviction = np.empty(0, np.uint8)
        self._tags: list[int] = []
        self._durations_ns: list[list[float]] = []

    @property
    def info(self) -> DeviceInfo:
        """What the card is."""
        return DeviceInfo(
            card=self._slot.card,
            kind=self._slot.kind,
            arch=cpu_host.model_name(),
            clocks_hz=cpu_host.clocks_hz(),
            software=cpu_host.software(),
            details={
                "cores": ",".join(map(str, self._cores)),
                "governor": cpu_host.governor(),
                **_settled(self._slot.options),
                "last_level_cache_bytes": str(cpu_host.last_level_cache_bytes()),
                "clock": "perf_counter_ns",
            },
        )

    def open(self) -> None:
        """Pin this thread to the card's cores and limit the threads of BLAS.

        Raises
        ------
        CardError
            If the cores cannot be had.
        """
        if self._limits is not None:
            raise CardError(f"{self._slot.card} is open already")
        before = os.sched_getaffinity(0)
        cpu_host.pin(self._cores)
        self._cores_before = before
        self._limits = threadpool_limits(self._threads)
        if self._is_cold:
            self._eviction = np.zeros(2 * cpu_host.last_level_cache_bytes(), np.uint8)

    def execute(self, vector: Vector, repeats: int, tag: int) -> None:
        """Run a vector `repeats` times; its launches carry `tag`.

        Raises
        ------
        OpError
            If the vector cannot be run here.
        CardError
            If the card is not open.
        """
        if self._limits is None:
            raise CardError(f"{self._slot.card} is not open")
        try:
            launch = self._launch(vector)
            with np.errstate(all="ignore"):  # a NaN is a value like any other here
                n_inner = self._warm_up(launch)
                durations_ns = self._measure(launch, repeats, n_inner)
        except MemoryError as error:
            raise OutOfMemoryError(f"this host's memory is not enough: {error}") from error
        self._tags.append(tag)
        self._durations_ns.append(durations_ns)

    def _launch(self, vector: Vector) -> Launch:
        # Positions below 0 are probes, which are no vectors of the sweep.
        if self._sweep.kernel is not None and vector.index >= 0:
            return self._sweep.kernel(vector.params)
        return kernel(vector)

    def _warm_up(self, launch: Launch) -> int:
        """Launch until the time settles; return how many launches make a sample."""
        durations_ns: list[int] = []
        while not self._is_warm(durations_ns):
            start = time.perf_counter_ns()
            launch()
            durations_ns.append(time.perf_counter_ns() - start)
        fastest_ns = max(min(durations_ns), 1)
        if self._is_cold or fastest_ns >= SHORT_LAUNCH_NS:
            return 1
        return min(math.ceil(SHORT_SAMPLE_NS / fastest_ns), MOST_INNER)

    @staticmethod
    def _is_warm(durations_ns: Sequence[int]) -> bool:
        if len(durations_ns) < LEAST_WARM_UPS:
            return False
        before, last = durations_ns[-2:]
        return (
            abs(last - before) <= AGREEMENT * max(last, before)
            or len(durations_ns) >= MOST_WARM_UPS
            or sum(durations_ns) >= MOST_WARM_UP_NS
        )

    def _measure(self, launch: Launch, repeats: int, n_inner: int) -> list[float]:
        read_clock, inner = time.perf_counter_ns, range(n_inner)
        durations_ns: list[float] = []
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            for _ in range(repeats):
                if self._is_cold:
                    self._eviction += 1
                start = read_clock()
                for _ in inner:
                    launch()
                # A clock that did not move says that the launch took less than one tick.
                durations_ns.append(max(read_clock() - start, 1) / n_inner)
        finally:
            if was_enabled:
                gc.enable()
        return durations_ns

    def read_profile(self) -> pa.Table:
        """Drain the launches since the last read.

        Raises
        ------
        CardError
            If the card is not open.
        """
        if self._limits is None:
            raise CardError(f"{self._slot.card} is not open")
        tags, durations_ns = self._tags, self._durations_ns
        self._tags, self._durations_ns = [], []
        repeats = [len(launches) for launches in durations_ns]
        return pa.Table.from_arrays(
            [
                pa.array(np.repeat(np.array(tags, np.int64), repeats)),
                pa.array([r for n in repeats for r in range(n)], pa.int32()),
                pa.array([d for launches in durations_ns for d in launches], pa.float64()),
            ],
            schema=PROFILE_SCHEMA,
        )

    def close(self) -> None:
        """Let go of the cores; may be called twice."""
        if self._limits is not None:
            self._limits.restore_original_limits()
            self._limits = None
        if self._cores_before is not None:
            cpu_host.pin(self._cores_before)
            self._cores_before = None
        self._eviction = np.empty(0, np.uint8)
        self._tags, self._durations_ns = [], []


class CpuControl:
    """Care of cores: there is nothing to reset."""

    def reset(self, level: ResetLevel) -> None:
        """Do nothing: a new executor is all that cores need."""

    def in_use_by_others(self) -> list[Process]:
        """Cores are everybody's; nobody has them open."""
        return []

    def probe_vectors(self) -> Sequence[Vector]:
        """One small matrix product."""
        params: dict[str, Value] = {"dtype": "float32", "M": 64, "K": 64, "N": 64}
        features = MATMUL.derive(params)
        return [Vector(-1, vector_id(MATMUL.op, params), MATMUL.op, params, features)]

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        """Whether the product was measured, once per repeat, in a sensible time."""
        repeats = np.sort(profile["repeat"].to_numpy())
        duration_ns = profile["duration_ns"].to_numpy()
        return bool(
            profile.num_rows
            and np.all(profile["tag"].to_numpy() == 0)
            and np.array_equal(repeats, np.arange(profile.num_rows))
            and np.all((duration_ns > 0) & (duration_ns < PROBE_LIMIT_NS))
        )


class CpuKind:
    """Registry entry of this host's cores."""

    name = "cpu"
    is_simulated = False
    option_help: Mapping[str, str] = {
        "threads": "cores per card, and threads of BLAS (default 1)",
        "cache": "hot, or cold: caches are overwritten before each launch (default hot)",
        "cores": "core numbers to use, such as 2,3 (default all but the first)",
    }

    def discover(self, amount: int | None, options: Mapping[str, str]) -> list[CardSlot]:
        """Make `amount` cards, 1 by default, with cores of their own.

        Raises
        ------
        UsageError
            If an option is unknown or malformed, or there are too few cores.
        """
        check_options(self, options)
        _is_cold(options)
        per_card = cpu_host.cores_per_card(
            1 if amount is None else amount, _threads(options), options.get("cores")
        )
        return [
            CardSlot(self.name, i, {**options, "cores": ",".join(map(str, cores))})
            for i, cores in enumerate(per_card)
        ]

    def settled(self, slot: CardSlot) -> Mapping[str, str]:
        """Say how many cores work on a kernel, and whether from warm caches."""
        return _settled(slot.options)

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot."""
        return CpuDevice(slot, sweep)

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot."""
        return CpuControl()

    def missing(self) -> str | None:
        """Say what this host lacks to pin cores."""
        if not hasattr(os, "sched_setaffinity"):
            return "pinning a process to cores works on Linux only"
        return None


KIND = CpuKind()
