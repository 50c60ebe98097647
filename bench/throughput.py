"""Vectors per second: the bare device loop, and the farm with one to eight simulated cards.

Run ``python bench/throughput.py``; it prints one table.  Device time is real waiting; each vector
has 10 launches on a small grid, whose log is written and parsed for real (``profiler=log``), except
in the last row.  The bare loop is the device alone in one process, vectors at hand, one profiler
read per full buffer.

Rates of the farm are those of ``farm run``, Ray, store and fits included, while every card is at
work: between the first vector of the card that began last and the last vector of the card that
ended first, by the times that are stored with each vector.  Start and end of a run are measured in
`first_light.py`.  The number in brackets is the share of the bare loop's rate times the number of
cards; behind it is how many cores all processes of the run kept busy.  The second table says what
the limit is made of: processor time per vector, by process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pyarrow as pa
from first_light import FARM, bare_loop_s
from rich.console import Console
from rich.table import Table

from farm.catalog import load_sweep
from farm.generation import Plan, open_or_generate
from farm.store.directory import SweepDirectory
from sweeps.limits import limited

SWEEP = str(Path(__file__).parent / "throughput_sweep.py")
VECTORS_PER_COPY = 228
CARDS = (1, 2, 4, 8)
DEVICE_TIMES_MS = (0.0, 0.1, 1.0, 10.0)
MOST_PER_S = {"log": 6_000, "direct": 30_000}
"""More than one core measures per second, so that no run is over too soon."""


ROLES = {
    "ray::DeviceActor": "device actors",
    "ray::AnalysisWorker": "analysis worker",
    "ray::Coordinator": "coordinator",
    "multiprocessing.spawn": "executors",
    "farm": "driver, terminal",
}
"""Part of the command line -> role, the first that fits; everything else is Ray's own."""
RAY = "Ray"


class Rate(NamedTuple):
    """How fast a run was while all of its cards were at work, and the cores that it kept busy."""

    vectors_per_s: float
    window_s: float
    busy: dict[str, float]


