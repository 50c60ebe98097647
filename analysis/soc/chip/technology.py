"""What a transistor costs: voltage, energy, leakage and cooling, for the default power model.

Sources of the constants, and what each was chosen for, are in ``docs/soc-models.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.soc.chip.quantities import check_quantities, quantity


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Constants of a process, of memory and of cooling.

    Energies and capacitances hold at `nominal_voltage_v`.

    Attributes
    ----------
    nominal_clock_mhz, nominal_voltage_v : float
        The point at which energies and leakage are given.
    min_voltage_v, max_voltage_v : float
        Below the first nothing switches reliably, so slower clocks keep it; above the second the
        chip ages too fast, so faster clocks are refused.
    voltage_slope_v_per_ghz : float
        Rise of the voltage with the clock, above the floor.
    fp16_energy_pj : float
        Energy of one FP16 operation of a tensor core with its operands from registers, pJ.  Other
        precisions: in proportion to their bits.
    sm_capacitance_nf : float
        Capacitance that one SM switches per cycle beside its tensor cores, nF: instruction
        issue, register files, shared memory, clock tree.
    l2_w_per_mb : float
        Power of a megabyte of L2 at full activity and nominal clock, W.
    hbm_energy_pj_per_bit : float
        Energy to move one bit between HBM and chip, pJ.
    hbm_idle_w : float
        Power of one stack without traffic (refresh, PHY), W.
    chiplet_w : float
        Always-on power of one chiplet (die-to-die links, clocks, control), W.
    interconnect_w, io_w : float
        Always-on power of the package's interconnect and of its I/O, W.
    leakage_w_per_mm2 : float
        Leakage of a square millimetre at `leakage_reference_c` and nominal voltage, W.
    leakage_reference_c, leakage_scale_k : float
        Leakage grows by a factor of e over each `leakage_scale_k` kelvin above the reference.
    ambient_c, thermal_resistance_k_per_w : float
        Coolant or air, and how much each watt heats the junction above it.
    max_junction_c : float
        Hottest junction that the chip may have.
    """

    nominal_clock_mhz: float = quantity(2000.0, "MHz", 100, 10_000)
    nominal_voltage_v: float = quantity(0.90, "V", 0.3, 2.0)
    min_voltage_v: float = quantity(0.70, "V", 0.2, 2.0)
    max_voltage_v: float = quantity(1.20, "V", 0.3, 2.5)
    voltage_slope_v_per_ghz: float = quantity(0.25, "V/GHz", 0.0, 2.0)
    fp16_energy_pj: float = quantity(0.45, "pJ", 1e-3, 100)
    sm_capacitance_nf: float = quantity(0.65, "nF", 1e-4, 100)
    l2_w_per_mb: float = quantity(0.05, "W", 0.0, 10)
    hbm_energy_pj_per_bit: float = quantity(3.9, "pJ", 0.05, 100)
    hbm_idle_w: float = quantity(4.0, "W", 0.0, 100)
    chiplet_w: float = quantity(5.0, "W", 0.0, 500)
    interconnect_w: float = quantity(20.0, "W", 0.0, 2000)
    io_w: float = quantity(10.0, "W", 0.0, 2000)
    leakage_w_per_mm2: float = quantity(0.02, "W", 0.0, 5)
    leakage_reference_c: float = quantity(25.0, "°C", -50, 150)
    leakage_scale_k: float = quantity(50.0, "K", 5, 500)
    ambient_c: float = quantity(25.0, "°C", -60, 100)
    thermal_resistance_k_per_w: float = quantity(0.1, "K/W", 1e-4, 50)
    max_junction_c: float = quantity(105.0, "°C", 40, 250)

    def __post_init__(self) -> None:
        check_quantities(self)
