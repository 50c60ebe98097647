"""The simulated card: exact values, faults in the profile, whole-card faults, options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.devices.device import CardSlot, Device, ResetLevel
from farm.devices.sim import KIND, SimDevice, probe_vectors
from farm.devices.sim_faulty import FaultyDevice
from farm.devices.sim_memory import FaultMemory
from farm.devices.sim_model import true_duration_ns
from farm.devices.sim_noise import measured_ns
from farm.devices.sim_records import FOREIGN_TAG
from farm.devices.sim_throttle import Throttle
from farm.errors import CardError, OpFailedError, UsageError
from sweeps.reshard import SWEEP
from sweeps.vector import Vector, vector_id


def _vector(index: int) -> Vector:
    params = {
        "input_strategy": "BLOCK",
        "output_strategy": "HEIGHT",
        "input_orientation": "ROW_MAJOR",
        "output_orientation": "ROW_MAJOR",
        "dtype": "BFLOAT16",
        "input_grid": (1, 2),
        "output_grid": (1, 1),
        "shape": (1, 1, 64, 32 * (1 + index)),
    }
    identity = vector_id("reshard", params)
    return Vector(index, identity, "reshard", params, SWEEP.derive(params))


VECTORS = [_vector(index) for index in range(12)]


def opened(index: int = 0, **options: str) -> Device:
    device = KIND.device(CardSlot("sim", index, options), SWEEP)
    device.open()
    return device


def profile_of(device: Device, vectors: Sequence[Vector], repeats: int = 4) -> pa.Table:
    for vector in vectors:
        device.execute(vector, repeats, vector.index)
    return device.read_profile()


def by_launch(profile: pa.Table) -> dict[tuple[int, int], float]:
    columns = (profile[name].to_pylist() for name in ("tag", "repeat", "duration_ns"))
    return {(tag, repeat): ns for tag, repeat, ns in zip(*columns, strict=True)}


def test_every_launch_measures_what_the_model_and_the_noise_say():
    vectors = VECTORS[:3]
    found = by_launch(profile_of(opened(seed="5", noise="0.01"), vectors))
    for vector in vectors:
        truth = np.full(4, true_duration_ns("reshard", vector.params, vector.features))
        repeats = np.arange(4, dtype=np.int32)
        expected = measured_ns(truth, [vector.vector_id] * 4, repeats, 5, 0.01)
        assert [found[vector.index, r] for r in range(4)] == expected.tolist()


EXPECTED = by_launch(profile_of(opened(), VECTORS))


@given(order=st.permutations(range(len(VECTORS))), data=st.data(), card=st.integers(0, 7))
def test_batches_order_and_card_change_no_value(order, data, card):
    device = opened(card)
    found: dict[tuple[int, int], float] = {}
    rest = list(order)
    while rest:
        n = data.draw(st.integers(1, len(rest)))
        found |= by_launch(profile_of(device, [VECTORS[i] for i in rest[:n]]))
        del rest[:n]
    assert found == EXPECTED


def test_without_a_log_the_rows_are_not_in_the_order_of_execution():
    tags = profile_of(opened(profiler="direct"), VECTORS)["tag"].to_pylist()
    assert tags != sorted(tags)
    assert tags == profile_of(opened(profiler="direct"), VECTORS)["tag"].to_pylist()


def test_records_are_dropped_and_doubled_where_told():
    profile = profile_of(opened(faults="drop:2,double:3"), VECTORS[:5])
    counts = np.bincount(profile["tag"].to_numpy(), minlength=5)
    assert counts.tolist() == [4, 4, 0, 8, 4]
    assert set(by_launch(profile).items()) <= set(EXPECTED.items())


def test_a_vector_that_raises_leaves_no_records():
    device = opened(faults="raise:1")
    device.execute(VECTORS[0], 2, 0)
    with pytest.raises(OpFailedError):
        device.execute(VECTORS[1], 2, 1)
    assert set(device.read_profile()["tag"].to_pylist()) == {0}


def test_a_dead_card_never_opens():
    slot = KIND.discover(3, {"dead_cards": "0,2"})[2]
    control = KIND.control(slot)
    for level in ResetLevel:
        control.reset(level)
        with pytest.raises(CardError, match="sim:2"):
            KIND.device(slot, SWEEP).open()
    assert opened(1, dead_cards="0,2").info.card == "sim:1"


@pytest.mark.parametrize("option", ["stuck", "wedge"])
def test_a_card_needs_a_reset_after_a_hang(tmp_path, option):
    options = {option: "1", "fault_dir": str(tmp_path), "faults": "hang:5*1,lie-reset:1*1"}
    slot = KIND.discover(2, options)[1]
    control = KIND.control(slot)

    assert is_healthy(slot)
    state = "wedged" if option == "wedge" else "stuck"
    FaultMemory(tmp_path).enter(f"{state}-1")  # what a hang does before it hangs
    assert not is_healthy(slot)
    for level in ResetLevel:  # the first one lies
        control.reset(level)
        assert is_healthy(slot) == (level is ResetLevel.COLD)


def test_a_black_hole_fails_everything_until_it_is_reset(tmp_path):
    options = {"fault_dir": str(tmp_path), "faults": "black-hole:3*1"}
    slot = CardSlot("sim", 0, options)
    device = opened(0, **options)
    device.execute(VECTORS[0], 2, 0)
    for vector in VECTORS[3:6]:
        with pytest.raises(OpFailedError, match="until it is reset"):
            device.execute(vector, 2, vector.index)
    assert not is_healthy(slot)
    KIND.control(slot).reset(ResetLevel.WARM)
    assert is_healthy(slot)
    assert by_launch(profile_of(opened(0, **options), VECTORS)) == EXPECTED


def is_healthy(slot: CardSlot) -> bool:
    control, device = KIND.control(slot), KIND.device(slot, SWEEP)
    device.open()
    for tag, vector in enumerate(control.probe_vectors()):
        try:
            device.execute(vector, 2, tag)
        except OpFailedError:
            return False
    return control.probe_is_healthy(device.read_profile())


def tags_of(profile: pa.Table) -> list[int]:
    return sorted(profile["tag"].to_pylist())


def test_a_truncated_batch_ends_in_the_middle():
    device = opened(faults="truncate:4")
    found = by_launch(profile_of(device, VECTORS[4::-1], repeats=2))
    assert set(found) == {(4, 0), (4, 1), (3, 0), (3, 1), (2, 0)}
    assert by_launch(profile_of(device, VECTORS[:2])) == {
        launch: ns for launch, ns in EXPECTED.items() if launch[0] < 2
    }


def test_records_of_the_batch_before_come_again():
    device = opened(faults="stale:2..3")
    assert tags_of(profile_of(device, VECTORS[2:3], repeats=1)) == [2]
    assert tags_of(profile_of(device, VECTORS[3:5], repeats=1)) == [2, 3, 4]
    assert tags_of(profile_of(device, VECTORS[5:6], repeats=1)) == [5]


def test_foreign_records_have_tags_of_no_vector_of_the_batch():
    found = tags_of(profile_of(opened(faults="foreign:5"), VECTORS[4:7], repeats=1))
    assert found == [-FOREIGN_TAG, 3, 4, 5, 6, 7, FOREIGN_TAG]


def test_a_throttling_card_is_slower_by_known_factors():
    throttle = Throttle(2, 5, 1.8, slot=1)
    assert Throttle.parse(str(throttle)) == throttle
    indexes = np.arange(8)
    factors = throttle.factors(indexes, 1)
    assert factors == pytest.approx([1, 1, 1.2, 1.4, 1.6, 1.8, 1, 1])
    assert throttle.factors(indexes, 0).tolist() == [1.0] * 8
    hot = opened(1, throttle=str(throttle))
    assert hot.info.details["throttle"] == "2..5@1.8/1"
    for (tag, repeat), ns in by_launch(profile_of(hot, VECTORS[:8])).items():
        assert ns == EXPECTED[tag, repeat] * factors[tag]
    assert by_launch(profile_of(opened(0, throttle=str(throttle)), VECTORS)) == EXPECTED


def test_only_a_card_with_faults_is_wrapped(tmp_path):
    slot = CardSlot("sim", 0, {"fault_dir": str(tmp_path)})
    assert isinstance(KIND.device(slot, SWEEP), SimDevice)
    slot = CardSlot("sim", 0, {"faults": "hang:7"})
    assert isinstance(KIND.device(slot, SWEEP), FaultyDevice)


def test_a_probe_with_wrong_records_is_not_healthy():
    control = KIND.control(CardSlot("sim", 0))
    device = opened()
    for tag, vector in enumerate(probe_vectors()):
        device.execute(vector, 3, tag)
    good = device.read_profile()
    assert control.probe_is_healthy(good)
    assert not control.probe_is_healthy(good.slice(1))
    assert not control.probe_is_healthy(pa.concat_tables([good, good.slice(0, 1)]))
    slower = pa.array(good["duration_ns"].to_numpy() * 1.2)
    assert not control.probe_is_healthy(good.set_column(2, good.schema.field(2), slower))


def test_waiting_is_of_no_effect_on_what_is_measured():
    for device_time in ("true", "0.0001"):
        assert by_launch(profile_of(opened(device_time=device_time), VECTORS)) == EXPECTED


def test_the_card_tells_its_seed_and_noise():
    info = opened(seed="3", open_s="0").info
    assert info.details == {"seed": "3", "noise": "0.007", "profiler": "log v5", "truth": "model"}
    assert info.clocks_hz == {"aiclk": 1e9}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": "-1"}, "seed='-1'"),
        ({"seed": "18446744073709551616"}, "whole number"),
        ({"noise": "0.5"}, "up to 0.1"),
        ({"noise": "nan"}, "give a number"),
        ({"device_time": "yes"}, "device_time='yes'"),
        ({"open_s": "inf"}, "open_s"),
        ({"dead_cards": "first"}, "slot numbers"),
        ({"wedge": "1"}, "fault_dir"),
        ({"stuck": "0"}, "fault_dir"),
        ({"chaos": "7"}, "fault_dir"),
        ({"chaos": "7:2", "fault_dir": "d"}, "RATE is 0 to 1"),
        ({"chaos": "x", "fault_dir": "d"}, "write SEED"),
        ({"chaos": "7:0.1:oom", "fault_dir": "d"}, "KIND one of"),
        ({"throttle": "1..5@0.5"}, "FACTOR is at least 1"),
        ({"throttle": "5..1@2"}, "write FIRST"),
        ({"faults": "hang"}, "KIND:INDEX"),
        ({"flavour": "mint"}, "no option 'flavour'"),
    ],
)
def test_malformed_options_are_refused(options: Mapping[str, str], words: str):
    with pytest.raises(UsageError, match=words):
        KIND.discover(1, options)


def test_there_is_one_card_unless_more_are_asked_for():
    assert [slot.card for slot in KIND.discover(None, {})] == ["sim:0"]
    assert [slot.index for slot in KIND.discover(4, {})] == [0, 1, 2, 3]
    with pytest.raises(UsageError):
        KIND.discover(0, {})
