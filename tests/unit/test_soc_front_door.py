"""The names that `analysis.soc` itself offers."""

import pytest

import analysis.soc
from analysis.soc import PerformanceModel, PowerModel, Precision, ScalingModel, SoCConfig


@pytest.mark.parametrize("name", analysis.soc.__all__)
def test_every_name_leads_to_what_is_called_so(name: str) -> None:
    assert getattr(analysis.soc, name).__name__ == name


def test_the_library_is_used_through_them() -> None:
    soc = SoCConfig()
    assert soc.peak_compute(Precision.FP16) == pytest.approx(65.536)
    assert PowerModel(soc, "reference").total_power(utilization=1.0) == pytest.approx(267.2)
    assert PerformanceModel(soc).ridge_point(Precision.FP16) == pytest.approx(64)
    (eight,) = ScalingModel(soc, "reference").study("n_chiplets", [8]).summaries
    assert eight.power_w == pytest.approx(504.4)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match=r"'analysis\.soc' has no attribute 'SocConfig'"):
        _ = analysis.soc.SocConfig
