"""Columns of designs agree, design by design, with the models of one chip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ThermalRunawayError
from analysis.soc.explore.evaluation import DesignColumns, Setting
from analysis.soc.models.performance import PerformanceModel
from analysis.soc.models.power import PowerModel, PowerSemantics
from analysis.soc.workload.machine import Machine
from analysis.soc.workload.ops import ElementWise, Gemm, Reduction
from analysis.soc.workload.workload import Workload
from sweeps.soc_design import SWEEP

OPS = "ops_per_cycle"
designs = st.fixed_dictionaries(
    {
        "n_hbm_stacks": st.integers(1, 16),
        "hbm_stack_gb_s": st.integers(100, 2000),
        "n_chiplets": st.integers(1, 8),
        "n_sms": st.integers(1, 64),
        "n_tensor_cores": st.integers(1, 8),
        "clock_mhz": st.integers(500, 3000),
        "fp16_ops_per_cycle": st.integers(16, 1024),
        "area_mm2": st.integers(100, 800),
        "l2_mb": st.integers(1, 64),
    }
)
lists = st.lists(designs, min_size=1, max_size=8)


def columns_of(params):
    return {name: np.array([p[name] for p in params], np.float64) for name in params[0]}


@given(lists, st.sampled_from(PowerSemantics))
def test_one_design_at_a_time(params, semantics):
    columns = DesignColumns(columns_of(params), Setting(semantics=semantics))
    for i, values in enumerate(params):
        soc = SoCConfig().with_values(values)
        expected = {
            "peak_tflops": soc.peak_compute(Precision.FP16),
            "density_tflops_mm2": soc.compute_density(Precision.FP16),
            "hbm_bandwidth_gb_s": soc.hbm_bandwidth_gb_s,
            "ridge_flop_per_byte": PerformanceModel(soc).ridge_point(Precision.FP16),
            "n_all_sms": soc.n_all_sms,
            "total_area_mm2": soc.total_area_mm2,
            "total_l2_mb": soc.total_l2_mb,
        }
        model = PowerModel(soc, semantics)
        try:
            expected["total_power_w"] = model.total_power(1.0, Precision.FP16)
            expected["junction_c"] = model.junction_temperature(1.0, Precision.FP16)
            expected["tflops_per_w"] = model.tflops_per_w(Precision.FP16)
        except ThermalRunawayError:
            assert np.isnan(columns["total_power_w"][i])
        for name, value in expected.items():
            assert columns[name][i] == pytest.approx(value, rel=1e-12), name


ops = st.one_of(
    st.builds(Gemm, m=st.integers(1, 8192), n=st.integers(1, 8192), k=st.integers(1, 8192)),
    st.builds(
        ElementWise, n_elements=st.integers(1, 10**9), flops_per_element=st.sampled_from([0.0, 8])
    ),
    st.builds(
        Reduction,
        n_rows=st.integers(1, 10**5),
        n_columns=st.integers(1, 10**4),
        count=st.integers(1, 9),
    ),
)


@given(lists, st.lists(ops, min_size=1, max_size=4))
def test_time_is_that_of_the_workload_on_one_chip(params, work):
    columns = DesignColumns(columns_of(params), Setting(workload=Workload("w", tuple(work))))
    for i, values in enumerate(params):
        # Only the FP16 rate of these designs is given: the others keep their ratio to it.
        rates = {f"bf16_{OPS}": values[f"fp16_{OPS}"]}
        machine = Machine.of(SoCConfig().with_values(values | rates))
        time_s = sum(op.count * machine.time(op).time_s for op in work)
        assert columns["time_ns"][i] == pytest.approx(time_s * 1e9, rel=1e-12)


@given(designs, st.sampled_from(["n_sms", "n_tensor_cores", "fp16_ops_per_cycle", "clock_mhz"]))
def test_more_of_what_computes_is_never_slower(params, name):
    more = columns_of([params, {**params, name: params[name] + 1}])
    columns = DesignColumns(more, Setting(semantics=PowerSemantics.REFERENCE))
    assert columns["peak_tflops"][1] > columns["peak_tflops"][0]
    assert columns["time_ns"][1] <= columns["time_ns"][0]
    assert columns["total_power_w"][1] >= columns["total_power_w"][0]


@given(designs)
def test_the_size_of_the_sweep_is_the_time_of_the_peak(params):
    peak = DesignColumns(columns_of([params]), Setting())["peak_tflops"][0]
    assert SWEEP.derive(params)["ns_per_teraop"] == pytest.approx(1e9 / peak, rel=1e-12)


@given(designs)
def test_other_precisions_keep_their_ratio_to_fp16(params):
    columns = columns_of([params])
    fp16 = DesignColumns(columns, Setting())["peak_tflops"][0]
    fp8 = DesignColumns(columns, Setting(precision=Precision.FP8))["peak_tflops"][0]
    assert fp8 == pytest.approx(2 * fp16, rel=1e-12)
    own = {**columns, "fp8_ops_per_cycle": columns["fp16_ops_per_cycle"]}
    same = DesignColumns(own, Setting(precision=Precision.FP8))["peak_tflops"][0]
    assert same == pytest.approx(fp16, rel=1e-12)
