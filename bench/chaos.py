"""Chaos: faults on every card and SIGKILL of every kind of process, until the numbers are reached.

Run ``python bench/chaos.py --kills 200 --faults 1000 --seed 1``.  It runs sweep after sweep on four
simulated cards with seeded random faults, kills processes at random (a killed executor is a strike
on the vector in flight, hence the four strikes), runs the same command again
whenever it ended, and audits every finished sweep against the simulator's truth.  What it does
follows from the seed alone, except for the instants at which the machine lets it happen.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from farm.devices.sim_chaos import EXPECTED_STATUS, planned_faults
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.store.journal import is_incident
from farm.testing.truth import audit

FARM = str(Path(sys.executable).with_name("farm"))
GRIDS = ("-l", "input_grid=1x1..1x2", "-l", "output_grid=1x3..2x4")
WEIGHTS = {
    "executor": 45,
    "DeviceActor": 28,
    "Coordinator": 10,
    "AnalysisWorker": 10,
    "driver": 3,
    "supervisor": 2,
    "raylet": 1,
    "gcs_server": 1,
}


@dataclass
class Tally:
    """What happened over all sweeps."""

    kills: collections.Counter[str] = field(default_factory=collections.Counter)
    incidents: collections.Counter[str] = field(default_factory=collections.Counter)
    n_sweeps: int = 0
    n_vectors: int = 0
    n_resumes: int = 0
    n_missing: int = 0
    n_doubled: int = 0
    n_wrong: int = 0
    n_misjudged: int = 0
    n_disguised: int = 0
    n_damaged: int = 0
    n_temporaries: int = 0
    n_orphans: int = 0
    lost_s: float = 0.0

    @property
    def n_kills(self) -> int:
        """Processes killed."""
        return sum(self.kills.values())

    @property
    def n_faults(self) -> int:
        """Incidents that the farm journalled."""
        return sum(self.incidents.values())


def victims(run: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Living processes of a run by kind."""
    found: dict[str, list[psutil.Process]] = {"supervisor": [run]}
    for process in run.children(recursive=True):
        try:
            text = " ".join(process.cmdline())
        except psutil.Error:
            continue
        for kind, mark in (
            ("executor", "spawn_main"),
            ("DeviceActor", "ray::DeviceActor"),
            ("Coordinator", "ray::Coordinator"),
            ("AnalysisWorker", "ray::AnalysisWorker"),
            ("driver", "farm.driver"),
            ("raylet", "raylet/raylet"),
            ("gcs_server", "gcs_server"),
        ):
            if mark in text.split(" --")[0]:
                found.setdefault(kind, []).append(process)
                break
    return found


def keep_killing(
    pid: int, dice: random.Random, tally: Tally, n_kills: int, stop: threading.Event
) -> None:
    """Kill something every other second or so."""
    while not stop.wait(dice.uniform(0.5, 3.0)) and tally.n_kills < n_kills:
        try:
            # Drawn first: while a run starts, only few kinds live, and not only they shall die.
            kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            living = victims(psutil.Process(pid)).get(kind)
            if living:
                dice.choice(living).kill()
                tally.kills[kind] += 1
        except psutil.Error:
            continue


def run_sweep(folder: Path, seed: int, rate: float, n_kills: int, tally: Tally) -> None:
    """Run one sweep to its end, whatever it takes, and audit it."""
    dice = random.Random(seed)
    memory = folder / "faults"
    command = [
        FARM, "run", "reshard", *GRIDS, "--device", "sim:4", "--timeout", "2", "--chunk", "32",
        "-o", f"chaos={seed}:{rate}", "-o", f"fault_dir={memory}", "-o", "device_time=0.002",
        "--deadline-floor", "0.3", "--open-timeout", "8", "--read-timeout", "2",
        "--reset-timeout", "3", "--max-strikes", "4", "--json", "--out", str(folder / "sweep"),
    ]  # fmt: skip
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            stop = threading.Event()
            killer = threading.Thread(
                target=keep_killing, args=(run.pid, dice, tally, n_kills, stop)
            )
            killer.start()
            output = run.communicate()[0]
            stop.set()
            killer.join()
        if run.returncode == 0:
            break
        if run.returncode > 0 and run.returncode != 4:
            sys.exit(f"farm run ended with {run.returncode}: {output[-2000:]}")
        tally.n_resumes += 1
    account(folder / "sweep", seed, rate, tally)


