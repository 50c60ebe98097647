"""Sweep modules on a card, with a stand-in for TT-NN in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farm.devices import ttnn, ttnn_environment, ttnn_probe, ttnn_sdk
from farm.devices.device import N_LAUNCHES, CardSlot, PreparedKind
from farm.devices.tt_host import TtHost
from farm.devices.ttnn import TtnnDevice
from farm.errors import (
    CardError,
    OpFailedError,
    OutOfMemoryError,
    UnsupportedVectorError,
    UsageError,
)
from farm.profiler.log_reader import read_log
from farm.testing.device_contract import vector_of
from sweeps import memcpy
from sweeps.space import Sweep
from sweeps.vector import Vector
from tests.tt_cards import (
    Opened,
    TtCards,
    durations,
    module_sweep,
    probe_is_healthy,
    small_reshard,
    standin_sdk,
    write_module,
)

RESHARD = "data_movement.reshard.small_reshard"
LOOPED = "data_movement.reshard.looped_reshard"


def reshard_sweep() -> Sweep:
    shapes = [f"[1,1,{128 * h},{64 * w}]" for h in (1, 2, 3) for w in (1, 2, 3)]
    grid = "ttnn.CoreGrid(x={0}, y={0})"
    return module_sweep(
        RESHARD,
        strategy=["ShardStrategy.BLOCK", "ShardStrategy.HEIGHT"],
        input_core_grid=[grid.format(1)],
        output_core_grid=[grid.format(2)],
        dtype=["DataType.BFLOAT16"],
        shape=[*shapes, "[1,1,1024,1024]"],
    )


def reshard(height: int, width: int) -> Vector:
    return vector_of(reshard_sweep(), small_reshard("BLOCK", height, width))


def test_a_repeat_is_the_sum_of_a_runs_programs(opened: Opened) -> None:
    device = opened(reshard_sweep())
    device.execute(reshard(128, 64), 3, 7)
    device.execute(reshard(256, 128), 2, 9)
    records = device.read_profile()
    log = read_log(ttnn_environment.log_path(0)).launches["kernel_ns"].to_pylist()
    assert len(log) == 2 * (1 + 3) + 2 * (1 + 2)
    pairs = [a + b for a, b in zip(log[::2], log[1::2], strict=True)]
    assert durations(records, 7) == pairs[1:4]
    assert durations(records, 9) == pairs[5:]
    assert records.schema.metadata == {N_LAUNCHES: b"14"}


def test_a_vector_is_warmed_up_once(opened: Opened) -> None:
    device = opened(reshard_sweep())
    vector = reshard(128, 64)
    device.warm_up(vector)
    device.execute(vector, 3, 7)
    assert len(durations(device.read_profile(), 7)) == 3
    log = read_log(ttnn_environment.log_path(0)).launches
    assert log.num_rows == 2 * (1 + 3)
    with pytest.raises(OutOfMemoryError):
        device.warm_up(reshard(1024, 1024))
    device.execute(vector, 2, 8)
    assert len(durations(device.read_profile(), 8)) == 2


def test_only_sweep_modules_of_tt_metal_can_be_run() -> None:
    ttnn.KIND.require_runnable(reshard_sweep())
    with pytest.raises(UsageError, match=r"memcpy is none: name one by --tt-metal-root"):
        ttnn.KIND.require_runnable(memcpy.SWEEP)


def test_a_repeat_may_be_each_launch_of_a_run(opened: Opened) -> None:
    sweep = module_sweep(
        LOOPED, output_core_grid=["ttnn.CoreGrid(x=2, y=2)"], shape=["[1,1,64,64]"]
    )
    vector = vector_of(sweep, {axis.name: axis.values[0] for axis in sweep.axes})
    device = opened(sweep, launches="each")
    device.execute(vector, 10, 1)
    device.execute(vector, 13, 2)
    records = device.read_profile()
    log = read_log(ttnn_environment.log_path(0)).launches["kernel_ns"].to_pylist()
    assert durations(records, 1) == log[10:20]
    assert durations(records, 2) == log[30:43]
    assert len(log) == 20 + 30


def test_warm_ups_are_as_many_as_wanted(opened: Opened) -> None:
    device = opened(reshard_sweep(), warmups="3")
    device.execute(reshard(128, 64), 2, 7)
    assert durations(device.read_profile(), 7)
    assert read_log(ttnn_environment.log_path(0)).launches.num_rows == 2 * (3 + 2)


def test_an_executor_opens_its_own_card_only(opened: Opened, cards: TtCards) -> None:
    opened(reshard_sweep(), card=1)
    assert TtHost(cards.root).opened_here() == [1]


def test_a_card_of_another_executor_is_never_measured(opened: Opened, cards: TtCards) -> None:
    os.environ["TTNN_STANDIN_BLIND"] = "1"
    opened(reshard_sweep(), card=0)
    with pytest.raises(CardError, match="TT-NN opened card 0 and not 1"):
        opened(reshard_sweep(), card=1)


def test_the_environment_comes_before_the_sdk(cards: TtCards) -> None:
    assert isinstance(ttnn.KIND, PreparedKind)
    with standin_sdk(cards.environment):
        device = TtnnDevice(CardSlot("ttnn", 0, cards.options), reshard_sweep())
        with pytest.raises(CardError, match="not prepared for card 0"):
            device.open()
        ttnn.KIND.prepare(CardSlot("ttnn", 1, cards.options))
        with pytest.raises(CardError, match="not prepared for card 0"):
            device.open()
        assert os.environ["TT_METAL_DEVICE_PROFILER"] == "1"
        assert os.environ["TT_VISIBLE_DEVICES"] == os.environ["TT_METAL_VISIBLE_DEVICES"] == "1"
        assert os.environ["ARCH_NAME"] == "wormhole_b0"


def test_what_the_card_is(opened: Opened) -> None:
    info = opened(reshard_sweep(), card=1).info
    assert (info.card, info.arch, info.firmware) == ("ttnn:1", "wormhole_b0", "18.5.0.0")
    assert info.driver == "2.3.0"
    assert info.clocks_hz["aiclk"] == 1e9
    assert info.software["ttnn"] == "0.0.0+standin"
    assert info.details["bus"] == "0000:02:00.0"
    assert info.details["module"] == RESHARD
    assert info.profiler_capacity == 1000


def test_the_commit_is_that_of_the_checkout(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    assert ttnn_sdk.checkout_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "below").mkdir()
    assert ttnn_sdk.checkout_commit(tmp_path / "below") == ""
    assert ttnn_sdk.checkout_commit(tmp_path / "nowhere") == ""


def test_without_the_sdk_the_kind_says_what_is_missing(tmp_path: Path) -> None:
    lacking = ttnn.KIND.missing()
    assert lacking is not None
    assert "ttnn is not importable" in lacking
    (tmp_path / "ttnn").mkdir()  # as in a checkout's root: a folder, no package
    sys.path.insert(0, str(tmp_path))
    try:
        assert ttnn.KIND.missing() == lacking
    finally:
        sys.path.remove(str(tmp_path))


def test_a_vector_that_does_not_fit(opened: Opened) -> None:
    device = opened(reshard_sweep())
    with pytest.raises(OutOfMemoryError, match=r"failed as expected \(xfail\): RuntimeError: TT_F"):
        device.execute(replace(reshard(1024, 1024), suite="xfail_too_large"), 2, 1)
    with pytest.raises(OutOfMemoryError, match=r"^RuntimeError: TT_FATAL"):
        device.execute(reshard(1024, 1024), 2, 1)
    os.environ["TTNN_STANDIN_OOM"] = "1x1x128x64"
    with pytest.raises(OutOfMemoryError, match=r"^RuntimeError: TT_FATAL.*\n.*\nOut of Memory"):
        device.execute(reshard(128, 64), 2, 2)


def test_a_failed_vector_leaves_no_memory_taken(opened: Opened, tmp_path: Path) -> None:
    sweep = write_module(
        tmp_path,
        "leaky",
        """
        def run(n, *, device):
            config = ttnn.create_sharded_memory_config(
                [32, 32 * 400], core_grid=ttnn.CoreGrid(x=1, y=1),
                strategy=ttnn.ShardStrategy.WIDTH,
            )
            held = ttnn.zeros([32, 32 * 400], device=device, memory_config=config)
            if n == "a":
                raise ValueError("wrong")
            ttnn.deallocate(ttnn.to_memory_config(ttnn.zeros([32, 32], device=device),
                                                  ttnn.DRAM_MEMORY_CONFIG))
            return True, held.dtype
        """,
    )
    device = opened(sweep)
    caught = []
    for tag in range(3):
        with pytest.raises(OpFailedError, match="ValueError: wrong") as error:
            device.execute(vector_of(sweep, {"n": "a"}), 2, tag)
        caught.append(error)  # whoever keeps the error does not keep the tensors
    device.execute(vector_of(sweep, {"n": "b"}), 2, 3)
    assert len(durations(device.read_profile(), 3)) == 2


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("return False, 'PCC 0.7 is below 0.99'", OpFailedError, "^PCC 0.7 is below 0.99$"),
        ("return [(False, 'Out of Memory: L1'), 12.0]", OutOfMemoryError, "Out of Memory"),
        ("assert n == 'x', 'n is wrong'", OpFailedError, "^AssertionError: n is wrong$"),
        ("return None", OpFailedError, "run returned None"),
        ("return True, 'nothing launched'", UnsupportedVectorError, "launches no program"),
        ("raise RuntimeError('Watcher stopped the device')", CardError, "Watcher"),
    ],
)
def test_what_becomes_of_a_run(
    opened: Opened, tmp_path: Path, body: str, error: type[Exception], message: str
) -> None:
    sweep = write_module(tmp_path, "odd", f"\ndef run(n, *, device):\n    {body}\n")
    device = opened(sweep)
    with pytest.raises(error, match=message):
        device.execute(vector_of(sweep, {"n": "b"}), 2, 1)
    assert device.read_profile().num_rows == 0


PROGRAMS = """
n_runs = 0
_SKIP_DEVICE_PERF = False

