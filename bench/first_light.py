"""Generation rate, stored size, farm overhead, start-up and memory, each beside a baseline.

Run ``python bench/first_light.py``; it prints one table.  Each ratio compares two figures that were
measured in the same run, in turn, on the same machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from farm.card.runner import CardRunner
from farm.card.worker import WorkerConfig, _vectors
from farm.catalog import load_sweep
from farm.coordinator import Coordinator
from farm.devices.device import CardSlot, Device
from farm.devices.registry import kind
from farm.errors import OpError
from farm.generation import Plan, open_or_generate
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from sweeps.limits import limited
from sweeps.space import Sweep

FARM = str(Path(sys.executable).with_name("farm"))
N_ROUNDS = 3
Row = tuple[str, str, str, str]


def reshard_1x1() -> Sweep:
    return limited(load_sweep("reshard"), ["input_grid=1x1"])


def candidates_per_s_one_by_one(sweep: Sweep, n: int = 20_000) -> float:
    """Baseline: one Python call per candidate, as sweep frameworks do."""
    suite = next(sweep.suites())
    axis = {a.name: a for a in suite.axes}
    shapes = axis["shape"].values[:n]
    strategies = axis["input_strategy"].values

    def is_valid(vector: dict[str, Any]) -> bool:
        x, y = vector["output_grid"]
        _, _, height, width = vector["shape"]
        wide, high = width // 32, height // 32
        if vector["input_strategy"] == vector["output_strategy"] != "BLOCK":
            return False
        match vector["output_strategy"]:
            case "BLOCK":
                fits = wide % x == 0 and high % y == 0
            case "WIDTH":
                fits = wide % (x * y) == 0
            case _:
                fits = high % (x * y) == 0
        return bool(fits and 2 * height * width <= 1 << 20)

    began_s = time.perf_counter()
    n_valid = 0
    for shape in shapes:
        vector = {
            "input_strategy": strategies[0],
            "output_strategy": strategies[1],
            "input_orientation": "ROW_MAJOR",
            "output_orientation": "ROW_MAJOR",
            "dtype": "BFLOAT16",
            "input_grid": (1, 1),
            "output_grid": (1, 2),
            "shape": shape,
        }
        n_valid += is_valid(vector)
    return len(shapes) / (time.perf_counter() - began_s)


def generation(folder: Path) -> list[Row]:
    sweep = reshard_1x1()
    rates, baselines = [], []
    for i in range(N_ROUNDS):
        baselines.append(candidates_per_s_one_by_one(sweep))
        began_s = time.perf_counter()
        directory = open_or_generate(folder / f"g{i}", Plan(sweep, "reshard"))
        elapsed_s = time.perf_counter() - began_s
        n = sum(int(suite["n_candidates"]) for suite in directory.manifest.suites)
        rates.append(n / elapsed_s)
    rate, baseline = median(rates), median(baselines)
    text = f"{rate / 1e6:.1f} M candidates/s", f"{baseline / 1e6:.2f} M candidates/s"
    return [("generation to disk, input grid 1x1 (35 M)", *text, f"{rate / baseline:.0f} x")]


def stored_size(folder: Path) -> list[Row]:
    rows = []
    sweep = reshard_1x1()
    for label, stores_ids in (("with ids", True), ("ids derived on reading", False)):
        directory = open_or_generate(
            folder / f"s{stores_ids}", Plan(sweep, "reshard", stores_ids=stores_ids)
        )
        manifest = directory.manifest
        table = directory.vectors("00000-00000")
        listed = table.slice(0, 200).to_pylist()
        json_bytes = len(json.dumps(listed, default=lambda b: b.hex(), indent=2)) / len(listed)
        stored = sum(shard.bytes for shard in manifest.shards) / manifest.n_vectors
        rows.append(
            (
                f"stored vector, {label}",
                f"{stored:.1f} bytes",
                f"{json_bytes:.0f} bytes as JSON",
                f"1/{json_bytes / stored:.0f}",
            )
        )
    return rows


def bare_loop_s(directory: SweepDirectory, sweep: Sweep, options: dict[str, str]) -> float:
    """Least seconds per vector: the device alone, vectors at hand, one read per full buffer."""
    slot = CardSlot("sim", 0, options)
    device: Device = kind("sim").device(slot, sweep)
    device.open()
    manifest = directory.manifest
    config = WorkerConfig(
        slot,
        "",
        manifest.source,
        manifest.op,
        tuple(a.name for a in manifest.axes),
        tuple(a.name for a in manifest.axes if a.components),
        manifest.features,
        0,
    )
    batches = []
    for chunk in directory.chunks():
        table = directory.vectors(chunk.chunk_id)
        indexes = list(range(chunk.first_index, chunk.first_index + chunk.n_rows))
        batches.append(list(_vectors(config, table.append_column("index", [indexes]))))
    rows = manifest.n_vectors
    if device.info.profiler_capacity is not None:
        rows = max(1, device.info.profiler_capacity // manifest.repeats)
    began_s = time.perf_counter()
    tag = 0
    for batch in batches:
        for vector in batch:
            # Out of memory is an outcome here, too.
            with suppress(OpError):
                device.execute(vector, manifest.repeats, tag)
            tag += 1
            if tag % rows == 0:
                device.read_profile()
        device.read_profile()
    elapsed_s = time.perf_counter() - began_s
    device.close()
    return elapsed_s / tag


class TimedCoordinator(Coordinator):
    """Notes when each chunk was committed."""

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.times_s: list[float] = []

    def committed(self, chunk_id: str, counts: dict[str, int]) -> None:
        """Note a commit and when it came."""
        super().committed(chunk_id, counts)
        self.times_s.append(time.perf_counter())


def farm_s(directory: SweepDirectory, options: dict[str, str]) -> float:
    """Seconds per vector of the farm without Ray, from its first commit to its last.

    Coordinator, runner, watchdog, executor process, identities, fsync and commits are all there.
    """
    slot = CardSlot("sim", 0, options)
    settings = RunSettings(str(directory.path), "bench", (slot,))
    coordinator = TimedCoordinator(settings)
    CardRunner(slot, directory, settings, coordinator, lambda _chunk, _data: None).run()
    coordinator.close()
    first, *rest = directory.chunks()
    del first
    times_s = coordinator.times_s
    return (times_s[-1] - times_s[0]) / sum(chunk.n_rows for chunk in rest)


def overhead(folder: Path) -> list[Row]:
    rows = []
    for label, limits, options in (
        ("zero-cost simulated device, per vector", [], {"profiler": "direct"}),
        (
            "1 ms per vector",
            ["output_grid=1x2..4x2"],
            {"device_time": "0.001", "profiler": "direct"},
        ),
    ):
        sweep = limited(reshard_1x1(), limits)
        bare, farm = [], []
        for i in range(N_ROUNDS):
            directory = open_or_generate(folder / f"{label[:4]}{i}", Plan(sweep, "reshard"))
            bare.append(bare_loop_s(directory, sweep, options))
            farm.append(farm_s(directory, options))
        base_us, farm_us = median(bare) * 1e6, median(farm) * 1e6
        rows.append(
            (
                label,
                f"{farm_us:,.1f} us ({1e6 / farm_us:,.0f} vectors/s)",
                f"{base_us:,.1f} us bare loop",
                f"+{farm_us - base_us:.1f} us, x {median(farm) / median(bare):.3f}",
            )
        )
    return rows


def whole_run(folder: Path) -> list[Row]:
    """Seconds of `farm run` around the measuring, and the peak memory of all its processes."""
    command = [FARM, "run", "reshard", "-l", "input_grid=1x1", "--device", "sim:2", "--json",
               "--out", str(folder / "run")]  # fmt: skip
    peak_bytes = 0
    began_s = time.perf_counter()
    first_s = last_s = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None  # noqa: S101
        for line in run.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                peak_bytes = max(peak_bytes, _memory_bytes(run.pid))
                now_s = time.perf_counter()
                first_s = first_s or (now_s if event["n_done"] else 0.0)
                last_s = now_s
    end_s = time.perf_counter()
    return [
        ("farm run, start to first vector", f"{first_s - began_s:.1f} s", "", ""),
        ("farm run, 46,392 vectors on sim:2", f"{last_s - first_s:.1f} s", "", ""),
        ("farm run, last vector to exit", f"{end_s - last_s:.1f} s", "", ""),
        ("farm run, peak memory (PSS, all processes)", f"{peak_bytes / 2**20:.0f} MiB", "", ""),
    ]


def _memory_bytes(pid: int) -> int:
    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def main() -> None:
    table = Table("what", "sweepfarm", "baseline", "ratio")
    with tempfile.TemporaryDirectory() as name:
        for part in (generation, stored_size, overhead, whole_run):
            for row in part(Path(name)):
                table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