def account(path: Path, seed: int, rate: float, tally: Tally) -> None:
    """Audit a finished sweep and add it to the tally."""
    directory = SweepDirectory.open(path)
    found = audit(directory)
    culprits = planned_faults(seed, rate, range(directory.manifest.n_vectors))
    expected = {index: EXPECTED_STATUS[kind].value for index, kind in culprits.items()}
    tally.n_sweeps += 1
    tally.n_vectors += directory.manifest.n_vectors
    tally.n_missing += len(found.missing)
    tally.n_doubled += len(found.doubled)
    tally.n_wrong += len(found.wrong)
    poisoned = {i: s for i, s in found.statuses.items() if s in {"HANG", "CRASH", "OP_ERROR"}}
    memory_limited = {i for i, s in found.statuses.items() if s == "OUT_OF_MEMORY"}
    misjudged = {i for i in poisoned if expected.get(i) != poisoned[i]}
    misjudged |= {i for i in expected if i not in poisoned and i not in memory_limited}
    # A kill while a vector hangs is a crash for all that anybody can see.
    disguised = {i for i in misjudged if {poisoned.get(i), expected.get(i)} == {"CRASH", "HANG"}}
    misjudged -= disguised
    tally.n_disguised += len(disguised)
    for index in sorted(misjudged):
        print(f"vector {index}: {found.statuses[index]}, expected {expected.get(index, 'OK')}")
    tally.n_misjudged += len(misjudged)
    tally.n_damaged += not verify(path).is_sound
    tally.n_temporaries += sum(1 for _ in (path / "tmp").glob("*"))
    for record in directory.incidents():
        tally.lost_s += float(record.get("lost_s", 0.0))
        if is_incident(record):
            tally.incidents[record["kind"]] += 1
    print(json.dumps({"sweep": tally.n_sweeps, "kills": tally.n_kills, "faults": tally.n_faults}))


def count_orphans() -> int:
    """Executors and farm processes that outlived every run."""
    time.sleep(5)
    n = 0
    for process in psutil.process_iter(["cmdline", "ppid"]):
        text = " ".join(process.info["cmdline"] or [])
        is_ours = "spawn_main" in text or "farm.driver" in text or "ray::DeviceActor" in text
        n += is_ours and process.info["ppid"] == 1
    return n


def report(tally: Tally, elapsed_s: float) -> None:
    table = Table("what", "figure", title="chaos")
    rows = {
        "sweeps, vectors": f"{tally.n_sweeps}, {tally.n_vectors:,}",
        "processes killed": f"{tally.n_kills}: "
        + ", ".join(f"{kind} {n}" for kind, n in tally.kills.most_common()),
        "runs started again": str(tally.n_resumes),
        "incidents": f"{tally.n_faults}: "
        + ", ".join(f"{kind} {n}" for kind, n in tally.incidents.most_common()),
        "vectors missing, doubled, with launches not their own": f"{tally.n_missing}, "
        f"{tally.n_doubled}, {tally.n_wrong}",
        "vectors with the wrong status": str(tally.n_misjudged),
        "vectors that hang, called CRASH because of kills": str(tally.n_disguised),
        "damaged directories, temporary files, orphans": f"{tally.n_damaged}, "
        f"{tally.n_temporaries}, {tally.n_orphans}",
        "card seconds lost per incident": f"{tally.lost_s / max(1, tally.n_faults):.2f}",
        "elapsed": f"{elapsed_s:.0f} s",
    }
    for what, figure in rows.items():
        table.add_row(what, figure)
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0.02, help="share of vectors with a fault")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tally, seed = Tally(), arguments.seed
    began_s = time.monotonic()
    while tally.n_kills < arguments.kills or tally.n_faults < arguments.faults:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        run_sweep(folder, seed, arguments.rate, arguments.kills, tally)
        shutil.rmtree(folder)
        seed += 1
    tally.n_orphans = count_orphans()
    report(tally, time.monotonic() - began_s)
    is_clean = not (tally.n_missing or tally.n_doubled or tally.n_wrong or tally.n_misjudged)
    sys.exit(0 if is_clean and not tally.n_damaged else 1)


if __name__ == "__main__":
    main()
