"""Explorations against an obvious one: every design on its own, in a loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from analysis.soc.explore import design_space
from analysis.soc.explore.constraints import Constraint
from analysis.soc.explore.design_file import open_table
from analysis.soc.explore.design_space import DeclaredSpace, require_designs
from analysis.soc.explore.evaluation import DesignColumns, Floats, Setting
from analysis.soc.explore.exploration import Design, Exploration, Question, design_at, explore
from analysis.soc.explore.metrics import METRICS, Goal
from analysis.soc.explore.recommendation import recommend
from analysis.soc.explore.search import search
from analysis.soc.models.power import PowerSemantics
from farm.errors import UsageError
from sweeps import matmul
from sweeps.axis import Axis
from sweeps.generate import select
from sweeps.limits import limited
from sweeps.soc_design import SWEEP
from sweeps.space import Sweep

SMALL = limited(
    SWEEP,
    [
        "n_sms=16,24,48",
        "n_tensor_cores=4,8",
        "clock_mhz=1800,2500",
        "fp16_ops_per_cycle=128,512,1024",
        "area_mm2=300,400",
        "l2_mb=6,8",
    ],
)
TEXTS = ("total_power_w<=500", "time_ns<=5e6", "n_hbm_stacks>=8")


def question(goals: str, *constraints: str, objective: str = "density_tflops_mm2") -> Question:
    parsed = tuple(Goal.parse(name) for name in goals.split(","))
    limits = tuple(Constraint.parse(text) for text in constraints)
    return Question(parsed, Goal.parse(objective), limits)


def every_design(sweep: Sweep, setting: Setting) -> list[Design]:
    chunks = list(DeclaredSpace(sweep).chunks())
    columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    designs = DesignColumns(columns, setting)
    return [design_at(designs, row, list(columns)) for row in range(designs.n)]


def rank(design: Design, asked: Question) -> tuple[float, ...]:
    return tuple(goal.sense * design[goal.name] for goal in asked.ranking)


def fulfils(design: Design, constraints: tuple[Constraint, ...]) -> bool:
    columns = {name: np.array([value]) for name, value in design.items()}
    has_temperature = bool(np.isfinite(design["junction_c"]))
    return has_temperature and all(bool(c.holds(columns, 1)[0]) for c in constraints)


@pytest.fixture(scope="module")
def designs() -> list[Design]:
    return every_design(SMALL, Setting())


@pytest.fixture(scope="module")
def asked() -> Question:
    return question("density_tflops_mm2,total_power_w,time_ns", *TEXTS)


@pytest.fixture(scope="module")
def found(asked: Question) -> Exploration:
    return explore(DeclaredSpace(SMALL), asked, Setting())


def test_counts(found: Exploration, designs: list[Design], asked: Question) -> None:
    assert found.n_designs == len(designs)
    columns = [{name: np.array([value]) for name, value in d.items()} for d in designs]
    broken = [[not c.holds(one, 1)[0] for c in asked.constraints] for one in columns]
    assert found.n_feasible == sum(not any(row) for row in broken) > 10
    for i in range(len(TEXTS)):
        assert found.n_failing[i] == sum(row[i] for row in broken) > 0
        assert found.n_failing_only[i] == sum(row[i] and sum(row) == 1 for row in broken) > 0


def test_the_best_design_and_what_each_constraint_costs(
    found: Exploration, designs: list[Design], asked: Question
) -> None:
    feasible = [d for d in designs if fulfils(d, asked.constraints)]
    assert found.best == max(feasible, key=lambda d: rank(d, asked))
    for i, best in enumerate(found.best_without):
        others = asked.constraints[:i] + asked.constraints[i + 1 :]
        relaxed = [d for d in designs if fulfils(d, others)]
        assert best is not None
        assert rank(best, asked) == max(rank(d, asked) for d in relaxed)


def test_the_front(found: Exploration, designs: list[Design], asked: Question) -> None:
    values = [
        (d, np.array([goal.sense * d[goal.name] for goal in asked.goals]))
        for d in designs
        if fulfils(d, asked.constraints)
    ]
    expected = [
        d
        for d, v in values
        if not any((other >= v).all() and (other > v).any() for _, other in values)
    ]
    assert found.front is not None
    axes = [axis.name for axis in SMALL.axes]
    on_front = [design_at(found.front, row, axes) for row in range(found.front.n)]
    assert len(on_front) == len(expected) > 3
    assert all(design in expected for design in on_front)
    first = found.front[asked.goals[0].name]
    assert np.all(np.diff(first) <= 0)


def test_small_parts_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch, found: Exploration, asked: Question
) -> None:
    monkeypatch.setattr(design_space, "CHUNK_DESIGNS", 37)
    monkeypatch.setattr(design_space, "PART_CANDIDATES", 50)
    source = DeclaredSpace(SMALL)
    again = explore(source, asked, Setting())
    assert again.n_designs == found.n_designs
    assert again.n_failing == found.n_failing
    assert again.best == found.best
    assert again.front is not None
    assert found.front is not None
    assert again.front.n == found.front.n
    whole = DeclaredSpace(SMALL)
    n_kept = sum(len(chunk["n_sms"]) for chunk in whole.chunks())
    assert source.dropped == whole.dropped
    assert n_kept + sum(whole.dropped.values()) == whole.n_candidates


def test_the_space_is_that_of_the_sweep() -> None:
    selection = select(SMALL, next(SMALL.suites()))
    chunks = list(DeclaredSpace(SMALL).chunks())
    assert sum(len(chunk["n_sms"]) for chunk in chunks) == len(selection.kept)
    for name, column in chunks[0].items():
        assert set(column) <= set(SMALL.axis(name).values)


def test_no_design_is_feasible() -> None:
    none = explore(DeclaredSpace(SMALL), question("peak_tflops", "total_power_w<=1"), Setting())
    assert none.n_feasible == 0
    assert none.best is None
    assert none.front is None
    assert none.best_without[0] is not None


class OneDesign:
    """A source of one design that no cooling holds, and of chunks without any."""

    sweep, label, n_candidates, workload = SWEEP, "one", 1, None

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()

    def chunks(self) -> Iterator[dict[str, Floats]]:
        empty = np.empty(0)
        hot = {"n_sms": 100.0, "n_tensor_cores": 16.0, "clock_mhz": 3000.0}
        yield dict.fromkeys(hot, empty)
        yield {name: np.array([value]) for name, value in hot.items()}


def test_a_design_without_a_temperature_is_not_feasible() -> None:
    asked = question("peak_tflops,total_power_w")
    assert explore(OneDesign(), asked, Setting()).n_feasible == 0
    limited_ = asked.with_limits(Setting())
    assert [c.text for c in limited_.constraints] == ["junction_c<=105", "clock_mhz<=3200"]
    assert explore(OneDesign(), limited_, Setting()).n_failing == (1, 0)
    reference = Setting(semantics=PowerSemantics.REFERENCE)
    assert asked.with_limits(reference) == asked
    assert explore(OneDesign(), asked, reference).n_feasible == 1


def test_equals_in_every_goal_are_all_on_the_front_and_the_first_is_best() -> None:
    sweep = limited(SMALL, ["l2_mb=6", "n_chiplets=2", "n_hbm_stacks=4", "area_mm2=400"])
    reference = Setting(semantics=PowerSemantics.REFERENCE)
    found = explore(DeclaredSpace(sweep), question("total_area_mm2"), reference)
    assert found.front is not None
    assert found.front.n == found.n_designs


def test_the_sample_is_spread_over_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.soc.explore.exploration.SAMPLE_DESIGNS", 100)
    monkeypatch.setattr(design_space, "CHUNK_DESIGNS", 61)
    asked = question("density_tflops_mm2,total_power_w", *TEXTS)
    found = explore(DeclaredSpace(SMALL), asked, Setting())
    designs = every_design(SMALL, Setting())
    stride = int(np.ceil(len(designs) / len(found.sample.values)))
    expected = [[d["density_tflops_mm2"], d["total_power_w"]] for d in designs[::stride]]
    assert 100 <= len(found.sample.values) < 200
    assert np.array_equal(found.sample.values, expected, equal_nan=True)
    feasible = [fulfils(d, asked.constraints) for d in designs[::stride]]
    assert found.sample.is_feasible.tolist() == feasible


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_feasible_designs_are_written(tmp_path: Path, suffix: str, asked: Question) -> None:
    path, axes = tmp_path / f"designs{suffix}", [axis.name for axis in SMALL.axes]
    with open_table(path, axes) as table:
        found = explore(
            DeclaredSpace(SMALL),
            asked,
            Setting(),
            lambda designs, feasible: table.write(designs.taken(feasible)),
        )
    written = pyarrow.csv.read_csv(path) if suffix == ".csv" else pq.read_table(path)
    assert written.column_names == [*axes, *METRICS]
    assert written.num_rows == found.n_feasible
    rows = [d for d in every_design(SMALL, Setting()) if fulfils(d, asked.constraints)]
    assert written.to_pylist() == rows


def test_a_table_that_is_not_finished_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_table(tmp_path / "d.csv", ["n_sms"]):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"), open_table(tmp_path / "d.txt", []):
        pass
    missing = tmp_path / "no" / "d.csv"
    with pytest.raises(UsageError, match="there is no folder"), open_table(missing, []):
        pass


def test_sweeps_of_something_else_are_refused() -> None:
    with pytest.raises(UsageError, match="is of 'matmul', not of designs"):
        require_designs(matmul.SWEEP)
    wrong = Sweep("s", "soc_design", (Axis.ints("n", [1]),), "n", ())
    with pytest.raises(UsageError, match="axis 'n' is no number of a chip"):
        require_designs(wrong)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("density", "did you mean density_tflops_mm2"),
        ("clock_mhz", "say which way is better, max:clock_mhz or min:clock_mhz"),
        ("most:clock_mhz", "write clock_mhz, max:clock_mhz or min:clock_mhz"),
    ],
)
def test_goals_that_say_nothing(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        Goal.parse(text)


def test_a_goal_is_given_once() -> None:
    with pytest.raises(UsageError, match="each once"):
        question("time_ns,min:time_ns")


def words(*texts: str, sweep: Sweep = SMALL) -> str:
    asked = question("density_tflops_mm2,total_power_w", *texts).with_limits(Setting())
    found = explore(DeclaredSpace(sweep), asked, Setting())
    assert found.best is not None
    return "\n".join(recommend(found.best, found.best_without, sweep, asked, Setting()).words())


def test_a_recommendation_says_what_binds_and_what_to_change(found: Exploration) -> None:
    text = words("total_power_w<=500", "n_hbm_stacks>=4")
    assert "total_power_w<=500 binds: without it density_tflops_mm2 would reach" in text
    assert "n_hbm_stacks>=4" in text.split("cost nothing")[0]
    assert "but breaks total_power_w<=500" in text
    assert "Target 2 TFLOPS/mm²" in text
    assert "Target 500 W: met" in text


def test_a_recommendation_says_where_the_space_ends() -> None:
    one = limited(SMALL, [f"{axis.name}={axis.values[0]}" for axis in SMALL.axes])
    text = words(sweep=one)
    assert "No constraint binds alone: the limits of the space do." in text
    assert "n_sms 16 -> 18 makes density_tflops_mm2 12.5% better and breaks nothing, but" in text
    assert "widen it with --limit n_sms:=..." in text


def test_the_ways_to_the_target_lead_there() -> None:
    asked = question("density_tflops_mm2,total_power_w", "total_power_w<=500")
    found = explore(DeclaredSpace(SMALL), asked, Setting())
    assert found.best is not None
    advice = recommend(found.best, found.best_without, SMALL, asked, Setting())
    density = advice.targets[0]
    assert not density.is_met
    assert {way.parameter for way in density.ways} == {
        "n_sms", "n_tensor_cores", "clock_mhz", "fp16_ops_per_cycle", "area_mm2",
    }  # fmt: skip
    for way in density.ways:
        params = {axis.name: found.best[axis.name] for axis in SMALL.axes}
        near = {"area_mm2": 1.0}.get(way.parameter, -1.0)
        reached, almost = (
            DesignColumns(
                {k: np.array([v]) for k, v in (params | {way.parameter: value}).items()}, Setting()
            )["density_tflops_mm2"][0]
            for value in (way.value, way.value + near)
        )
        assert almost < density.target <= reached + 1e-9


def test_a_space_of_ones_own_varies_what_it_likes() -> None:
    sweep = Sweep(
        name="clocks",
        op="soc_design",
        axes=(
            Axis.floats("clock_mhz", [1500.5, 2000.0, 2500.0]),
            Axis.ints("fp8_ops_per_cycle", [64]),
        ),
        size="fp8_ops_per_cycle",
        group_by=(),
    )
    asked = question("peak_tflops,total_power_w", objective="peak_tflops").with_limits(Setting())
    found = explore(DeclaredSpace(sweep), asked, Setting())
    assert found.best is not None
    assert (found.best["clock_mhz"], found.best["n_sms"]) == (2500.0, 16)
    said = recommend(found.best, found.best_without, sweep, asked, Setting()).words()
    assert "16 SMs" in said[0]
    assert any("clock_mhz 2,500 -> 3,000 makes peak_tflops 20.0% better" in text for text in said)
    best = search(sweep, asked, Setting(), 8, 0).best
    assert best == found.best
