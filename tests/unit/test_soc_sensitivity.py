"""Elasticities and Sobol indices against what mathematics says about products of powers."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

from analysis.soc.chip.config import SoCConfig
from analysis.soc.chip.designs import DESIGNS
from analysis.soc.explore.evaluation import Setting
from analysis.soc.explore.sensitivity import (
    USUAL_PARAMETERS,
    ParameterRange,
    one_at_a_time,
    usual_range,
)
from analysis.soc.explore.sobol import sobol_indices
from analysis.soc.models.power import PowerModel, PowerSemantics
from farm.errors import UsageError

REFERENCE = Setting(semantics=PowerSemantics.REFERENCE)
USUAL = [usual_range(name) for name in USUAL_PARAMETERS]


def test_density_is_a_product_of_powers() -> None:
    effects = one_at_a_time(Setting(), USUAL, ["density_tflops_mm2"])
    assert {effect.parameter for effect in effects} == set(USUAL_PARAMETERS)
    for effect in effects:
        power = -1 if effect.parameter == "area_mm2" else 1
        assert effect.elasticity == pytest.approx(power, rel=1e-6)
        assert effect.at_base == pytest.approx(0.04096)
        for x, y in ((effect.low, effect.at_low), (effect.high, effect.at_high)):
            assert y == pytest.approx(0.04096 * (x / effect.base) ** power)
        if power == 1:
            assert effect.normalised == pytest.approx(1)
    area = next(effect for effect in effects if effect.parameter == "area_mm2")
    # 300 mm² have 4/3 of the density of 400 mm², so that a quarter less area gives a third more.
    assert area.normalised == pytest.approx(-4 / 3)


def test_the_largest_effect_comes_first() -> None:
    effects = one_at_a_time(Setting(), USUAL, ["total_power_w", "density_tflops_mm2"])
    assert [effect.metric for effect in effects] == ["total_power_w"] * 5 + [
        "density_tflops_mm2"
    ] * 5
    for metric in ("total_power_w", "density_tflops_mm2"):
        spans = [abs(e.at_high - e.at_low) for e in effects if e.metric == metric]
        assert spans == sorted(spans, reverse=True)


def test_the_clock_costs_power_by_the_default_formulas_only() -> None:
    clock = [usual_range("clock_mhz")]
    (physical,) = one_at_a_time(Setting(), clock, ["total_power_w"])
    (reference,) = one_at_a_time(REFERENCE, clock, ["total_power_w"])
    assert physical.elasticity > 1
    assert reference.elasticity == reference.normalised == 0
    at_high = PowerModel(SoCConfig().with_values(clock_mhz=2500)).total_power()
    assert physical.at_high == pytest.approx(at_high)


def test_usual_ranges_are_those_of_the_published_designs_or_of_the_sweep() -> None:
    assert usual_range("n_sms") == ParameterRange("n_sms", 16, 48)
    assert usual_range("fp16_ops_per_cycle") == ParameterRange("fp16_ops_per_cycle", 128, 256)
    assert usual_range("n_hbm_stacks") == ParameterRange("n_hbm_stacks", 4, 16)
    for design in DESIGNS.values():
        for span in USUAL:
            assert span.low <= design.value(span.name) <= span.high


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sms", "a chip has no such number"),
        ("n_sms=3", "write NAME=LOW..HIGH"),
        ("n_sms=a..b", "write NAME=LOW..HIGH"),
        ("n_sms=8..4", "must begin above 0 and end above its beginning"),
        ("n_sms=0..4", "must begin above 0"),
        ("n_sms=4..inf", "must begin above 0"),
        ("l2_bytes_per_cycle", "give its range, l2_bytes_per_cycle=LOW..HIGH"),
    ],
)
def test_ranges_that_are_none(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        ParameterRange.parse(text)


def test_what_a_chip_lacks_or_cannot_cool_is_named() -> None:
    with pytest.raises(UsageError, match="baseline has no tf32_ops_per_cycle"):
        one_at_a_time(Setting(), [ParameterRange("tf32_ops_per_cycle", 1, 2)], ["peak_tflops"])
    with pytest.raises(UsageError, match=r"no number over all of n_sms=16\.\.1000"):
        one_at_a_time(Setting(), [ParameterRange("n_sms", 16, 1000)], ["total_power_w"])


def product_indices(
    ranges: list[ParameterRange],
) -> tuple[dict[str, float], dict[str, float], float]:
    """First-order, total and pairwise variance shares of a product of uniform variables.

    With c = variance / mean² of each factor, the variance of the product over its squared mean is
    prod(1 + c) - 1; a factor alone explains c of it, and a pair c_i c_j more.
    """
    c = {r.name: (r.high - r.low) ** 2 / 12 / ((r.high + r.low) / 2) ** 2 for r in ranges}
    whole = float(np.prod([1 + value for value in c.values()])) - 1
    first = {name: value / whole for name, value in c.items()}
    total = {name: value * (whole + 1) / (1 + value) / whole for name, value in c.items()}
    return first, total, whole


def test_sobol_indices_of_a_product() -> None:
    ranges = [
        ParameterRange("n_sms", 1, 99),
        ParameterRange("n_tensor_cores", 2, 14),
        ParameterRange("clock_mhz", 500, 1500),
    ]
    (found,) = sobol_indices(Setting(), ranges, ["peak_tflops"], 2**13, seed=1)
    first, total, whole = product_indices(ranges)
    assert found.n_evaluations == 2**13 * 8
    for i, name in enumerate(found.parameters):
        # The margins are half a 95 % interval; twice as much is next to never exceeded.
        assert abs(found.first[i] - first[name]) < 2 * found.first_margin[i]
        assert abs(found.total[i] - total[name]) < 2 * found.total_margin[i]
        assert 0 < found.first_margin[i] < 0.05
    for a, b, index, margin in found.pairs():
        assert abs(index - first[a] * first[b] * whole) < 2 * margin
    assert found.pairs()[0][:2] == ("n_sms", "n_tensor_cores")
    strongest = [abs(pair[2]) for pair in found.pairs()]
    assert strongest == sorted(strongest, reverse=True)


def test_sobol_indices_of_a_sum_have_no_interactions() -> None:
    ranges = [ParameterRange("n_sms", 10, 50), ParameterRange("n_hbm_stacks", 2, 16)]
    (found,) = sobol_indices(REFERENCE, ranges, ["total_power_w"], 2**10, seed=1)
    sms, stacks = (4 * 1.5 * 40) ** 2, (15 * 14) ** 2  # squares of what each adds over its range
    assert found.first[0] == pytest.approx(sms / (sms + stacks), abs=0.02)
    assert found.first[1] == pytest.approx(stacks / (sms + stacks), abs=0.02)
    assert found.first == pytest.approx(found.total, abs=0.02)
    assert abs(found.second[0, 1]) < 0.03


def test_equal_seeds_give_equal_indices_and_intervals() -> None:
    first, again, other = (
        sobol_indices(Setting(), USUAL, ["density_tflops_mm2"], 256, seed)[0].as_json()
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_designs_that_no_cooling_holds_are_counted_if_they_are_few() -> None:
    (found,) = sobol_indices(Setting(), USUAL, ["total_power_w"], 1024, 0)
    assert 0 < found.n_censored < 0.01 * found.n_evaluations
    hot = [ParameterRange("n_sms", 16, 500), USUAL[2]]
    with pytest.raises(UsageError, match="get hotter than they can cool"):
        sobol_indices(Setting(), hot, ["total_power_w"], 64, 0)


@pytest.mark.parametrize(
    ("ranges", "n", "metric", "what"),
    [
        (USUAL[:1], 64, "peak_tflops", "at least two parameters"),
        (USUAL, 100, "peak_tflops", "a power of 2"),
        (USUAL, 64, "hbm_bandwidth_gb_s", "depends on none of the parameters"),
    ],
)
def test_what_has_no_indices(ranges: list[ParameterRange], n: int, metric: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        sobol_indices(Setting(), ranges, [metric], n, 0)


def test_without_salib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SALib", "SALib.analyze", "SALib.sample"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"pip install 'sweepfarm\[explore\]'"):
        sobol_indices(Setting(), USUAL, ["peak_tflops"], 64, 0)


def test_every_pair_is_there_once() -> None:
    (found,) = sobol_indices(Setting(), USUAL, ["density_tflops_mm2"], 64, 0)
    pairs = {frozenset(pair[:2]) for pair in found.pairs()}
    assert pairs == {frozenset(pair) for pair in itertools.combinations(USUAL_PARAMETERS, 2)}
    assert len(found.pairs()) == 10
