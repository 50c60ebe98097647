"""Designs per second: evaluation in columns against one at a time, exploration, fronts, search.

Everything on one core, processor time.  "One at a time" is what a script over the models of one
chip would do: a `SoCConfig` for each design, its density, power and time on the roofline.

    OMP_NUM_THREADS=1 python bench/soc.py [--repeats N] [--large]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ThermalRunawayError
from analysis.soc.explore.constraints import Constraint
from analysis.soc.explore.design_space import CHUNK_DESIGNS, DeclaredSpace
from analysis.soc.explore.evaluation import DesignColumns, Floats, Setting
from analysis.soc.explore.exploration import Question, explore
from analysis.soc.explore.metrics import Goal
from analysis.soc.explore.pareto import front
from analysis.soc.explore.search import search
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.models.power import PowerModel, PowerSemantics
from sweeps.limits import limited
from sweeps.soc_design import SWEEP
from sweeps.space import Sweep

SPACES = {
    "10^5": [],
    "10^6": ["n_sms:=16..48", "clock_mhz:=1800,1900,2000,2100,2200,2300,2400,2500"],
    "10^7": ["n_sms:=16..64", "clock_mhz:=1600..1634", "l2_mb:=4..8"],
}
N_SINGLE = 2000
METRICS = ("density_tflops_mm2", "total_power_w", "time_ns")


def processor_s(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def in_columns(params: dict[str, Floats], setting: Setting) -> None:
    designs = DesignColumns(params, setting)
    for name in METRICS:
        designs.number(name)


def one_at_a_time(params: dict[str, Floats], n: int, setting: Setting) -> list[float]:
    """Evaluate n designs through the models of one chip."""
    (op,) = setting.workload.ops
    found = []
    for i in range(n):
        soc = SoCConfig().with_values({name: float(column[i]) for name, column in params.items()})
        try:
            found.append(PowerModel(soc, setting.semantics).total_power())
        except ThermalRunawayError:
            found.append(float("nan"))
        intensity = op.flops / op.bytes_moved(soc.total_l2_mb * 1e6)
        roof = PerformanceModel(soc).attainable_tflops(Precision.FP16, intensity)
        found += [soc.compute_density(Precision.FP16), op.flops / roof * 1e-3]
    return found


def bench_evaluation(repeats: int) -> None:
    print("| power | designs/s in columns | designs/s one at a time | ratio |")
    print("|---|---|---|---|")
    space = limited(SWEEP, SPACES["10^6"])
    params = next(c for c in DeclaredSpace(space).chunks() if len(c["n_sms"]) == CHUNK_DESIGNS)
    for semantics in PowerSemantics:
        setting = Setting(semantics=semantics)

        fast = CHUNK_DESIGNS / processor_s(partial(in_columns, params, setting), 20 * repeats)
        slow = N_SINGLE / processor_s(partial(one_at_a_time, params, N_SINGLE, setting), repeats)
        print(f"| {semantics} | {fast:,.0f} | {slow:,.0f} | {fast / slow:.0f}x |", flush=True)


def question(*goals: str) -> Question:
    constraints = (Constraint.parse("total_power_w<=500"), Constraint.parse("n_chiplets>=4"))
    parsed = tuple(Goal.parse(name) for name in goals)
    return Question(parsed, parsed[0], constraints).with_limits(Setting())


def enumerated(sweep: Sweep) -> int:
    return sum(len(chunk["n_sms"]) for chunk in DeclaredSpace(sweep).chunks())


def bench_exploration(repeats: int, *, is_large: bool) -> None:
    print("\n| space | designs | enumeration, designs/s | exploration, designs/s | peak MiB |")
    print("|---|---|---|---|---|")
    for name, limits in SPACES.items():
        if name == "10^7" and not is_large:
            continue
        sweep = limited(SWEEP, limits)
        n = enumerated(sweep)
        n_times = 1 if is_large else repeats
        bare_s = processor_s(partial(enumerated, sweep), n_times)
        exploration = partial(explore, DeclaredSpace(sweep), question(*METRICS), Setting())
        whole_s = processor_s(exploration, n_times)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {name} | {n:,} | {n / bare_s:,.0f} | {n / whole_s:,.0f} | {peak_mib:.0f} |",
            flush=True,
        )


def bench_fronts(repeats: int) -> None:
    print("\n| points | columns | on the front | s | s to sort one column |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    n = 10**6
    for k in (2, 3, 4):
        cube = rng.random((n, k))
        # On a sphere no point dominates another: the most that a front can have.
        sphere = np.abs(rng.normal(size=(n // 10, k)))
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
        for values in (cube, sphere):
            spent = processor_s(partial(front, values), repeats)
            bare = processor_s(partial(np.sort, values[:, 0]), repeats)
            print(f"| {len(values):,} | {k} | {len(front(values)):,} | {spent:.2f} | {bare:.3f} |")


def bench_search() -> None:
    print("\n| search | candidates | looked at | processor s | density reached |")
    print("|---|---|---|---|---|")
    asked = question(*METRICS)
    wide = limited(SWEEP, ["clock_mhz:=1000..3000", "area_mm2:=200..800", "n_sms:=1..128"])
    for name, sweep in (("soc-design", SWEEP), ("wide", wide)):
        start = time.process_time()
        found = search(sweep, asked, Setting(), 200, 0)
        spent = time.process_time() - start
        reached = found.best["density_tflops_mm2"] if found.best is not None else float("nan")
        n_seen = found.n_proposed + found.n_climbed
        print(f"| {name} | {found.n_candidates:,} | {n_seen:,} | {spent:.1f} | {reached:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="also explore 10^7 designs")
    arguments = parser.parse_args()
    bench_evaluation(arguments.repeats)
    bench_exploration(arguments.repeats, is_large=arguments.large)
    bench_fronts(arguments.repeats)
    bench_search()


if __name__ == "__main__":
    main()
