"""The library of public chips, and comparisons with it."""

import pytest

from analysis.soc.chip.designs import DESIGNS
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.public_chips import find_chip, library
from analysis.soc.errors import ConfigError
from analysis.soc.models.comparison import compare
from analysis.soc.models.performance import PerformanceModel

CHIPS = list(library().values())


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_a_chip_has_sources_peaks_and_bandwidth(chip) -> None:
    assert chip.sources
    assert all(": " in source for source in chip.sources)
    assert chip.precisions
    bandwidths = list(chip.memory_levels.values())
    assert bandwidths == sorted(bandwidths)


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_narrower_floating_point_is_never_slower(chip) -> None:
    order = (Precision.FP4, Precision.FP8, Precision.FP16, Precision.TF32)
    peaks = [chip.peak_tflops[p] for p in order if p in chip.peak_tflops]
    assert peaks == sorted(peaks, reverse=True)


def test_names_and_aliases_are_unique() -> None:
    names = [name for chip in CHIPS for name in (chip.name, *chip.aliases)]
    assert len(names) == len(set(names))
    assert not set(names) & set(DESIGNS)


def test_a_chip_is_found_by_any_of_its_names() -> None:
    assert find_chip("H100") is find_chip("h100-sxm")
    assert find_chip("n150") is library()["wormhole-n150"]
    assert find_chip("h1000") is None


@pytest.mark.parametrize(
    ("name", "precision", "tflops", "bandwidth_gb_s", "tdp_w"),
    [
        ("a100-sxm-80gb", Precision.FP16, 312, 2039, 400),
        ("h100-sxm", Precision.FP8, 1978.9, 3350, 700),
        ("l40s", Precision.FP16, 362.05, 864, 350),
        ("wormhole-n150", Precision.FP8, 262, 288, 160),
        ("wormhole-n300", Precision.FP16, 131, 576, 300),
        ("grayskull-e150", Precision.FP8, 332, 118.4, 200),
        ("mi300x", Precision.FP16, 1307.4, 5300, 750),
        ("tpu-v4", Precision.BF16, 275, 1200, None),
    ],
)
def test_published_figures(name, precision, tflops, bandwidth_gb_s, tdp_w) -> None:
    chip = library()[name]
    assert chip.peak_compute(precision) == tflops
    assert next(iter(chip.memory_levels.values())) == bandwidth_gb_s
    assert chip.tdp_w == tdp_w


@pytest.mark.parametrize("chip", [c for c in CHIPS if c.design], ids=lambda chip: chip.name)
def test_the_structure_of_a_chip_yields_its_published_ceilings(chip) -> None:
    common = set(chip.precisions) & set(chip.design.precisions)
    assert Precision.FP16 in common
    for precision in common:
        assert chip.design.peak_compute(precision) == pytest.approx(
            chip.peak_compute(precision), rel=2e-3
        )
    assert chip.design.hbm_bandwidth_gb_s == pytest.approx(chip.memory_levels["HBM"])
    assert chip.design.total_area_mm2 == chip.die_area_mm2
    if "L2" in chip.memory_levels:
        assert chip.design.l2_bandwidth_gb_s == pytest.approx(chip.memory_levels["L2"], rel=1e-3)


@pytest.mark.parametrize("chip", [c for c in CHIPS if c.design], ids=lambda chip: chip.name)
def test_the_power_model_is_within_a_third_of_chips_that_it_was_not_fitted_to(chip) -> None:
    (check,) = compare([chip]).checks
    assert check.power_ratio == pytest.approx(1.0, abs=1 / 3)


def test_a_precision_that_is_not_published() -> None:
    with pytest.raises(ConfigError, match=r"no FP8 peak of NVIDIA A100 .* is published"):
        library()["a100-sxm-80gb"].peak_compute(Precision.FP8)


def test_a_published_chip_has_a_roofline() -> None:
    perf = PerformanceModel(library()["h100-sxm"])
    assert perf.ridge_point(Precision.FP16) == pytest.approx(989.4e12 / 3350e9)
    with pytest.raises(ConfigError, match="no memory level 'L3'; it has HBM"):
        perf.ridge_point(Precision.FP16, "L3")


def test_a_comparison_tells_published_from_modelled() -> None:
    both = compare([DESIGNS["realistic"], library()["mi300x"], library()["h100-sxm"]])
    assert [entry.is_published for entry in both.entries] == [False, True, True]
    assert both.entries[1].density_tflops_mm2 is None
    assert both.entries[2].density_tflops_mm2 == pytest.approx(989.4 / 814)
    assert [check.chip.name for check in both.checks] == ["h100-sxm"]
