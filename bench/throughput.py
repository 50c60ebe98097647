"""Vectors per second: the bare device loop, and the farm with one to eight simulated cards.

Run ``python bench/throughput.py``; it prints one table.  Device time is real waiting; each vector
has 10 launches on a small grid, whose log is written and parsed for real (``profiler=log``), except
in the last row.  Rates of the farm are those of ``farm run``, Ray included, between its first and
its last progress report; every figure of a row was measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from first_light import FARM, bare_loop_s
from rich.console import Console
from rich.table import Table

from farm.catalog import load_sweep
from farm.generation import Plan, open_or_generate
from sweeps.limits import limited

LIMITS = ["input_grid=1x1", "output_grid=1x2,1x3,2x1,2x2,2x3,3x1,3x2"]
CARDS = (1, 2, 4, 8)
DEVICE_TIMES_MS = (0.0, 0.1, 1.0, 10.0)
RUN_S = 8.0
"""About how long each run measures."""


def farm_rate(folder: Path, n_cards: int, options: dict[str, str], limits: list[str]) -> float:
    """Vectors per second of one `farm run`."""
    command = [FARM, "run", "reshard", "--device", f"sim:{n_cards}", "--json", "--out", str(folder)]
    for limit in limits:
        command += ["--limit", limit]
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    samples: list[tuple[float, int]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        if run.stdout is None:
            raise RuntimeError("no output to read")
        for line in run.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                samples.append((time.perf_counter(), int(event["n_done"])))
    if run.returncode:
        sys.exit(f"{' '.join(command)} ended with {run.returncode}")
    begun = [i for i, (_, n) in enumerate(samples) if n]
    done = [i for i, (_, n) in enumerate(samples) if n == samples[-1][1]]
    (t0, n0), (t1, n1) = samples[begun[0]], samples[done[0]]
    return (n1 - n0) / (t1 - t0) if t1 > t0 else float("nan")


def limits_for(n_wanted: int) -> list[str]:
    """Limits of a sweep with about so many vectors, all of which fit the simulated L1."""
    # Each tile row adds about 300 vectors over the output grids.
    edge = 32 * min(20, max(4, n_wanted // 300))
    return [*LIMITS, f"shape=1x1x32x32..1x1x{edge}x672"]


def row(folder: Path, label: str, device_ms: float, options: dict[str, str]) -> list[str]:
    limits = limits_for(int(RUN_S * 1000 / max(device_ms, 0.5)))
    sweep = limited(load_sweep("reshard"), limits)
    directory = open_or_generate(folder / "bare", Plan(sweep, "reshard"))
    bare = 1 / bare_loop_s(directory, sweep, options)
    cells = [label, f"{directory.manifest.n_vectors:,}", f"{bare:,.0f}"]
    for n_cards in CARDS:
        rate = farm_rate(folder / f"farm{n_cards}", n_cards, options, limits)
        cells.append(f"{rate:,.0f} ({rate / (bare * n_cards):.0%})")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device-ms", type=float, nargs="*", default=DEVICE_TIMES_MS)
    arguments = parser.parse_args()
    table = Table(
        "device time per vector",
        "vectors",
        "bare loop /s",
        *(f"farm, {n} card{'s' * (n > 1)} /s" for n in CARDS),
        title="share of the bare loop's rate times the number of cards in brackets",
    )
    with tempfile.TemporaryDirectory() as name:
        for number, device_ms in enumerate(arguments.device_ms):
            options = {"device_time": str(device_ms / 1000), "profiler": "log"}
            cells = row(Path(name) / str(number), f"{device_ms:g} ms, log", device_ms, options)
            table.add_row(*cells)
        options = {"profiler": "direct"}
        table.add_row(*row(Path(name) / "direct", "0 ms, no log", 0.0, options))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
