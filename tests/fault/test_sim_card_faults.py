"""Every fault that a simulated card can have, through the real coordinator, runner and executor.

`LocalFarm.statuses` checks every OK launch against the simulator's truth, so "all OK" means: each
vector is there once, with its own measurement.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from farm.card.chunk_work import ChunkWork
from farm.card.keeper import CardKeeper
from farm.card.lifecycle import Budgets
from farm.card.measuring import Job
from farm.devices.device import CardSlot
from farm.devices.sim_chaos import ENDING, EXPECTED_STATUS, planned_faults
from farm.devices.sim_faults import FaultKind
from farm.devices.sim_memory import FaultMemory
from farm.devices.sim_throttle import Throttle
from farm.orders import Grant
from farm.testing.truth import NOISE, SEED, expected_launches
from tests.fault.conftest import LocalFarm

MakeFarm = Callable[..., LocalFarm]
TIMEOUT_S = 1.0


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[FaultMemory]:
    memory = FaultMemory(tmp_path / "faults")
    yield memory
    for pid in memory.children():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def options(memory: FaultMemory, **more: str) -> dict[str, str]:
    return {"fault_dir": str(memory.directory)} | more


def kinds(farm: LocalFarm) -> Counter[str]:
    return Counter(record["kind"] for record in farm.directory.incidents())


def living(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


def test_faults_that_end_the_executor_cost_no_vector(
    make_farm: MakeFarm, memory: FaultMemory
) -> None:
    where = {5 + 40 * i: kind for i, kind in enumerate(ENDING) if kind != FaultKind.CRASH_TREE}
    farm = make_farm(TIMEOUT_S)
    farm.run(
        faults=",".join(f"{kind}:{index}*1" for index, kind in where.items()),
        options=options(memory),
    )
    assert set(farm.statuses().values()) == {"OK"}
    strikes = {
        r["index"]: r["kind"] for r in farm.directory.incidents() if r["kind"] in {"hang", "crash"}
    }
    expected = {
        index: "hang" if kind.startswith("hang") or kind == FaultKind.LATE else "crash"
        for index, kind in where.items()
    }
    assert strikes == expected
    assert memory.fired() == Counter(where.values())
    assert len(memory.children()) == 2
    assert living(memory.children()) == []


def test_a_crash_leaves_no_process_behind(make_farm: MakeFarm, memory: FaultMemory) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(n_cards=1, faults="crash-tree:5*1", options=options(memory))
    assert set(farm.statuses().values()) == {"OK"}
    assert len(memory.children()) == 2
    assert living(memory.children()) == []


def test_faults_while_the_profiler_is_read_blame_no_vector(
    make_farm: MakeFarm, memory: FaultMemory
) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(
        faults="hang-read:20*1,crash-read:200*1,card-error:400*1",
        options=options(memory),
        read_timeout_s=1.0,
    )
    assert set(farm.statuses().values()) == {"OK"}
    assert {"hang": 1, "crash": 1, "card-fault": 1, "recovered": 3}.items() <= kinds(farm).items()
    assert not any("index" in r for r in farm.directory.incidents())


def test_a_vector_that_always_spoils_the_read_does_not_end_the_run(
    make_farm: MakeFarm, memory: FaultMemory
) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(faults="crash-read:70", options=options(memory), batch_rows=16)
    statuses = farm.statuses()
    assert statuses.pop(70) == "CRASH"
    assert set(statuses.values()) == {"OK"}


def test_an_executor_that_stops_between_batches_costs_no_vector(
    make_farm: MakeFarm, memory: FaultMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.card.keeper.Budgets", functools.partial(Budgets, idle_s=1.0))
    farm = make_farm(TIMEOUT_S)
    # The thread may strike while the records are still joined, which counts as reading.
    farm.run(faults="hang-idle:100*1", options=options(memory), read_timeout_s=1.0)
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm)["hang"] <= 1


def test_records_that_are_lost_or_mixed_up_once_cost_no_vector(
    make_farm: MakeFarm, memory: FaultMemory
) -> None:
    once = "drop:5*1,double:70*1,truncate:140*1,stale:200*1,foreign:260*1,stale:300..320*1"
    farm = make_farm(TIMEOUT_S)
    farm.run(faults=once, options=options(memory))
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm).keys() == {"profiler-records"}
    assert memory.fired().total() == 26


def test_records_that_are_always_lost_or_mixed_up_are_never_guessed(make_farm: MakeFarm) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(faults="drop:5,double:70,truncate:191,stale:200..230,foreign:300..330")
    failed = {index for index, status in farm.statuses().items() if status != "OK"}
    assert failed == {5, 70, 191}


def test_cards_that_do_not_open_are_opened_again(make_farm: MakeFarm, memory: FaultMemory) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(
        faults="crash-open:0*1,raise-open:0*1,hang-open:1*1,slow-open:1@0.1*1",
        options=options(memory),
        open_timeout_s=6.0,
    )
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm) == Counter({"open-failed": 2, "recovery-failed": 1})
    assert memory.fired().total() == 4


def test_resets_are_believed_only_after_a_probe(make_farm: MakeFarm, memory: FaultMemory) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(
        n_cards=1,
        faults="hang:70*1,raise-reset:0*1,hang-reset:0@4*1,lie-reset:0*1",
        options=options(memory, wedge="0"),
        reset_timeout_s=1.0,
    )
    assert set(farm.statuses().values()) == {"OK"}
    failed = [r["message"] for r in farm.directory.incidents() if r["kind"] == "recovery-failed"]
    assert [message.partition(":")[0] for message in failed] == [
        "reopen", "reopen", "warm reset", "warm reset", "cold reset",
    ]  # fmt: skip
    assert "reset failed: injected" in failed[2]
    assert "did not end within 1 s" in failed[3]
    assert "probe" in failed[4]


def test_a_card_whose_resets_all_lie_is_retired(make_farm: MakeFarm, memory: FaultMemory) -> None:
    farm = make_farm(TIMEOUT_S)
    faults = "hang:70*1,lie-reset:0"
    coordinator = farm.run(n_cards=1, faults=faults, options=options(memory, stuck="0"))
    assert kinds(farm)["retired"] == 1
    message, exit_code = coordinator.progress()["failure"]
    assert exit_code == 4
    assert "no healthy card is left" in message
    assert memory.fired() == {"hang": 1, "lie-reset": 4}
    farm.run()
    assert set(farm.statuses().values()) == {"OK"}


@pytest.mark.parametrize("index", [10, 60])
def test_a_card_that_fails_everything_at_once_spoils_no_vector(
    make_farm: MakeFarm, memory: FaultMemory, index: int
) -> None:
    farm = make_farm(TIMEOUT_S)
    farm.run(n_cards=1, faults=f"black-hole:{index}*1", options=options(memory))
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm)["breaker"] == 1


def test_work_after_a_long_wait_is_no_hang(
    make_farm: MakeFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.card.keeper.Budgets", functools.partial(Budgets, idle_s=0.2))
    farm = make_farm(TIMEOUT_S)
    slot = CardSlot("sim", 0)
    keeper = CardKeeper(slot, farm.directory, farm.settings(1, {}), lambda *_, **__: None)
    keeper.open_first()
    try:
        time.sleep(0.5)
        chunk = farm.directory.chunks()[0]
        grant, vectors = Grant(chunk, 1, ()), farm.directory.vectors(chunk.chunk_id)
        work = ChunkWork(vectors["vector_id"], [0], [], slot.card, 1)
        table = Job.of(grant, work, vectors, farm.directory.manifest).table
        keeper.executor.run(chunk.chunk_id, 1, table.slice(0, 1), 3)
        assert keeper.executor.trouble() is None
    finally:
        keeper.let_go(at_once=True)


def test_a_throttling_card_measures_what_it_should(make_farm: MakeFarm) -> None:
    farm = make_farm(TIMEOUT_S)
    throttle = Throttle(100, 500, 1.5, slot=1)
    farm.run(options={"throttle": str(throttle)})
    cards = check_throttled(farm, throttle)
    assert cards <= {"sim:0", "sim:1"}


def check_throttled(farm: LocalFarm, throttle: Throttle) -> set[str]:
    """Check every launch against the truth of its card; returns the cards seen."""
    seen = set()
    for chunk in farm.directory.chunks():
        vectors = farm.directory.vectors(chunk.chunk_id)
        outcomes = farm.directory.outcomes(chunk.chunk_id)
        cool_ns = expected_launches(farm.directory, vectors, SEED, NOISE)
        (card,) = set(outcomes["card"].to_pylist())
        indexes = chunk.first_index + np.arange(chunk.n_rows)
        factors = throttle.factors(indexes, int(card.partition(":")[2]))
        assert outcomes["durations_ns"].to_pylist() == (cool_ns * factors[:, None]).tolist()
        seen.add(card)
    return seen


def test_chaos_ends_as_planned(make_farm: MakeFarm, memory: FaultMemory) -> None:
    seed, rate = 8, 0.02
    farm = make_farm(TIMEOUT_S)
    farm.run(
        options=options(memory, chaos=f"{seed}:{rate}"),
        open_timeout_s=6.0,
        read_timeout_s=1.0,
        reset_timeout_s=1.0,
        join_s=120.0,
    )
    culprits = planned_faults(seed, rate, range(farm.directory.manifest.n_vectors))
    failed = {index: status for index, status in farm.statuses().items() if status != "OK"}
    assert failed == {index: EXPECTED_STATUS[kind] for index, kind in culprits.items()}
    assert memory.fired().total() >= 10
    assert living(memory.children()) == []