def run(n, *, device):
    global n_runs, _SKIP_DEVICE_PERF
    n_runs += 1
    _SKIP_DEVICE_PERF = n == "c"
    n_programs = n_runs if n == "b" else 2 if n_runs == 1 else 1
    tensor = ttnn.zeros([32, 32], device=device)
    for _ in range(n_programs):
        ttnn.deallocate(ttnn.to_memory_config(tensor, ttnn.DRAM_MEMORY_CONFIG))
    return True, ""
"""


def test_runs_that_differ_in_programs(opened: Opened, tmp_path: Path) -> None:
    sweep = write_module(tmp_path, "growing", PROGRAMS)
    device = opened(sweep)
    device.execute(vector_of(sweep, {"n": "a"}), 3, 1)  # the warm-up launches one more
    with pytest.raises(OpFailedError, match=r"different numbers of programs: \[6, 7\]"):
        device.execute(vector_of(sweep, {"n": "b"}), 2, 2)
    with pytest.raises(UnsupportedVectorError, match="_SKIP_DEVICE_PERF"):
        device.execute(vector_of(sweep, {"n": "c"}), 2, 3)
    records = device.read_profile()
    assert (len(durations(records, 1)), records.num_rows) == (3, 3)


def test_a_core_that_the_profiler_lost_is_noticed(opened: Opened) -> None:
    device = opened(reshard_sweep())
    os.environ["TTNN_STANDIN_DROP"] = "1x1x128x64"
    device.execute(reshard(128, 64), 1, 1)
    device.execute(reshard(256, 64), 1, 2)
    records = device.read_profile()
    assert durations(records, 1) == []
    assert len(durations(records, 2)) == 1


def test_a_small_buffer_loses_nothing(opened: Opened) -> None:
    os.environ["TT_METAL_PROFILER_PROGRAM_SUPPORT_COUNT"] = "5"
    device = opened(reshard_sweep())
    assert device.info.profiler_capacity == 5
    for tag in range(4):
        device.execute(reshard(128 + 128 * (tag % 3), 64), 7, tag)
    records = device.read_profile()
    assert [len(durations(records, tag)) for tag in range(4)] == [7] * 4


def test_another_sweep_cannot_run_here(opened: Opened, cards: TtCards) -> None:
    device = opened(memcpy.SWEEP)
    vector = vector_of(memcpy.SWEEP, {"layout": "copy", "dtype": "int8", "shape": (64, 32)})
    with pytest.raises(UnsupportedVectorError, match="memcpy is no sweep module of tt-metal"):
        device.execute(vector, 1, 1)
    assert probe_is_healthy(device, cards)


def test_a_card_that_computes_wrong_values_is_not_healthy(opened: Opened) -> None:
    device = opened(reshard_sweep())
    os.environ["TTNN_STANDIN_WRONG"] = "1x1x32x32"
    with pytest.raises(CardError, match=r"the probe computes 3.0, not 2.0"):
        device.execute(ttnn_probe.vectors()[0], 1, 0)


def test_a_dead_card_does_not_open(opened: Opened, cards: TtCards) -> None:
    cards.kill(0)
    with pytest.raises(CardError, match="opening the card failed: RuntimeError: Read 0xffffffff"):
        opened(reshard_sweep())


def test_older_builds_call_it_a_dump(opened: Opened, cards: TtCards) -> None:
    device = opened(reshard_sweep())
    sdk = sys.modules["ttnn"]
    sdk.DumpDeviceProfiler = sdk.__dict__.pop("ReadDeviceProfiler")  # type: ignore[attr-defined]
    assert probe_is_healthy(device, cards)
    del sdk.DumpDeviceProfiler  # type: ignore[attr-defined]
    with pytest.raises(CardError, match="neither ReadDeviceProfiler nor DumpDeviceProfiler"):
        device.read_profile()


def test_no_module_is_imported_with_the_kind() -> None:
    code = "import sys, farm.devices.ttnn; print(any(n.startswith('ttnn') for n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