def farm_rate(
    folder: Path, n_cards: int, options: dict[str, str], limits: list[str], chunk_rows: int
) -> Rate:
    """Measure one `farm run`."""
    command = [FARM, "run", SWEEP, "--device", f"sim:{n_cards}", "--json", "--out", str(folder)]
    command += ["--chunk", str(chunk_rows)]
    for limit in limits:
        command += ["--limit", limit]
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    samples: list[tuple[float, dict[str, float]]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        if run.stdout is None:
            raise RuntimeError("no output to read")
        samples.extend(
            (time.time(), _cpu_s(run.pid))
            for line in run.stdout
            if json.loads(line)["event"] == "progress"
        )
    if run.returncode:
        sys.exit(f"{' '.join(command)} ended with {run.returncode}")
    return _steady(folder, samples)


def _cpu_s(pid: int) -> dict[str, float]:
    """Processor seconds of a process and all that came from it, by role."""
    total_s = dict.fromkeys([*ROLES.values(), RAY], 0.0)
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            command, times = " ".join(process.cmdline()), process.cpu_times()
            is_ours = "/site-packages/ray/" not in command
            role = next((ROLES[part] for part in ROLES if is_ours and part in command), RAY)
            total_s[role] += times.user + times.system
    return total_s


def _steady(folder: Path, samples: list[tuple[float, dict[str, float]]]) -> Rate:
    """Rate between the last card's first vector and the first card's last one."""
    directory = SweepDirectory.open(folder)
    outcomes = pa.concat_tables(
        directory.outcomes(chunk_id).select(["card", "started_at"])
        for chunk_id in directory.committed()
    )
    by_card = outcomes.group_by("card").aggregate([("started_at", "min"), ("started_at", "max")])
    begin = max(by_card["started_at_min"].to_pylist()).timestamp()
    end = min(by_card["started_at_max"].to_pylist()).timestamp()
    started_s = outcomes["started_at"].cast(pa.int64()).to_numpy() / 1e6
    n = int(((started_s >= begin) & (started_s < end)).sum())
    inside = [sample for sample in samples if begin < sample[0] < end]
    if len(inside) < 2:
        sys.exit(
            f"the cards of {folder} worked together for {end - begin:.1f} s only; --run-s more"
        )
    (t0, before), (t1, after) = inside[0], inside[-1]
    busy = {role: (after[role] - before[role]) / (t1 - t0) for role in after}
    return Rate(n / (end - begin), end - begin, busy)


class Bench:
    """Runs and their two tables."""

    def __init__(self, folder: Path, cards: list[int], run_s: float) -> None:
        self._folder, self._cards, self._run_s = folder, cards, run_s
        counts = (f"{n} card{'s' * (n > 1)}" for n in cards)
        self.rates = Table(
            "device time per vector",
            "bare loop /s",
            *(f"farm, {count} /s" for count in counts),
            title=f"vectors per second, share of the bare loops', busy cores of {os.cpu_count()}",
        )
        self.costs = Table(
            "device time, cards",
            *dict.fromkeys(ROLES.values()),
            RAY,
            "all",
            title="processor time per vector, us",
        )

    def add(self, device_ms: float, profiler: str) -> None:
        """Measure a row."""
        options = {"device_time": str(device_ms / 1000), "profiler": profiler}
        most_per_s = MOST_PER_S[profiler]
        one_card = min(most_per_s, 1000 / device_ms if device_ms else most_per_s)
        # Chunks of about half a second, so that the cards end together.
        chunk_rows = int(min(1024, max(32, one_card / 2)))
        label = f"{device_ms:g} ms, {'log' if profiler == 'log' else 'no log'}"
        folder = self._folder / label
        bare = self._bare(folder / "bare", options, one_card)
        cells = [label, f"{bare:,.0f}"]
        for n_cards in self._cards:
            n_wanted = self._run_s * min(most_per_s, one_card * n_cards)
            limits = [f"copy=0..{int(n_wanted / VECTORS_PER_COPY)}"]
            rate = farm_rate(folder / f"farm{n_cards}", n_cards, options, limits, chunk_rows)
            share, busy = rate.vectors_per_s / (bare * n_cards), sum(rate.busy.values())
            cells.append(f"{rate.vectors_per_s:,.0f} ({share:.0%}) {busy:.2f}")
            note = f"{label}, {n_cards} cards: {cells[-1]}, over {rate.window_s:.1f} s"
            print(note, file=sys.stderr)
            each = {role: 1e6 * cores / rate.vectors_per_s for role, cores in rate.busy.items()}
            columns = [*dict.fromkeys(ROLES.values()), RAY]
            self.costs.add_row(
                f"{label}, {n_cards}",
                *(f"{each[role]:.0f}" for role in columns),
                f"{sum(each.values()):.0f}",
            )
        self.rates.add_row(*cells)

    def _bare(self, folder: Path, options: dict[str, str], one_card: float) -> float:
        limits = [f"copy=0..{int(self._run_s / 2 * one_card / VECTORS_PER_COPY)}"]
        sweep = limited(load_sweep(SWEEP), limits)
        directory = open_or_generate(folder, Plan(sweep, SWEEP))
        return 1 / bare_loop_s(directory, sweep, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device-ms", type=float, nargs="*", default=DEVICE_TIMES_MS)
    parser.add_argument("--cards", type=int, nargs="*", default=CARDS)
    parser.add_argument("--run-s", type=float, default=15.0, help="about how long to measure")
    parser.add_argument("--no-direct", action="store_true", help="leave the row without log out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), arguments.cards, arguments.run_s)
        for device_ms in arguments.device_ms:
            bench.add(device_ms, "log")
        if not arguments.no_direct:
            bench.add(0.0, "direct")
    console = Console(width=140)
    console.print(bench.rates)
    console.print(bench.costs)


if __name__ == "__main__":
    main()
