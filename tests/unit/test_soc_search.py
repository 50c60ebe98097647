"""Search against exhaustive exploration of the same space."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from analysis.soc.explore.constraints import Constraint
from analysis.soc.explore.design_space import DeclaredSpace
from analysis.soc.explore.evaluation import Setting
from analysis.soc.explore.exploration import Question, explore
from analysis.soc.explore.metrics import Goal
from analysis.soc.explore.search import search
from farm.errors import UsageError
from sweeps.limits import limited
from sweeps.soc_design import SWEEP

GOALS = (Goal.parse("density_tflops_mm2"), Goal.parse("total_power_w"))


def question(*texts: str, objective: str = "density_tflops_mm2") -> Question:
    constraints = tuple(Constraint.parse(text) for text in texts)
    return Question(GOALS, Goal.parse(objective), constraints).with_limits(Setting())


@pytest.mark.parametrize(
    "asked",
    [
        question("total_power_w<=500"),
        question("total_power_w<=500", "time_ns<=2e6"),  # one design in a thousand
        question("n_chiplets>=4", "density_tflops_mm2>=0.5", objective="total_power_w"),
        question("total_power_w<=600", objective="time_ns"),
    ],
)
def test_a_search_finds_the_best_of_all(asked: Question) -> None:
    best = explore(DeclaredSpace(SWEEP), asked, Setting()).best
    found = search(SWEEP, asked, Setting(), n_trials=64, seed=3)
    assert found.best == best
    assert found.n_proposed + found.n_climbed < found.n_candidates / 4


def test_equal_seeds_find_and_look_at_the_same() -> None:
    sweep, asked = limited(SWEEP, ["clock_mhz:=1600..2400"]), question("total_power_w<=450")
    first, again, other = (search(sweep, asked, Setting(), 40, seed) for seed in (5, 5, 6))
    assert first.best == again.best
    assert (first.n_feasible, first.n_climbed) == (again.n_feasible, again.n_climbed)
    assert (first.n_feasible, first.n_climbed) != (other.n_feasible, other.n_climbed)


def test_what_cannot_be_fulfilled_is_not_found() -> None:
    found = search(SWEEP, question("total_power_w<=50"), Setting(), 16, 0)
    assert found.best is None
    assert found.n_feasible == 0


def test_a_space_of_one_design() -> None:
    one = limited(SWEEP, [f"{axis.name}={axis.values[0]}" for axis in SWEEP.axes])
    found = search(one, question(), Setting(), 8, 0)
    assert found.best is not None
    assert found.best["n_sms"] == one.axis("n_sms").values[0]


def test_without_optuna_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install 'sweepfarm\[explore\]'"):
        search(SWEEP, question(), Setting(), 8, 0)


def test_a_large_space_is_searched_without_enumerating_it() -> None:
    wide = limited(SWEEP, ["clock_mhz:=1000..3000", "area_mm2:=200..800", "n_sms:=1..128"])
    found = search(wide, question("total_power_w<=500"), Setting(), 64, 0)
    assert found.n_candidates > 10**9
    assert found.best is not None
    assert found.best["total_power_w"] <= 500
    narrow = search(SWEEP, question("total_power_w<=500"), Setting(), 64, 0)
    assert narrow.best is not None
    assert found.best["density_tflops_mm2"] > narrow.best["density_tflops_mm2"]
    assert np.isfinite(found.best["junction_c"])
