"""Designs of a system on chip: chiplets of SMs with tensor cores, beside stacks of memory.

A vector is one design; the device kind ``model`` says how long a workload takes on it.  Axes are
called as the fields of a chip's configuration are; ``n_sms``, ``area_mm2`` and ``l2_mb`` are those
of one chiplet.  The default axes hold the published variants and reach from them to the
densest silicon that is shipped today.
"""

import functools

import numpy as np

from sweeps.axis import Axis
from sweeps.space import Array, Columns, Feature, Rule, Sweep

MOST_CHIPLET_MM2 = 858
"""Field of a lithography scanner, 26 mm x 33 mm: no die is larger."""

MOST_OPS_PER_CYCLE_MM2 = 1000.0
"""FP16 operations per cycle and mm2 of a chiplet: 1.2 times the densest chip shipped by 2025, a
B200 with 160 SMs x 8192 operations on two dies of about 800 mm2."""

STACK_EDGE_MM = 11.0
"""Width of an HBM3 package (JEDEC JESD238), all of which faces the chiplet that it serves."""

EDGES_WITH_STACKS = 2
"""Edges of a chiplet that face memory; the others face its neighbours and the outside."""


def _n_all_sms(c: Columns) -> Array:
    return c["n_chiplets"] * c["n_sms"]


def _ops_per_cycle(c: Columns) -> Array:
    """Count FP16 operations that the whole SoC does in a cycle."""
    return _n_all_sms(c) * c["n_tensor_cores"] * c["fp16_ops_per_cycle"]


def _ns_per_teraop(c: Columns) -> Array:
    # 10^12 operations at clock_mhz * 10^6 cycles per second, in ns.
    return 1e15 / (_ops_per_cycle(c) * c["clock_mhz"])


def _are_positive(c: Columns) -> Array:
    # One axis after the other: the conjunction of all broadcasts to every candidate.
    return functools.reduce(np.logical_and, [c[name] > 0 for name in c])


def _are_shared_evenly(c: Columns) -> Array:
    return c["n_hbm_stacks"] % np.maximum(c["n_chiplets"], 1) == 0


def _is_dense_enough(c: Columns) -> Array:
    per_chiplet = c["n_sms"] * c["n_tensor_cores"] * c["fp16_ops_per_cycle"]
    return per_chiplet <= MOST_OPS_PER_CYCLE_MM2 * c["area_mm2"]


def _stacks_fit(c: Columns) -> Array:
    edge_mm = EDGES_WITH_STACKS * c["n_chiplets"] * np.sqrt(np.maximum(c["area_mm2"], 0))
    return c["n_hbm_stacks"] * STACK_EDGE_MM <= edge_mm


SWEEP = Sweep(
    name="soc-design",
    op="soc_design",
    version="1",
    axes=(
        Axis.ints("n_hbm_stacks", [4, 8, 16]),
        Axis.ints("hbm_stack_gb_s", [128, 819, 1229]),
        Axis.ints("n_chiplets", [2, 4, 8]),
        Axis.ints("n_sms", [16, 24, 32, 40, 48, 64]),
        Axis.ints("n_tensor_cores", [4, 6, 8]),
        Axis.ints("clock_mhz", [1800, 2000, 2200, 2300, 2500]),
        Axis.ints("fp16_ops_per_cycle", [128, 160, 192, 256, 512, 1024]),
        Axis.ints("area_mm2", [300, 320, 350, 380, 400]),
        Axis.ints("l2_mb", [6, 7, 8]),
    ),
    rules=(
        Rule("a parameter that is not above 0", _are_positive),
        Rule("stacks that cannot be shared evenly among the chiplets", _are_shared_evenly),
        Rule(
            f"more stacks than two edges of each chiplet hold, {STACK_EDGE_MM:g} mm each",
            _stacks_fit,
        ),
        Rule(
            f"a chiplet above the field of a scanner, {MOST_CHIPLET_MM2} mm2",
            lambda c: c["area_mm2"] <= MOST_CHIPLET_MM2,
        ),
        Rule(
            f"more than {MOST_OPS_PER_CYCLE_MM2:g} FP16 operations per cycle and mm2",
            _is_dense_enough,
        ),
    ),
    features=(Feature("n_all_sms", _n_all_sms), Feature("ns_per_teraop", _ns_per_teraop)),
    group_by=("n_hbm_stacks", "hbm_stack_gb_s"),
    size="ns_per_teraop",
    repeats=1,
    timeout_s=10.0,
    chunk_rows=8192,
)
"""Sizes are times of 10^12 FP16 operations at peak: the designs of a memory system on which the
workload is bound by compute lie on one line, the others above it."""
