"""Every formula of the SoC models, once: pure functions of numbers or of NumPy arrays.

Arguments broadcast against each other, so one call evaluates one chip or a million.  Units are in
the names; what each symbol means and where it comes from is in ``docs/soc-models.md``.

Two sets of power formulas stand side by side.  `reference_power` has the semantics of a published
table, in which the clock costs nothing.  `physical_power` is the default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw

from analysis.soc.chip.technology import Technology

Number: TypeAlias = "float | npt.NDArray[np.float64]"

STACKS_PER_CHIPLET = 2
"""HBM stacks beside each chiplet where the number of chiplets is varied."""

_REFERENCE_SM_W = 1.5
_REFERENCE_L2_W_PER_MB = 0.05
_REFERENCE_STACK_W = 15.0
_REFERENCE_CHIPLET_W = 5.0
_REFERENCE_INTERCONNECT_W = 20.0
_REFERENCE_IO_W = 10.0
_REFERENCE_AMBIENT_C = 25.0
_REFERENCE_K_PER_W = 0.1


def sm_peak_tflops(ops_per_cycle: Number, n_tensor_cores: Number, clock_mhz: Number) -> Number:
    """Peak of one SM: operations per cycle and tensor core x tensor cores x clock."""
    return ops_per_cycle * n_tensor_cores * clock_mhz * 1e-6


def soc_peak_tflops(sm_tflops: Number, n_sms: Number, n_chiplets: Number) -> Number:
    """Peak of all SMs of all chiplets; `n_sms` counts those of one chiplet."""
    return sm_tflops * n_sms * n_chiplets


def density_tflops_mm2(peak_tflops: Number, n_chiplets: Number, area_mm2: Number) -> Number:
    """Peak per area of compute silicon; `area_mm2` is that of one chiplet."""
    return peak_tflops / (n_chiplets * area_mm2)


def hbm_bandwidth_gb_s(n_hbm_stacks: Number, hbm_stack_gb_s: Number) -> Number:
    """Bandwidth of all stacks."""
    return n_hbm_stacks * hbm_stack_gb_s


def l2_bandwidth_gb_s(
    l2_bytes_per_cycle: Number, n_sms: Number, n_chiplets: Number, clock_mhz: Number
) -> Number:
    """Bandwidth between L2 and all SMs, each of which takes `l2_bytes_per_cycle`."""
    return l2_bytes_per_cycle * n_sms * n_chiplets * clock_mhz * 1e-3


def attainable_tflops(peak_tflops: Number, bandwidth_gb_s: Number, intensity: Number) -> Number:
    """Roofline: the smaller of peak and bandwidth x arithmetic intensity (flop/byte).

    References
    ----------
    S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for
    multicore architectures", Communications of the ACM 52(4), 2009.
    """
    return np.minimum(peak_tflops, bandwidth_gb_s * intensity * 1e-3)


def ridge_point(peak_tflops: Number, bandwidth_gb_s: Number) -> Number:
    """Arithmetic intensity in flop/byte at which the two lines of the roofline meet."""
    return peak_tflops / bandwidth_gb_s * 1e3


def compute_time_s(flops: Number, peak_tflops: Number) -> Number:
    """Time of computing alone, at a peak."""
    return flops * 1e-12 / peak_tflops


def memory_time_s(n_bytes: Number, bandwidth_gb_s: Number) -> Number:
    """Time of moving data alone, at a bandwidth."""
    return n_bytes * 1e-9 / bandwidth_gb_s


def op_time_s(compute_s: Number, memory_s: Number, overhead_s: Number = 0.0) -> Number:
    """Time of an operation: overhead, then computing and moving data at once."""
    return overhead_s + np.maximum(compute_s, memory_s)


@dataclass(frozen=True, eq=False)
class PowerParts:
    """Where the watts go; numbers, or arrays of one shape.

    Attributes
    ----------
    compute_w : float or ndarray
        SMs with their tensor cores, switching.
    l2_w, hbm_w : float or ndarray
        Caches and memory stacks.
    chiplet_w : float or ndarray
        What each chiplet takes always.
    interconnect_w, io_w : float or ndarray
        Of the package, always.
    leakage_w : float or ndarray
        At the junction temperature; 0 in the reference model.
    junction_c : float or ndarray
        Temperature of the junction; not a number where there is none (thermal runaway), and so
        are leakage and total.
    """

    compute_w: Number
    l2_w: Number
    hbm_w: Number
    chiplet_w: Number
    interconnect_w: Number
    io_w: Number
    leakage_w: Number
    junction_c: Number

    @property
    def total_w(self) -> Number:
        """Sum of all parts."""
        return (
            self.compute_w
            + self.l2_w
            + self.hbm_w
            + self.chiplet_w
            + self.interconnect_w
            + self.io_w
            + self.leakage_w
        )


def reference_power(
    *,
    n_sms: Number,
    n_chiplets: Number,
    l2_mb: Number,
    n_hbm_stacks: Number,
    utilization: Number = 1.0,
    memory_utilization: Number | None = None,
) -> PowerParts:
    """Power as in the published table: linear in what is there, blind to clock and voltage.

    `n_sms` and `l2_mb` are those of one chiplet; the memory is as busy as the SMs unless
    `memory_utilization` is given.
    """
    if memory_utilization is None:
        memory_utilization = utilization
    parts = (
        n_sms * n_chiplets * _REFERENCE_SM_W * utilization,
        n_chiplets * l2_mb * _REFERENCE_L2_W_PER_MB * np.sqrt(utilization),
        n_hbm_stacks * _REFERENCE_STACK_W * memory_utilization,
        n_chiplets * _REFERENCE_CHIPLET_W,
    )
    total_w = sum(parts) + _REFERENCE_INTERCONNECT_W + _REFERENCE_IO_W
    return PowerParts(
        *parts,
        interconnect_w=_REFERENCE_INTERCONNECT_W,
        io_w=_REFERENCE_IO_W,
        leakage_w=0.0,
        junction_c=_REFERENCE_AMBIENT_C + _REFERENCE_K_PER_W * total_w,
    )


def voltage_v(clock_mhz: Number, technology: Technology) -> Number:
    """Supply voltage that a clock needs: a floor, then a line.

    References
    ----------
    J. Guerreiro et al., "GPGPU power modeling for multi-domain voltage-frequency scaling", HPCA
    2018: measured voltages of graphics processors are constant up to a clock, then linear.
    """
    t = technology
    line = (
        t.nominal_voltage_v + t.voltage_slope_v_per_ghz * (clock_mhz - t.nominal_clock_mhz) * 1e-3
    )
    return np.maximum(t.min_voltage_v, line)


def max_clock_mhz(technology: Technology) -> float:
    """Fastest clock that the largest voltage allows; infinite where the curve never reaches it."""
    t = technology
    if t.voltage_slope_v_per_ghz == 0:
        return math.inf
    headroom_v = t.max_voltage_v - t.nominal_voltage_v
    return t.nominal_clock_mhz + 1e3 * headroom_v / t.voltage_slope_v_per_ghz


def physical_power(
    *,
    n_sms: Number,
    n_tensor_cores: Number,
    clock_mhz: Number,
    ops_per_cycle: Number,
    bits: Number,
    n_chiplets: Number,
    area_mm2: Number,
    l2_mb: Number,
    n_hbm_stacks: Number,
    hbm_stack_gb_s: Number,
    utilization: Number = 1.0,
    memory_utilization: Number | None = None,
    technology: Technology,
) -> PowerParts:
    """Power of CMOS: switching ~ activity C V² f, leakage ~ V² exp(T), T from the power itself.

    Parameters
    ----------
    n_sms, area_mm2, l2_mb : float or ndarray
        Of one chiplet.
    n_tensor_cores, clock_mhz, ops_per_cycle : float or ndarray
        Of one SM, in the precision whose operands have `bits` bits.
    bits : float or ndarray
        Bits of an operand.
    n_chiplets, n_hbm_stacks, hbm_stack_gb_s : float or ndarray
        Of the SoC; bandwidth of one stack.
    utilization : float or ndarray
        Activity of SMs and caches, 0 to 1.
    memory_utilization : float or ndarray, optional
        Activity of the memory; that of the SMs unless given.
    technology : Technology
        Constants.
    """
    t = technology
    if memory_utilization is None:
        memory_utilization = utilization
    n_all_sms = n_sms * n_chiplets
    relative_v2 = (voltage_v(clock_mhz, t) / t.nominal_voltage_v) ** 2
    sm_cycle_nj = (
        t.sm_capacitance_nf * t.nominal_voltage_v**2
        + n_tensor_cores * ops_per_cycle * t.fp16_energy_pj * 1e-3 * bits / 16
    )
    compute_w = utilization * n_all_sms * sm_cycle_nj * relative_v2 * clock_mhz * 1e-3
    relative_clock = clock_mhz / t.nominal_clock_mhz
    l2_w = utilization * n_chiplets * l2_mb * t.l2_w_per_mb * relative_v2 * relative_clock
    stack_w = t.hbm_idle_w + (memory_utilization * hbm_stack_gb_s * 8e-3 * t.hbm_energy_pj_per_bit)
    hbm_w = n_hbm_stacks * stack_w
    chiplet_w = n_chiplets * t.chiplet_w
    without_leakage_w = compute_w + l2_w + hbm_w + chiplet_w + t.interconnect_w + t.io_w
    reference_leakage_w = n_chiplets * area_mm2 * t.leakage_w_per_mm2 * relative_v2
    junction_c = junction_temperature_c(without_leakage_w, reference_leakage_w, t)
    return PowerParts(
        compute_w=compute_w,
        l2_w=l2_w,
        hbm_w=hbm_w,
        chiplet_w=chiplet_w,
        interconnect_w=t.interconnect_w,
        io_w=t.io_w,
        leakage_w=leakage_w(reference_leakage_w, junction_c, t),
        junction_c=junction_c,
    )


def leakage_w(reference_leakage_w: Number, junction_c: Number, technology: Technology) -> Number:
    """Leakage at a temperature, from that at the reference temperature.

    References
    ----------
    W. Liao, L. He, K. Lepak, "Temperature and supply voltage aware performance and power modeling
    at microarchitecture level", IEEE TCAD 24(7), 2005.
    """
    t = technology
    return reference_leakage_w * np.exp((junction_c - t.leakage_reference_c) / t.leakage_scale_k)


def junction_temperature_c(
    without_leakage_w: Number, reference_leakage_w: Number, technology: Technology
) -> Number:
    """Temperature at which the chip sheds exactly the heat that it makes there.

    The fixed point of T = ambient + R (P + leakage(T)).  With leakage exponential in T it has a
    closed form: T = a - s W(-z), where a is the temperature without leakage, s the scale of the
    exponential, z = R leakage(a) / s, and W the principal branch of Lambert's function.  Above
    z = 1/e the curves do not meet: each further degree leaks more heat than it sheds.

    Returns
    -------
    float or ndarray
        °C; not a number where no temperature holds (thermal runaway).

    References
    ----------
    R. Corless et al., "On the Lambert W function", Advances in Computational Mathematics 5, 1996.
    """
    t = technology
    cool_c = t.ambient_c + t.thermal_resistance_k_per_w * without_leakage_w
    heating_k = t.thermal_resistance_k_per_w * leakage_w(reference_leakage_w, cool_c, t)
    z = np.asarray(heating_k / t.leakage_scale_k)
    holds = z <= math.exp(-1)
    w = lambertw(np.where(holds, -z, 0.0)).real
    junction_c = np.where(holds, cool_c - t.leakage_scale_k * w, np.nan)
    return float(junction_c) if junction_c.ndim == 0 else junction_c
