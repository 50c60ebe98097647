"""Columnar evaluation of designs: arrays of parameters in, arrays of metrics out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from analysis.soc.design_workload import DesignWorkload

Floats = npt.NDArray[np.float64]


def time_ns(parameters: Mapping[str, Floats], workload: DesignWorkload) -> Floats:
    """Time of a workload on each design: the longer of computing and of moving data.

    Parameters
    ----------
    parameters : Mapping
        Axis of `sweeps.soc_design` -> value per design, shape (n,).
    workload : DesignWorkload
        What is run.

    Returns
    -------
    ndarray
        Nanoseconds, shape (n,).

    References
    ----------
    S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for
    multicore architectures", Communications of the ACM 52 (4), 2009.
    """
    p = parameters
    ops_per_ns = (
        p["chiplets"] * p["sms"] * p["tensor_cores"] * p["fp16_ops"] * p["clock_mhz"] * 1e-3
    )
    bytes_per_ns = p["stacks"] * p["bandwidth_gb_s"]
    return np.maximum(workload.flops / ops_per_ns, workload.bytes_moved / bytes_per_ns)
