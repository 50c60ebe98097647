"""What holds for every chip: limits, monotonicity, and agreement of arrays with numbers."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.soc.chip import formulas
from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.technology import Technology
from analysis.soc.errors import ConfigError, ThermalRunawayError
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.models.power import PowerModel

PRECISIONS = st.sampled_from([p for p in Precision if p in SoCConfig().precisions])
SHARES = st.floats(0, 1)
INTENSITIES = st.floats(1e-3, 1e6)


@st.composite
def chips(draw: st.DrawFn) -> SoCConfig:
    return SoCConfig().with_values(
        n_chiplets=draw(st.integers(1, 16)),
        n_hbm_stacks=draw(st.integers(1, 32)),
        hbm_stack_gb_s=draw(st.floats(20, 2000)),
        n_sms=draw(st.integers(1, 64)),
        n_tensor_cores=draw(st.integers(1, 8)),
        clock_mhz=draw(st.floats(200, 3100)),
        fp16_ops_per_cycle=draw(st.floats(1, 1024)),
        area_mm2=draw(st.floats(50, 858)),
        l2_mb=draw(st.floats(0, 64)),
        thermal_resistance_k_per_w=draw(st.floats(0.001, 0.2)),
    )


def watts(soc: SoCConfig, utilization: float = 1.0, semantics: str = "physical") -> float:
    """Power, infinite where the chip runs away."""
    try:
        return PowerModel(soc, semantics).total_power(utilization)
    except ThermalRunawayError:
        return math.inf


@given(chips(), PRECISIONS)
def test_the_ridge_point_is_the_intersection(soc: SoCConfig, precision: Precision) -> None:
    perf = PerformanceModel(soc)
    peak = soc.peak_compute(precision)
    for level, bandwidth_gb_s in soc.memory_levels.items():
        ridge = perf.ridge_point(precision, level)
        assert bandwidth_gb_s * ridge * 1e-3 == pytest.approx(peak, rel=1e-12)
        assert perf.attainable_tflops(precision, ridge, level) == pytest.approx(peak, rel=1e-12)
        assert perf.attainable_tflops(precision, ridge / 2, level) == pytest.approx(peak / 2)
        assert perf.attainable_tflops(precision, ridge * 2, level) == peak


@given(chips(), PRECISIONS, INTENSITIES, INTENSITIES)
def test_the_roof_rises_and_stays_below_the_peak(
    soc: SoCConfig, precision: Precision, one: float, other: float
) -> None:
    perf = PerformanceModel(soc)
    low, high = (perf.attainable_tflops(precision, x) for x in sorted((one, other)))
    assert low <= high <= soc.peak_compute(precision)


@given(chips(), st.integers(2, 5))
def test_peaks_are_proportional_to_what_is_there(soc: SoCConfig, factor: int) -> None:
    peak = soc.peak_compute(Precision.FP16)
    for key in ("n_chiplets", "n_sms", "n_tensor_cores"):
        larger = soc.with_values({key: soc.value(key) * factor})
        assert larger.peak_compute(Precision.FP16) == pytest.approx(factor * peak)
    more = soc.with_values(n_chiplets=factor * soc.n_chiplets)
    assert more.compute_density(Precision.FP16) == pytest.approx(
        soc.compute_density(Precision.FP16)
    )


@given(chips(), SHARES, SHARES, st.sampled_from(["physical", "reference"]))
def test_power_rises_with_utilization(
    soc: SoCConfig, one: float, other: float, semantics: str
) -> None:
    low, high = sorted((one, other))
    assert watts(soc, low, semantics) <= watts(soc, high, semantics) * (1 + 1e-12)


@given(
    chips(),
    st.sampled_from(["n_sms", "n_chiplets", "n_hbm_stacks", "n_tensor_cores", "l2_mb", "area_mm2"]),
    st.integers(2, 3),
)
def test_more_of_anything_takes_more_power(soc: SoCConfig, key: str, factor: int) -> None:
    larger = soc.with_values({key: factor * soc.value(key)})
    for semantics in ("physical", "reference"):
        assert watts(soc, 1.0, semantics) <= watts(larger, 1.0, semantics) * (1 + 1e-12)


@given(chips(), st.floats(1.01, 1.4))
def test_a_faster_clock_takes_more_than_its_share_of_power(soc: SoCConfig, factor: float) -> None:
    faster_mhz = soc.sm.clock_mhz * factor
    assume(faster_mhz <= formulas.max_clock_mhz(soc.technology))
    try:
        before = PowerModel(soc).parts()
        after = PowerModel(soc.with_values(clock_mhz=faster_mhz)).parts()
    except ThermalRunawayError:
        return
    assert float(after.compute_w) >= factor * float(before.compute_w) * (1 - 1e-12)
    assert float(after.leakage_w) >= float(before.leakage_w)
    assert float(after.junction_c) > float(before.junction_c)


@given(chips())
def test_an_idle_chip_takes_what_never_sleeps(soc: SoCConfig) -> None:
    try:
        parts = PowerModel(soc).parts(0.0)
    except ThermalRunawayError:
        return
    t = soc.technology
    assert parts.compute_w == parts.l2_w == 0
    assert parts.hbm_w == pytest.approx(soc.n_hbm_stacks * t.hbm_idle_w)
    assert PowerModel(soc, "reference").total_power(0.0) == soc.n_chiplets * 5 + 30


@given(chips(), SHARES)
def test_heat_made_is_heat_shed(soc: SoCConfig, utilization: float) -> None:
    try:
        parts = PowerModel(soc).parts(utilization)
    except ThermalRunawayError:
        return
    t = soc.technology
    shed_w = (float(parts.junction_c) - t.ambient_c) / t.thermal_resistance_k_per_w
    assert shed_w == pytest.approx(float(parts.total_w), rel=1e-6)


@given(st.floats(0, 3000), st.floats(0, 500), st.floats(0.01, 0.5), st.floats(20, 100))
def test_runaway_is_where_no_temperature_holds(
    cool_w: float, leakage_w: float, resistance: float, scale: float
) -> None:
    t = Technology(thermal_resistance_k_per_w=resistance, leakage_scale_k=scale)
    junction_c = formulas.junction_temperature_c(cool_w, leakage_w, t)
    # Where sheds(T) - makes(T) is largest, in closed form: there the slopes are equal.
    if leakage_w * resistance == 0:
        assert np.isfinite(junction_c)
        return
    best_c = t.leakage_reference_c + scale * math.log(scale / (resistance * leakage_w))
    surplus_k = best_c - t.ambient_c - resistance * cool_w - scale
    if abs(surplus_k) > 1e-6:
        assert np.isfinite(junction_c) == (surplus_k > 0)


@given(chips(), SHARES)
def test_arrays_and_numbers_agree(soc: SoCConfig, utilization: float) -> None:
    clocks = np.array([0.5, 1.0]) * soc.sm.clock_mhz
    parts = formulas.physical_power(
        n_sms=soc.chiplet.n_sms,
        n_tensor_cores=soc.sm.n_tensor_cores,
        clock_mhz=clocks,
        ops_per_cycle=soc.sm.ops_per_cycle[Precision.FP16],
        bits=16,
        n_chiplets=soc.n_chiplets,
        area_mm2=soc.chiplet.area_mm2,
        l2_mb=soc.chiplet.l2_mb,
        n_hbm_stacks=soc.n_hbm_stacks,
        hbm_stack_gb_s=soc.hbm_stack_gb_s,
        utilization=utilization,
        technology=soc.technology,
    )
    alone = watts(soc, utilization)
    column = np.asarray(parts.total_w)
    assert column[1] == pytest.approx(alone) if math.isfinite(alone) else np.isnan(column[1])


@given(st.floats(1e-6, 1e15))
def test_a_bandwidth_is_plausible_or_refused(value: float) -> None:
    if 5 <= value <= 20_000:
        assert SoCConfig(hbm_stack_gb_s=value).hbm_stack_gb_s == value
    else:
        with pytest.raises(ConfigError, match="GB/s is not plausible"):
            SoCConfig(hbm_stack_gb_s=value)
