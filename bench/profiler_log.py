"""Reading and writing device-profiler logs: ms per launch, against 7 ms of the usual reader.

R: launches on grids of 1x1 to 8x8 cores with two RISCs, as of a reshard.  C: 64 cores with five
RISCS.  Times are medians of repeated runs in one process; memory is the peak of a fresh process.

    python bench/profiler_log.py [--large MIB] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from farm.profiler.log_format import Generation
from farm.profiler.log_reader import read_log
from farm.profiler.log_writer import LogWriter, ZoneTimes, dump_text

USUAL_MS = 7.0
_RISCS = {"R": (0, 1), "C": (0, 1, 2, 3, 4)}
_PEAK = """
import resource, sys
from farm.profiler.log_reader import read_log
if len(sys.argv) > 1:
    print(len(read_log(sys.argv[1]).launches), file=sys.stderr)
# Of this process alone: the peak of `getrusage` would be inherited from the bench.
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def launches(shape: str, n: int, seed: int, first_cycle: int = 2_170_879_416_545) -> ZoneTimes:
    """Make launches one after the other on random grids (R) or on 64 cores (C)."""
    random = np.random.default_rng(seed)
    low = 1 if shape == "R" else 8
    height = random.integers(low, 9, n)
    n_cores = height * random.integers(low, 9, n)
    riscs = np.array(_RISCS[shape])
    per_launch = n_cores * len(riscs)
    launch = np.repeat(np.arange(n), per_launch)
    within = np.arange(len(launch)) - (np.cumsum(per_launch) - per_launch)[launch]
    core = within // len(riscs)
    body = random.integers(3_000, 6_000, n)[launch] + random.integers(0, 500, len(launch))
    start = first_cycle + launch * 12_000 + random.integers(0, 300, len(launch))
    cycles = np.stack([start, start + 700, start + 700 + body, start + 950 + body], axis=1)
    x, y = core // height[launch] + 1, core % height[launch] + 1
    return ZoneTimes(launch, x, y, riscs[within % len(riscs)], cycles).core_by_core()


def median_ms(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall and processor time: other work on the machine stretches the first, hardly the second."""
    run()  # what only the first one pays: imports, memory from the system
    wall, processor = [], []
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    return 1000 * statistics.median(wall), 1000 * statistics.median(processor)


def peak_mib(path: Path | None) -> float:
    command = [sys.executable, "-c", _PEAK, *([str(path)] if path else [])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def row(shape: str, n: int, generation: Generation, folder: Path, repeats: int) -> str:
    times = launches(shape, n, seed=1)
    ids = np.arange(1, n + 1) * (1 if generation is Generation.V1 else 1024)
    writing, _ = median_ms(lambda: dump_text(times, ids, generation), repeats)
    path = folder / "profile_log_device.csv"
    LogWriter(path, generation).dump(times, ids)
    reading, processor = median_ms(lambda: read_log(path), repeats)
    memory = peak_mib(path)
    size_mib = path.stat().st_size / 2**20
    path.unlink()
    return (
        f"| {shape} {n} {generation} | {4 * len(times.launch) / n:.0f} | {size_mib:.1f} "
        f"| {reading / n:.4f} | {processor / n:.4f} | {USUAL_MS * n / reading:.0f}x "
        f"| {writing / n:.4f} | {memory:.0f} |"
    )


def write_large(path: Path, size_mib: int) -> int:
    """Write dump after dump of 500 launches each; return the number of launches."""
    writer, n = LogWriter(path, Generation.V5), 0
    while not path.exists() or path.stat().st_size < size_mib * 2**20:
        ids = np.arange(n + 1, n + 501)
        times = launches("R", 500, seed=n, first_cycle=10**9 + n * 12_000)
        writer.dump(times, (ids % 2**21) * 1024)
        n += 500
    return n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", type=int, default=1024, help="size of the large log, MiB")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    print("times in ms per launch")
    print(
        "| log | rows per launch | MiB | read | read, processor | 7 ms / read | write | peak MiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for generation in (Generation.V1, Generation.V5):
            for shape, n in (("R", 100), ("R", 500), ("R", 2000), ("C", 100), ("C", 500)):
                print(row(shape, n, generation, folder, arguments.repeats), flush=True)
        print(f"\nmemory of the imports alone: {peak_mib(None):.0f} MiB")
        if arguments.large:
            path = folder / "large.csv"
            n = write_large(path, arguments.large)
            start = time.perf_counter()
            memory = peak_mib(path)
            spent = 1000 * (time.perf_counter() - start) / n
            print(
                f"large log of {path.stat().st_size / 2**20:.0f} MiB, {n} launches in dumps of 500:"
                f" {spent:.4f} ms per launch with the start of Python, peak {memory:.0f} MiB"
            )


if __name__ == "__main__":
    main()
