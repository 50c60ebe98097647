"""Importing vector and result files of tt-metal: time, peak memory and size on disk.

Files as the reshard-modelling branch writes them are generated, one per pair of core grids; each
command is a process of its own.  Baseline: the processor time in which the standard library reads
and decodes the same files once, and keeps nothing.

    python bench/tt_metal_import.py [--megabytes N] [--folder PATH]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from farm.interchange import reshard_entries
from farm.interchange.vector_keys import branch_key

FARM = str(Path(sys.executable).with_name("farm"))
_PER_FILE = 1600
_DECODE = "import json, pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).rglob('*.json'):\n"
_DECODE += "    json.loads(path.read_bytes())\n"


def vectors_of_file(first: tuple[int, int], second: tuple[int, int]) -> Iterator[dict[str, object]]:
    for number in range(_PER_FILE):
        kinds = divmod(number % 6, 3)
        yield {
            "input_strategy": ("BLOCK", "WIDTH")[kinds[0]],
            "output_strategy": ("BLOCK", "WIDTH", "HEIGHT")[kinds[1]],
            "input_orientation": "ROW_MAJOR",
            "output_orientation": "ROW_MAJOR",
            "dtype": "BFLOAT16",
            "input_grid": first,
            "output_grid": second,
            "shape": (1, 1, 32 * (1 + number // 40), 32 * (1 + number % 40)),
        }


def write_pair(folder: Path, first: tuple[int, int], second: tuple[int, int]) -> int:
    """Write the vectors and the results of a pair of grids; return their bytes."""
    vectors, results = {}, []
    for params in vectors_of_file(first, second):
        suite, key = reshard_entries.suite_of(params), branch_key(params)
        entries = {**reshard_entries.entries_of(params), **reshard_entries.bookkeeping(suite)}
        stamp = {"timestamp": "2026-11-21_02-18-14", "input_hash": key, "tag": None}
        vectors[key] = {**entries, **stamp}
        mean = 600.0 + int(key[:6], 16) / 1000
        perf = {
            f"DEVICE {name}DURATION [ns]{suffix}": mean * scale
            for name, share in (("KERNEL ", 1), ("BRISC KERNEL ", 0.98), ("NCRISC KERNEL ", 0.99))
            for suffix, scale in (("", share), ("_std", 0.01))
        }
        results.append(
            {
                "sweep_name": reshard_entries.MODULE,
                "suite_name": suite,
                "vector_id": key,
                "input_hash": key,
                "status": "TestStatus.PASS",
                "message": "",
                "device_perf": {**perf, "runs": 10},
                "e2e_perf": "None",
                "git_hash": "ba4e859",
            }
        )
    name = reshard_entries.file_of(params)
    n_bytes = 0
    for kind, content in (("vectors", {suite: vectors}), ("results", results)):
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2))
        n_bytes += path.stat().st_size if kind == "vectors" else 0
    return n_bytes


def write_files(folder: Path, megabytes: int) -> None:
    grids = list(itertools.product(range(1, 9), range(1, 9)))
    pairs = ((a, b) for a in grids for b in grids if a != b)
    n_bytes = 0
    while n_bytes < megabytes * 1e6:
        n_bytes += write_pair(folder, *next(pairs))


def measured(*command: object) -> tuple[float, float, float]:
    """Wall and processor time in s and peak memory in MB of a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    processor_s = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - start, processor_s, usage.ru_maxrss / 1e3


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def bench(folder: Path) -> None:
    out = folder / "sweep"
    decode = (sys.executable, "-c", _DECODE)
    decoding = {kind: measured(*decode, folder / kind)[1] for kind in ("vectors", "results")}
    steps = (
        ("import vectors", "vectors", (FARM, "import", "vectors", folder / "vectors")),
        ("import results", "results", (FARM, "import", "results", folder / "results")),
        ("export vectors", "vectors", (FARM, "export", out, "--format", "tt-metal-vectors")),
        ("export results", "results", (FARM, "export", out, "--format", "reshard-results")),
    )
    print("| step | MB of JSON | s | processor, s | decoding alone | ratio | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for name, kind, command in steps:
        target = out if name.startswith("import") else folder / f"again-{kind}"
        spent_s, processor_s, peak_mb = measured(*command, "--out", target)
        baseline_s = decoding[kind]
        print(
            f"| {name} | {size_mb(folder / kind):.0f} | {spent_s:.1f} | {processor_s:.1f} "
            f"| {baseline_s:.1f} | {processor_s / baseline_s:.1f} | {peak_mb:.0f} |",
            flush=True,
        )
    for kind in ("vectors", "results"):
        same = subprocess.run(["diff", "-rq", folder / kind, folder / f"again-{kind}"], check=False)
        print(f"{kind}: {'the same bytes again' if not same.returncode else 'NOT the same'}")
    print(f"sweep directory: {size_mb(out):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200, help="size of the vector files")
    parser.add_argument("--folder", type=Path, help="empty folder to work in; default: temporary")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        write_files(folder, arguments.megabytes)
        bench(folder)


if __name__ == "__main__":
    main()
