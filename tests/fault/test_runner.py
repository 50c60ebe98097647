"""Cards that hang, crash, fail and lie: every vector ends with its own measurement or a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from farm.card.departure import COMMIT_S
from farm.card.runner import CardRunner, End
from farm.chunk import Strike
from farm.coordinator import Coordinator
from farm.testing.ray_node import wait_for
from tests.fault.conftest import LocalFarm

MakeFarm = Callable[..., LocalFarm]


def kinds(farm: LocalFarm) -> Counter[str]:
    return Counter(record["kind"] for record in farm.directory.incidents())


def test_an_undisturbed_run_measures_every_vector(make_farm: MakeFarm) -> None:
    farm = make_farm()
    farm.run()
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm) == Counter()
    assert farm.pushed.keys() == farm.directory.committed()
    assert sum(m.rows.num_rows for m in farm.pushed.values()) == farm.directory.manifest.n_vectors


@pytest.mark.parametrize(
    ("fault", "status", "strike"),
    [
        ("hang:70", "HANG", "hang"),
        ("hang-gil:70", "HANG", "hang"),
        ("crash:70", "CRASH", "crash"),
        ("segv:70", "CRASH", "crash"),
        ("exit:70", "CRASH", "crash"),
    ],
)
def test_a_vector_that_takes_the_executor_down_is_blamed_after_two_cards(
    make_farm: MakeFarm, fault: str, status: str, strike: str
) -> None:
    farm = make_farm()
    farm.run(faults=fault)
    statuses = farm.statuses()
    assert statuses.pop(70) == status
    assert set(statuses.values()) == {"OK"}
    strikes = [r for r in farm.directory.incidents() if r["kind"] == strike]
    assert {r["index"] for r in strikes} == {70}
    assert {r["card"] for r in strikes} == {"sim:0", "sim:1"}
    assert kinds(farm)["recovered"] == 2


def test_the_only_card_gives_the_second_opinion_itself(make_farm: MakeFarm) -> None:
    farm = make_farm()
    farm.run(n_cards=1, faults="crash:3")
    assert farm.statuses()[3] == "CRASH"
    assert kinds(farm)["crash"] == 2


def test_a_vector_that_crashed_once_is_measured_by_another_card(
    make_farm: MakeFarm, tmp_path: object
) -> None:
    farm = make_farm()
    memory = f"{tmp_path}/faults"
    farm.run(faults="crash:70*1", options={"fault_dir": memory})
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm) == Counter(crash=1, recovered=1, verdict=1)


def test_one_strike_condemns_where_it_is_asked_for(make_farm: MakeFarm) -> None:
    farm = make_farm()
    farm.run(faults="crash:70", max_strikes=1)
    assert farm.statuses()[70] == "CRASH"
    assert kinds(farm)["crash"] == 1


def test_failures_of_vectors_leave_their_neighbours_alone(make_farm: MakeFarm) -> None:
    farm = make_farm()
    farm.run(faults="raise:0,raise:10..12,oom:63,raise:64")
    statuses = farm.statuses()
    failed = {i: s for i, s in statuses.items() if s != "OK"}
    assert failed == {
        0: "OP_ERROR", 10: "OP_ERROR", 11: "OP_ERROR", 12: "OP_ERROR",
        63: "OUT_OF_MEMORY", 64: "OP_ERROR",
    }  # fmt: skip
    assert kinds(farm) == Counter()


@pytest.mark.parametrize("fault", ["drop", "double"])
def test_incomplete_records_are_never_guessed(make_farm: MakeFarm, fault: str) -> None:
    farm = make_farm()
    farm.run(faults=f"{fault}:5")
    statuses = farm.statuses()
    assert statuses.pop(5) == "OP_ERROR"
    assert set(statuses.values()) == {"OK"}
    assert kinds(farm)["profiler-records"] >= 1


def test_a_dead_card_is_retired_and_the_others_carry_on(make_farm: MakeFarm) -> None:
    farm = make_farm()
    coordinator = farm.run(n_cards=2, options={"dead_cards": "1"})
    assert set(farm.statuses().values()) == {"OK"}
    assert kinds(farm)["retired"] == 1
    progress = coordinator.progress()
    assert progress["failure"] is None
    assert progress["is_complete"]


def test_without_a_healthy_card_the_run_stops_and_can_be_resumed(make_farm: MakeFarm) -> None:
    farm = make_farm()
    message, exit_code = farm.run(n_cards=1, options={"dead_cards": "0"}).progress()["failure"]
    assert exit_code == 4
    assert "no healthy card is left" in message
    assert farm.directory.committed() == set()
    farm.run(n_cards=1)
    assert set(farm.statuses().values()) == {"OK"}


def test_a_wedged_card_needs_a_cold_reset_that_only_the_probe_demands(
    make_farm: MakeFarm, tmp_path: object
) -> None:
    farm = make_farm()
    farm.run(faults="hang:70", options={"fault_dir": f"{tmp_path}/f", "wedge": "0,1"})
    statuses = farm.statuses()
    assert statuses.pop(70) == "HANG"
    assert set(statuses.values()) == {"OK"}
    failed = [r["message"] for r in farm.directory.incidents() if r["kind"] == "recovery-failed"]
    assert any(message.startswith("reopen") for message in failed)
    assert any(message.startswith("warm reset") for message in failed)


class DrainedAfterTwoCommits(Coordinator):
    def committed(self, chunk_id: str, counts: dict[str, int]) -> None:
        super().committed(chunk_id, counts)
        if self.progress()["n_chunks_committed"] == 2:
            self.drain()


class StoppedByAStrike(Coordinator):
    def strike(self, strike: Strike, facts: dict[str, object]) -> None:
        super().strike(strike, facts)
        self.drain(at_once=True)


def test_a_drained_run_goes_on_where_it_stopped(make_farm: MakeFarm) -> None:
    farm = make_farm(chunk_rows=16)
    farm.run(coordinator=DrainedAfterTwoCommits(farm.settings(2, {})))
    assert 2 <= len(farm.directory.committed()) < len(farm.directory.chunks())
    farm.run()
    assert set(farm.statuses().values()) == {"OK"}


def test_a_restarted_coordinator_is_rebuilt_from_the_directory(make_farm: MakeFarm) -> None:
    farm = make_farm()
    first = farm.run(faults="crash:70,raise:3")
    again = Coordinator(farm.settings(2, {}))
    assert again.progress()["counts"] == first.progress()["counts"]
    assert again.progress()["is_complete"]
    again.close()


def test_strikes_of_an_interrupted_run_count_in_the_next(make_farm: MakeFarm) -> None:
    farm = make_farm()
    coordinator = StoppedByAStrike(farm.settings(1, {}))
    farm.run(n_cards=1, coordinator=coordinator, faults="crash:0")
    assert farm.directory.committed() == set()
    assert kinds(farm)["crash"] == 1
    farm.run(n_cards=1, faults="crash:0")
    assert farm.statuses()[0] == "CRASH"
    assert kinds(farm)["crash"] == 2


def test_deadlines_tighten_to_the_speed_of_the_group(make_farm: MakeFarm) -> None:
    farm = make_farm(timeout_s=60.0)
    farm.run(faults="hang:150", deadline_floor_s=0.05, max_strikes=1)
    assert farm.statuses()[150] == "HANG"
    (hang,) = [r for r in farm.directory.incidents() if r["kind"] == "hang"]
    assert float(hang["message"].split()[2]) < 5.0
    assert "execute" in hang["stack"]


def test_a_chunk_that_cannot_be_done_before_the_node_goes_is_handed_back(
    make_farm: MakeFarm,
) -> None:
    farm = make_farm()
    settings = farm.settings(2, {"device_time": "0.004"}, batch_rows=4)
    coordinator = Coordinator(settings)
    leaving, staying = (
        CardRunner(slot, farm.directory, settings, coordinator, farm.pushed.__setitem__)
        for slot in settings.slots
    )
    with ThreadPoolExecutor() as pool:
        end = pool.submit(leaving.run)
        assert wait_for(lambda: coordinator.progress()["n_done"] >= 4, 30.0)
        leaving.leave(COMMIT_S)
        assert end.result(30.0) == (End.LEFT, "the node goes")
        assert coordinator.progress()["cards"]["sim:0"]["state"] == "left"
        assert coordinator.progress()["n_done"] == 0
        assert staying.run()[0] is End.FINISHED
    coordinator.close()
    assert set(farm.statuses().values()) == {"OK"}
    (notice,) = [r for r in farm.directory.incidents() if r["kind"] == "node-draining"]
    assert notice["card"] == "sim:0"
    back = [r for r in farm.directory.incidents() if r["kind"] == "handed-back"]
    assert back
    for record in back:
        meta = farm.directory.result_meta(record["chunk"])
        assert (meta.card, meta.attempt) == ("sim:1", record["attempt"] + 1)
