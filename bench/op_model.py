"""Estimates per second, in columns and one by one, against what the machine does at best.

Columns: a table of mixed operations through `Estimator.estimate_table`, against the unary formula
alone on plain columns, written out.  One by one: `Estimator.estimate` of a ready descriptor, and of
one that is made each time, against a bare loop that computes the same formula from the
descriptor's fields and nothing else.

    python bench/op_model.py [--rows N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.descriptors.descriptor_table import Descriptors
from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.estimator.selection import Mode
from analysis.op_model.parameters.parameter_file import Operations, Parameters

ELTWISE = {"ublock_weight": 200.0, "tile_weight": 50.0}
PRODUCT = {
    "math_tiles_weight": 15.5,
    "math_dest_spill_weight": 47.0,
    "unpack_ublocks_weight": 93.0,
    "unpack_tiles_weight": 3.25,
}
OPS = ("exp", "gelu", "add", "multiply", "nop", "matmul")
OPERATIONS: Operations = {
    op: {"base": PRODUCT if op == "matmul" else ELTWISE} for op in (*OPS, "depthwise")
}
N_SINGLE = 20_000
LEAST_PER_S = 1e6
MOST_US = 20.0


def table(n_rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "op": random.choice(OPS, n_rows),
            **{
                name: random.integers(1, 9, n_rows)
                for name in ("t", "mblock_m", "mblock_n", "ublock_rt", "ublock_ct")
            },
            **{name: random.integers(1, 33, n_rows) for name in ("mblock_k", "ublock_kt")},
            "fidelity": random.choice(["LoFi", "HiFi4"], n_rows),
            "output_format": random.choice(["Bfp8_b", "Float16_b"], n_rows),
        }
    )


def median_s(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def bare_columns(frame: pd.DataFrame) -> Callable[[], object]:
    names = ("t", "mblock_m", "mblock_n", "ublock_rt", "ublock_ct")
    t, m, n, r, c = (frame[name].to_numpy(np.float64) for name in names)

    def run() -> object:
        blocks = m * n
        return t * (blocks * 200.0 + blocks * r * c * 50.0)

    return run


def bare_loop(descriptor: Descriptor) -> Callable[[], object]:
    def run() -> None:
        for _ in range(N_SINGLE):
            blocks = descriptor.mblock_m * descriptor.mblock_n
            tiles = blocks * descriptor.ublock_rt * descriptor.ublock_ct
            float(descriptor.t * (blocks * 200.0 + tiles * 50.0))

    return run


def single(estimator: Estimator, descriptor: Descriptor) -> Callable[[], object]:
    def run() -> None:
        for _ in range(N_SINGLE):
            estimator.estimate(descriptor)

    return run


def made_each_time(estimator: Estimator, descriptor: Descriptor) -> Callable[[], object]:
    fields = descriptor.as_json()

    def run() -> None:
        for _ in range(N_SINGLE):
            estimator.estimate(Descriptor(**fields))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    frame = table(arguments.rows)
    descriptors = Descriptors.from_frame(frame)
    parameters = Parameters("wormhole_b0", 1, OPERATIONS, "invented")
    descriptor = Descriptor("add", mblock_m=4, mblock_n=2, ublock_ct=4)
    bare = median_s(bare_columns(frame), arguments.repeats)
    reading = median_s(lambda: Descriptors.from_frame(frame), arguments.repeats)
    loop_us = median_s(bare_loop(descriptor), arguments.repeats) / N_SINGLE * 1e6
    print(f"columns, {arguments.rows:,} rows: at least {LEAST_PER_S / 1e6:g} M/s are wanted")
    print(f"  one formula, bare          {arguments.rows / bare / 1e6:8.1f} M/s")
    print(f"  table to descriptors       {arguments.rows / reading / 1e6:8.1f} M/s")
    for mode in Mode:
        estimator = Estimator(parameters, mode=mode)
        whole = median_s(partial(estimator.estimate_table, descriptors), arguments.repeats)
        rate, both = arguments.rows / whole, arguments.rows / (whole + reading)
        print(f"  estimates, {mode:8s}        {rate / 1e6:8.1f} M/s, {whole / bare:.1f} x bare")
        print(f"  the same from the table    {both / 1e6:8.1f} M/s")
    print(f"one by one: at most {MOST_US:g} us are wanted")
    print(f"  bare loop                  {loop_us:8.2f} us")
    for mode in Mode:
        estimator = Estimator(parameters, mode=mode)
        ready = median_s(single(estimator, descriptor), arguments.repeats) / N_SINGLE * 1e6
        made = median_s(made_each_time(estimator, descriptor), arguments.repeats) / N_SINGLE * 1e6
        print(f"  estimate, {mode:8s}         {ready:8.2f} us, {ready / loop_us:.1f} x bare")
        print(f"  with a new descriptor      {made:8.2f} us, {made / loop_us:.1f} x bare")


if __name__ == "__main__":
    main()
