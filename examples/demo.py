"""The main job on this machine: real kernels on its cores, then four simulated cards with faults.

Runs the ``farm`` commands that a user would type, and prints each.  Takes about two minutes on two
cores; what it makes lies below ``demo/``.  Run it twice: the second time there is nothing left to
measure.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path("demo")
FARM = Path(sys.executable).with_name("farm")


def farm(*arguments: str) -> None:
    """Print a farm command, run it, and end the demo if it fails."""
    print(f"\n$ farm {' '.join(arguments)}", flush=True)
    exit_code = subprocess.run([FARM, *arguments], check=False).returncode
    if exit_code:
        sys.exit(f"the demo stops: farm {arguments[0]} ended with exit code {exit_code}")


def real_kernels() -> None:
    """Sweep matrix multiplications and element-wise operations on this machine's cores."""
    matmul, eltwise = str(ROOT / "matmul"), str(ROOT / "eltwise")
    edges = ["--limit", "M=64..512", "--limit", "K=64..512", "--limit", "N=64..512"]
    farm("run", "matmul", "--device", "cpu", *edges, "--out", matmul)
    farm("predict", matmul, "--op", "matmul", "M=300", "K=300", "N=300", "dtype=float32")
    farm("report", matmul)
    farm("run", "eltwise", "--device", "cpu", "--out", eltwise)
    farm("report", eltwise)


def simulated_cards() -> None:
    """Sweep reshard on four cards; vector 300 hangs, 900 crashes its executor, 1500 fails."""
    reshard = str(ROOT / "reshard")
    grids = ["--limit", "input_grid=1x1..1x2", "--limit", "output_grid=1x3..2x4"]
    faults = ["--device-option", "faults=hang:300,crash:900,raise:1500"]
    farm("run", "reshard", "--device", "sim:4", *grids, *faults, "--timeout", "3",
         "--chunk", "256", "--out", reshard)  # fmt: skip
    farm("status", reshard)
    farm("check", reshard)
    farm("predict", reshard, "--op", "reshard", "input_grid=1x1", "output_grid=2x4",
         "input_strategy=BLOCK", "output_strategy=WIDTH", "shape=1x1x512x512")  # fmt: skip
    farm("report", reshard)


if __name__ == "__main__":
    real_kernels()
    simulated_cards()
    print(f"\nReports: {', '.join(str(path) for path in sorted(ROOT.glob('*/report.html')))}")
