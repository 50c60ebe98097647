"""The default power model: voltage, leakage, temperature, and its errors."""

import math

import numpy as np
import pytest

from analysis.soc.chip import formulas
from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.designs import BASELINE, DESIGNS
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.technology import Technology
from analysis.soc.errors import ConfigError, ThermalRunawayError
from analysis.soc.models.power import PART_NAMES, PowerModel
from analysis.soc.models.summary import summarize


def test_the_voltage_is_a_floor_and_then_a_line() -> None:
    technology = Technology()
    volts = formulas.voltage_v(np.array([500.0, 1200.0, 1600.0, 2000.0, 3200.0]), technology)
    assert np.allclose(volts, [0.7, 0.7, 0.8, 0.9, 1.2])
    assert formulas.max_clock_mhz(technology) == pytest.approx(3200)
    assert formulas.max_clock_mhz(Technology(voltage_slope_v_per_ghz=0)) == math.inf


def test_switching_power_is_c_v_squared_f() -> None:
    slow, fast = (
        PowerModel(BASELINE.with_values(clock_mhz=mhz)).parts().compute_w for mhz in (1500, 2500)
    )
    assert fast / slow == pytest.approx((1.025 / 0.775) ** 2 * 2500 / 1500)


def test_below_the_floor_only_the_clock_counts() -> None:
    slow, fast = (
        PowerModel(BASELINE.with_values(clock_mhz=mhz)).parts().compute_w for mhz in (500, 1000)
    )
    assert fast / slow == pytest.approx(2)


def test_the_junction_temperature_is_the_fixed_point_of_its_own_leakage() -> None:
    parts = PowerModel(DESIGNS["realistic"]).parts()
    t = DESIGNS["realistic"].technology
    sheds = t.ambient_c + t.thermal_resistance_k_per_w * float(parts.total_w)
    assert parts.junction_c == pytest.approx(sheds, abs=1e-9)
    # The same by plain iteration.
    v2 = (float(formulas.voltage_v(2300, t)) / t.nominal_voltage_v) ** 2
    switching = float(parts.total_w) - float(parts.leakage_w)
    warm = t.ambient_c
    for _ in range(300):
        leakage = 4 * 350 * t.leakage_w_per_mm2 * v2 * math.exp((warm - 25) / t.leakage_scale_k)
        warm = t.ambient_c + t.thermal_resistance_k_per_w * (switching + leakage)
    assert parts.junction_c == pytest.approx(warm, abs=1e-6)


def test_without_leakage_the_temperature_is_linear() -> None:
    soc = BASELINE.with_values(leakage_w_per_mm2=0)
    parts = PowerModel(soc).parts()
    assert parts.leakage_w == 0
    assert parts.junction_c == pytest.approx(25 + 0.1 * float(parts.total_w))


def test_thermal_runaway_is_a_clear_error() -> None:
    with pytest.raises(ThermalRunawayError) as error:
        PowerModel(DESIGNS["aggressive"]).total_power()
    for expected in ("aggressive", "1018 W", "127 °C", "0.1 K/W", "thermal_resistance_k_per_w"):
        assert expected in str(error.value)
    cooled = DESIGNS["aggressive"].with_values(thermal_resistance_k_per_w=0.04)
    assert PowerModel(cooled).junction_temperature() < 105
    assert math.isfinite(PowerModel(DESIGNS["aggressive"]).total_power(utilization=0.2))


def test_the_edge_of_runaway_is_where_the_curves_touch() -> None:
    t = Technology()
    cool_w = 600.0
    cool_c = t.ambient_c + t.thermal_resistance_k_per_w * cool_w
    edge = t.leakage_scale_k / (math.e * t.thermal_resistance_k_per_w)
    at_reference = edge / math.exp((cool_c - t.leakage_reference_c) / t.leakage_scale_k)
    just_holds = formulas.junction_temperature_c(cool_w, at_reference * (1 - 1e-9), t)
    assert just_holds == pytest.approx(cool_c + t.leakage_scale_k, abs=0.01)
    assert np.isnan(formulas.junction_temperature_c(cool_w, at_reference * (1 + 1e-9), t))


def test_a_summary_of_a_runaway_says_why_there_is_no_power() -> None:
    summary = summarize(DESIGNS["aggressive"])
    assert summary.power_w is None
    assert summary.is_too_hot
    assert "thermal runaway" in summary.reason


def test_a_clock_beyond_the_highest_voltage_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"3500 MHz needs 1.27 V.*fastest clock is 3200 MHz"):
        PowerModel(BASELINE.with_values(clock_mhz=3500))
    PowerModel(BASELINE.with_values(clock_mhz=3500), "reference")


@pytest.mark.parametrize("utilization", [-0.1, 1.5, float("nan")])
def test_a_share_is_from_0_to_1(utilization: float) -> None:
    with pytest.raises(ConfigError, match="a share from 0 to 1 is expected"):
        PowerModel(BASELINE).total_power(utilization=utilization)


def test_unknown_formulas_are_refused() -> None:
    with pytest.raises(ConfigError, match="known are physical, reference"):
        PowerModel(BASELINE, "magic")


def test_half_the_bits_at_twice_the_rate_take_the_same_power() -> None:
    model = PowerModel(BASELINE)
    watts = [model.total_power(precision=p) for p in (Precision.FP16, Precision.FP8, Precision.FP4)]
    assert watts == pytest.approx([watts[0]] * 3)


def test_memory_may_be_busier_than_the_cores() -> None:
    for semantics in ("physical", "reference"):
        model = PowerModel(BASELINE, semantics)
        parts = model.parts(0.1, memory_utilization=1.0)
        assert parts.hbm_w == model.parts(1.0).hbm_w
        assert parts.compute_w == model.parts(0.1).compute_w


def test_a_chip_without_fp16_computes_in_its_widest_precision() -> None:
    rates = {f"{p.lower()}_ops_per_cycle": None for p in Precision if p is not Precision.INT8}
    soc = BASELINE.with_values(rates)
    assert PowerModel(soc).total_power() == PowerModel(soc).total_power(precision=Precision.INT8)


def test_the_parts_add_up() -> None:
    for semantics in ("physical", "reference"):
        parts = PowerModel(SoCConfig(), semantics).parts(0.7)
        assert sum(float(getattr(parts, name)) for name in PART_NAMES) == pytest.approx(
            float(parts.total_w)
        )


def test_a_million_designs_are_one_call() -> None:
    clocks = np.linspace(1000, 3000, 1000)
    sms = np.array([[16.0], [32.0], [64.0]])
    parts = formulas.physical_power(
        n_sms=sms,
        n_tensor_cores=4,
        clock_mhz=clocks,
        ops_per_cycle=128,
        bits=16,
        n_chiplets=4,
        area_mm2=400,
        l2_mb=6,
        n_hbm_stacks=8,
        hbm_stack_gb_s=128,
        technology=Technology(),
    )
    total = np.asarray(parts.total_w)
    assert total.shape == (3, 1000)
    alone = PowerModel(BASELINE.with_values(clock_mhz=float(clocks[300]), n_sms=32)).total_power()
    assert total[1, 300] == pytest.approx(alone)
    # The largest and fastest run away, and only they.
    assert np.isnan(total[2, -1])
    assert np.isfinite(total[0]).all()
