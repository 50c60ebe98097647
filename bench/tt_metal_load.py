"""What a sweep module with 12,096 suites over one list of 62,001 shapes costs to load and judge.

Run ``python bench/tt_metal_load.py``; it prints one table.  The baseline of the loads is the bare
Python import of the module, that of the judging a bare loop over the same calls of
``invalidate_vector``; each is measured in turn with what it is compared to, in processes of their
own, and the shortest of `N_ROUNDS` counts.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from farm.catalog import load_sweep
from farm.devices import registry
from farm.devices.device import CardSlot
from farm.tt_metal.import_roots import import_module
from farm.tt_metal.module_process import describe_apart
from farm.tt_metal.source import format_source

TESTS = Path(__file__).parents[1] / "tests"
ROOT, STANDINS = TESTS / "tt_metal_tree", TESTS / "standins"
MODULE = "data_movement.reshard.all_grids"
SUITE = "1x1-1x2-DataType.BFLOAT16"
FARM = str(Path(sys.executable).with_name("farm"))
N_ROUNDS = 3
SOURCE = format_source(ROOT, MODULE)


def seconds_of(action: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    action()
    return time.perf_counter() - began_s


def bare_import() -> float:
    """Baseline: the module and nothing of the farm."""
    return seconds_of(lambda: import_module(ROOT, MODULE))


def executor_load() -> float:
    """Load the module, and make sweep and device, as an executor does before it opens the card."""

    def load() -> None:
        sweep = load_sweep(SOURCE, runs_here=True)
        registry.kind("ttnn").device(CardSlot("ttnn", 0), sweep)

    return seconds_of(load)


def description() -> float:
    """Have another process import and describe the module, as the command does."""
    return seconds_of(lambda: describe_apart(SOURCE))


def bare_judging() -> float:
    """Baseline: every candidate of the suite, in one loop."""
    module = import_module(ROOT, MODULE)
    suite = module.parameters[SUITE]

    def judge() -> None:
        for values in itertools.product(*suite.values()):
            module.invalidate_vector(dict(zip(suite, values, strict=True)))

    return seconds_of(judge)


def generate() -> float:
    """``farm generate`` of one suite, from the start of its process to the end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [FARM, "generate", "--tt-metal-root", str(ROOT), "--module", MODULE]
        command += ["--suite", SUITE, "--out", f"{folder}/sweep"]
        return seconds_of(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


MEASURED = (bare_import, executor_load, description, bare_judging, generate)


def apart(measured: Callable[[], float]) -> float:
    """Measure in a process of its own: a module is imported once per process."""
    done = subprocess.run(
        [sys.executable, __file__, measured.__name__], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    os.environ["PYTHONPATH"] = str(STANDINS)
    rounds = [{measured: apart(measured) for measured in MEASURED} for _ in range(N_ROUNDS)]
    best_s = {measured: min(each[measured] for each in rounds) for measured in MEASURED}
    table = Table(title=f"{MODULE}: the shortest of {N_ROUNDS} rounds")
    for heading in ("what", "time", "baseline", "ratio", "more than it"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    rows = (
        ("an executor's load", executor_load, bare_import),
        ("description, in a process of its own", description, bare_import),
        ("farm generate, one suite of 558,009 candidates", generate, bare_judging),
    )
    for what, measured, baseline in rows:
        own_s, bare_s = best_s[measured], best_s[baseline]
        table.add_row(
            what,
            f"{own_s:.2f} s",
            f"{bare_s:.2f} s",
            f"{own_s / bare_s:.1f}",
            f"{own_s - bare_s:.2f} s",
        )
    Console().print(table)


if __name__ == "__main__":
    chosen = {measured.__name__: measured for measured in MEASURED}
    if len(sys.argv) > 1:
        print(chosen[sys.argv[1]]())
    else:
        main()
