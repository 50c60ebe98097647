"""One card: launches, L1, and the device profiler with its log in the real format."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import numpy as np

from farm.profiler.launch_join import run_host_ids
from farm.profiler.log_format import Generation
from farm.profiler.log_writer import LogWriter, ZoneTimes
from ttnn._ttnn.tensor import CoreCoord, Tensor

_ENVIRONMENT = dict(os.environ)
"""As it was when this was imported: later changes come too late, as with the real package."""

L1_BYTES = 680 * 2048
"""Bytes for tensors on a core."""
_MHZ = 1000

next_operation_id = 1


class Arch(Enum):
    GRAYSKULL = 1
    WORMHOLE_B0 = 2
    BLACKHOLE = 3


def visible_cards() -> list[int]:
    """Numbers of the device nodes that this process may use."""
    named = _ENVIRONMENT.get("TT_VISIBLE_DEVICES") or _ENVIRONMENT.get("TT_METAL_VISIBLE_DEVICES")
    if named is not None and "TTNN_STANDIN_BLIND" not in _ENVIRONMENT:
        return [int(number) for number in named.split(",")]
    nodes = Path(_ENVIRONMENT.get("TTNN_STANDIN_DEV", "/dev/tenstorrent"))
    return sorted(int(node.name) for node in nodes.glob("[0-9]*"))


def _state_of(card: int) -> Path | None:
    folder = os.environ.get("TTNN_STANDIN_STATE")
    return Path(folder, f"card-{card}.dead") if folder else None


class _Profiler:
    """What was launched since the last dump, and the log."""

    def __init__(self) -> None:
        folder = _ENVIRONMENT.get("TT_METAL_PROFILER_DIR") or "generated/profiler"
        generation = Generation(os.environ.get("TTNN_STANDIN_GENERATION", "v5"))
        self._path = Path(folder, ".logs", "profile_log_device.csv")
        self._writer = LogWriter(self._path, generation, chip_mhz=_MHZ)
        self._capacity = int(_ENVIRONMENT.get("TT_METAL_PROFILER_PROGRAM_SUPPORT_COUNT", "1000"))
        self._clock = 1 << 20
        self._zones: list[tuple[int, int, int, int, int, int]] = []
        self._ids: list[int] = []
        self._path.unlink(missing_ok=True)

    def record(self, number: int, cores: list[tuple[int, int]], n_riscs: int, cycles: int) -> None:
        """Keep a launch, unless the buffer is full: then it is lost, silently."""
        begin, self._clock = self._clock, self._clock + cycles + 1000
        if len(self._ids) == self._capacity:
            return
        launch = len(self._ids)
        self._ids.append(number)
        self._zones += [
            (launch, x, y, risc, begin + 500, begin + 500 + cycles)
            for x, y in cores
            for risc in range(n_riscs)
        ]

    def dump(self) -> None:
        """Append what is kept to the log."""
        if not self._ids:
            return
        rows = np.array(self._zones, np.int64)
        launch, x, y, risc, start, end = rows.T
        cycles = np.stack([start - 60, start, end, end + 40], axis=1)
        times = ZoneTimes(launch, x + 1, y + 1, risc, cycles).core_by_core()
        ids = run_host_ids(np.array(self._ids), self._writer.generation, device=0)
        self._writer.dump(times, ids)
        self._zones, self._ids = [], []


class Device:
    """An open card."""

    def __init__(self, device_id: int, card: int) -> None:
        self._id, self._card = device_id, card
        self._l1_bytes = 0
        self._compiled: set[tuple[int, ...]] = set()
        nodes = _ENVIRONMENT.get("TTNN_STANDIN_DEV")
        self._node = os.open(Path(nodes, str(card)), os.O_RDWR) if nodes else None
        is_profiled = _ENVIRONMENT.get("TT_METAL_DEVICE_PROFILER") == "1"
        self.profiler = _Profiler() if is_profiled else None

    def id(self) -> int:
        return self._id

    def arch(self) -> Arch:
        return Arch.WORMHOLE_B0

    def compute_with_storage_grid_size(self) -> CoreCoord:
        return CoreCoord(8, 8)

    def get_num_devices(self) -> int:
        return 1

    def is_told(self, fault: str, shape: Sequence[int]) -> bool:
        """Whether the environment asks for a fault of operations with this output."""
        shapes = os.environ.get(f"TTNN_STANDIN_{fault}", "").split(",")
        return "x".join(map(str, shape)) in shapes

    def allocate(self, tensor: Tensor) -> Tensor:
        """Take the memory of a tensor."""
        wanted = tensor.bytes_per_core()
        if self._l1_bytes + wanted > L1_BYTES or self.is_told("OOM", tensor.shape):
            spec = tensor.config.shard_spec
            banks = spec.grid.num_cores() if spec else 64
            raise RuntimeError(
                "TT_FATAL @ /tt-metal/tt_metal/impl/allocator/bank_manager.cpp:140: "
                "address.has_value()\ninfo:\nOut of Memory: Not enough space to allocate "
                f"{wanted * banks} B L1 buffer across {banks} banks, where each bank needs to "
                f"store {wanted} B"
            )
        self._l1_bytes += wanted
        tensor.card = self
        return tensor

    def free(self, tensor: Tensor) -> None:
        """Give the memory of a tensor back."""
        if tensor.is_allocated:
            self._l1_bytes -= tensor.bytes_per_core()
            tensor.is_allocated = False

    def launch(self, name: str, output: Tensor, n_riscs: int) -> None:
        """Run a program."""
        global next_operation_id
        self._compile(output)
        if self.is_told("HANG", output.shape):
            self._hang()
        if self.is_told("CRASH", output.shape):
            os.kill(os.getpid(), signal.SIGSEGV)
        spec = output.config.shard_spec
        cores = [core for one in spec.grid.ranges() for core in one.cores] if spec else [(0, 0)]
        number, next_operation_id = next_operation_id, next_operation_id + 1
        n_tiles = int(np.prod(output.shape)) / 1024
        spread = zlib.crc32(f"{name} {output.shape} {number}".encode()) % 100
        if self.is_told("DROP", output.shape) and number % 2:
            cores = cores[1:]
        if self.profiler is not None and cores:
            cycles = int(2000 + 40 * n_tiles / len(cores)) + spread
            self.profiler.record(number, cores, n_riscs, cycles)

    def _compile(self, output: Tensor) -> None:
        shape = tuple(output.shape)
        if self.is_told("COMPILE", shape) and shape not in self._compiled:
            self._compiled.add(shape)
            time.sleep(1.0)

    def _hang(self) -> None:
        state = _state_of(self._card)
        if state is not None:
            state.touch()
        while True:
            time.sleep(3600)

    def close(self) -> None:
        """Let go of the card."""
        if self._node is not None:
            os.close(self._node)
            self._node = None


def open_device(*, device_id: int, l1_small_size: int = 0) -> Device:
    visible = visible_cards()
    if not 0 <= device_id < len(visible):
        raise RuntimeError(f"TT_FATAL: Device index {device_id} out of range; {len(visible)} seen")
    card = visible[device_id]
    state = _state_of(card)
    if state is not None and state.exists():
        raise RuntimeError("Read 0xffffffff from ARC scratch[6]: you should reset the board.")
    return Device(device_id, card)


def close_device(device: Device) -> None:
    if device.profiler is not None:
        device.profiler.dump()
    device.close()


def synchronize_device(device: Device) -> None:
    """Every launch has ended when it returns."""


def ReadDeviceProfiler(device: Device) -> None:  # noqa: N802 - the real name
    if device.profiler is not None and "TT_METAL_PROFILER_MID_RUN_DUMP" in _ENVIRONMENT:
        device.profiler.dump()
