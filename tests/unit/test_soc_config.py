"""Chips as values: composition, checks with units, YAML."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from analysis.soc.chip.config import (
    KEYS,
    ChipletConfig,
    OpsPerCycle,
    SMConfig,
    SoCConfig,
)
from analysis.soc.chip.config_file import config_text, read_config
from analysis.soc.chip.designs import BASELINE, DESIGNS
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.technology import Technology
from analysis.soc.errors import ConfigError, ThermalRunawayError
from farm.errors import FormatError, UsageError


def test_configurations_compose() -> None:
    sm = SMConfig(n_tensor_cores=6, clock_mhz=2300, ops_per_cycle=OpsPerCycle(fp16=192))
    soc = SoCConfig(name="mine", chiplet=ChipletConfig(sm=sm, n_sms=32, area_mm2=350, l2_mb=7))
    assert soc.peak_compute(Precision.FP16) == DESIGNS["realistic"].peak_compute(Precision.FP16)
    assert (soc.n_all_sms, soc.total_area_mm2, soc.total_l2_mb) == (128, 1400, 28)
    assert soc.memory_levels == pytest.approx({"HBM": 1024, "L2": 64 * 128 * 2300e6 / 1e9})


def test_configurations_are_values() -> None:
    assert SoCConfig() == BASELINE
    assert hash(SoCConfig()) == hash(BASELINE)
    assert pickle.loads(pickle.dumps(DESIGNS["aggressive"])) == DESIGNS["aggressive"]
    with pytest.raises(AttributeError):
        BASELINE.n_chiplets = 8  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"clock_mhz": 2}, "Is it in GHz? Then write 2000"),
        ({"clock_mhz": 2e9}, "Is it in Hz? Then write 2000"),
        ({"hbm_stack_gb_s": 128e9}, "Is it in B/s? Then write 128"),
        ({"hbm_stack_gb_s": 1.2}, "Is it in TB/s? Then write 1200"),
        ({"area_mm2": 4e8}, "Is it in µm²? Then write 400"),
        ({"l2_mb": 6144}, "Is it in kB? Then write 6.144"),
        ({"nominal_voltage_v": 900}, "Is it in mV? Then write 0.9"),
        ({"fp16_energy_pj": 450}, "Is it in fJ? Then write 0.45"),
        ({"area_mm2": -400}, "expected 10 to 100000 mm²"),
        ({"n_chiplets": 0}, "expected 1 to 4096 chiplets"),
        ({"n_sms": 16.5}, "SMs per chiplet come in whole numbers"),
        ({"n_sms": True}, "is not a number"),
        ({"l2_mb": "6 MB"}, "is not a number"),
        ({"area_mm2": float("nan")}, "is not a finite number"),
        ({"fp16_ops_per_cycle": 0}, "OpsPerCycle.fp16 = 0"),
        ({"name": "  "}, "give the chip a name"),
        ({"clok_mhz": 2000}, "did you mean clock_mhz"),
        ({"chiplet.sm.n_sms": 3}, "has no field 'chiplet.sm.n_sms'"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        BASELINE.with_values(changes)
    assert expected in str(refused.value)


def test_a_chip_error_is_what_users_and_python_expect() -> None:
    assert issubclass(ConfigError, UsageError)
    assert issubclass(ConfigError, ValueError)
    for error in (ConfigError("what"), ThermalRunawayError("what")):
        assert str(pickle.loads(pickle.dumps(error))) == "what"


def test_parts_are_of_their_kind() -> None:
    with pytest.raises(ConfigError, match="chiplet must be a ChipletConfig, not SMConfig"):
        SoCConfig(chiplet=SMConfig())  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigError, match="no precision has a rate"):
        OpsPerCycle(*[None] * 8)


def test_a_field_anywhere_inside_is_changed_by_its_own_name() -> None:
    changed = BASELINE.with_values({"clock_mhz": 2300}, area_mm2=350, ambient_c=40)
    assert (changed.sm.clock_mhz, changed.chiplet.area_mm2) == (2300, 350)
    assert changed.technology == Technology(ambient_c=40)
    assert changed.with_values(clock_mhz=2000, area_mm2=400, ambient_c=25) == BASELINE
    assert BASELINE.with_values({"chiplet.sm.clock_mhz": 2300}).sm.clock_mhz == 2300


def test_every_field_has_one_name() -> None:
    assert len(set(KEYS.values())) == len(KEYS)
    for key in KEYS:
        assert BASELINE.with_values({key: BASELINE.value(key)}) == BASELINE


def test_a_missing_precision_is_said_to_be_missing() -> None:
    with pytest.raises(ConfigError, match="has no FP64 rate; it has FP4, FP8"):
        BASELINE.peak_compute(Precision.FP64)
    without = BASELINE.with_values(fp4_ops_per_cycle=None)
    assert Precision.FP4 not in without.precisions
    with pytest.raises(ConfigError, match="no precision 'fp17'"):
        Precision.parse("fp17")


def test_yaml_and_back(tmp_path: Path) -> None:
    for soc in DESIGNS.values():
        path = tmp_path / "chip.yaml"
        path.write_text(config_text(soc))
        assert read_config(path) == soc


def test_a_file_says_only_what_differs_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: realistic\nn_chiplets: 6\n"
        "chiplet: {sm: {ops_per_cycle: {fp16: 256, fp4: null}}}\n"
        "technology: {thermal_resistance_k_per_w: 0.05}\n"
    )
    soc = read_config(path)
    assert soc == DESIGNS["realistic"].with_values(
        name="mine",
        n_chiplets=6,
        fp16_ops_per_cycle=256,
        fp4_ops_per_cycle=None,
        thermal_resistance_k_per_w=0.05,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n_chiplets: [", "line 1: not YAML"),
        ("- 1\n", "expected fields of a chip"),
        ("base: nobody\n", "there is no base 'nobody'; known are baseline"),
        ("chiplet: {sm: {clock_mhz: 2.3}}\n", "Is it in GHz? Then write 2300"),
        ("chiplet: {sms: 3}\n", "has no field 'chiplet.sms'; did you mean n_sms"),
        ("chiplet: 3\n", "'chiplet' has fields of its own; give one of them, such as chiplet."),
        ("n_chiplets: 4\nn_chiplets: 8\n", "line 1: not YAML: the key 'n_chiplets' is there twice"),
        ("hbm_stack_gb_s: 1.28e11\n", "Is it in B/s? Then write 128"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_config(path)
    assert str(path) in str(refused.value)
    assert expected in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"nothing\.yaml: cannot be read"):
        read_config(tmp_path / "nothing.yaml")
