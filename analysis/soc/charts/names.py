"""What charts call the parameters and metrics of a chip: words, and a unit where there is one."""

from __future__ import annotations

_OPS_SUFFIX = "_ops_per_cycle"
_LABELS = {
    "n_chiplets": "chiplets",
    "n_sms": "SMs per chiplet",
    "n_tensor_cores": "tensor cores, per SM",
    "clock_mhz": "clock, MHz",
    "l2_bytes_per_cycle": "L2 bytes per cycle",
    "area_mm2": "area of a chiplet, mm²",
    "l2_mb": "L2 per chiplet, MB",
    "n_hbm_stacks": "HBM stacks",
    "hbm_stack_gb_s": "bandwidth of a stack, GB/s",
    "peak_tflops": "peak, TFLOPS",
    "density_tflops_mm2": "density, TFLOPS/mm²",
    "total_power_w": "power, W",
    "tflops_per_w": "TFLOPS per W",
    "junction_c": "junction, °C",
    "hbm_bandwidth_gb_s": "HBM bandwidth, GB/s",
    "ridge_flop_per_byte": "ridge point, flop/byte",
    "time_ns": "time",
    "n_all_sms": "SMs of all chiplets",
    "total_area_mm2": "area of all chiplets, mm²",
    "total_l2_mb": "L2 of all chiplets, MB",
}


def label_of(name: str) -> str:
    """Name a field of a chip or a metric on an axis; what is not known keeps its own name.

    Examples
    --------
    >>> label_of("clock_mhz"), label_of("fp8_ops_per_cycle"), label_of("io_w")
    ('clock, MHz', 'FP8 ops per cycle', 'io_w')
    """
    if name.endswith(_OPS_SUFFIX):
        return f"{name.removesuffix(_OPS_SUFFIX).upper()} ops per cycle"
    return _LABELS.get(name, name)


def short_label(name: str) -> str:
    """Name it without its unit."""
    return label_of(name).partition(",")[0]


def headline(name: str) -> str:
    """Name it as the title of a panel."""
    label = short_label(name)
    return label[0].upper() + label[1:]
