"""What safety costs: the farm against the same farm without fsync and without its watchdog.

Run ``python bench/safety.py``.  One simulated card with 1 ms of real waiting per vector; the two
variants run in turn, and the ratio is that of the medians.  The bare device loop of the same run
stands beside them: it bounds everything that the farm adds.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest import mock

from first_light import bare_loop_s, farm_s, reshard_1x1
from rich.console import Console
from rich.table import Table

from farm.generation import Plan, open_or_generate
from farm.store.directory import SweepDirectory
from sweeps.limits import limited

N_ROUNDS = 5
OPTIONS = {"device_time": "0.001", "profiler": "direct"}


@contextlib.contextmanager
def unsafe() -> Iterator[None]:
    """Neither sync anything nor look after the executor."""
    with (
        mock.patch("os.fsync", return_value=None),
        mock.patch("farm.card.executor.judge", return_value=None),
    ):
        yield


def main() -> None:
    sweep = limited(reshard_1x1(), ["output_grid=1x2..2x2"])
    bare, safe, without = [], [], []
    with tempfile.TemporaryDirectory() as name:

        def directory(label: str) -> SweepDirectory:
            return open_or_generate(Path(name) / label, Plan(sweep, "reshard"))

        for i in range(N_ROUNDS):
            bare.append(bare_loop_s(directory(f"bare{i}"), sweep, OPTIONS))
            safe.append(farm_s(directory(f"safe{i}"), OPTIONS))
            with unsafe():
                without.append(farm_s(directory(f"without{i}"), OPTIONS))
    table = Table("1 ms per vector, one card", "us per vector", "over the safe farm")
    for label, figures in (
        ("farm", safe),
        ("farm without fsync and watchdog", without),
        ("bare device loop", bare),
    ):
        ratio = median(safe) / median(figures)
        table.add_row(label, f"{median(figures) * 1e6:,.1f}", f"x {ratio:.4f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
