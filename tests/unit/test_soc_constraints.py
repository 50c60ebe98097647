"""Constraints as text: what they mean, and what is said about those that mean nothing."""

import numpy as np
import pytest

from analysis.soc.explore.constraints import Constraint
from analysis.soc.explore.evaluation import DesignColumns, Setting
from farm.errors import UsageError

DESIGNS = DesignColumns(
    {
        "n_chiplets": np.array([1.0, 2.0, 4.0]),
        "n_hbm_stacks": np.array([2.0, 8.0, 4.0]),
        "area_mm2": np.array([300.0, 400.0, 500.0]),
    },
    Setting(),
)


def held(text: str) -> list[bool]:
    return Constraint.parse(text).holds(DESIGNS, DESIGNS.n).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("area_mm2<=400", [True, True, False]),
        ("area_mm2 < 400", [True, False, False]),
        ("400>=area_mm2", [True, True, False]),
        ("area_mm2>400", [False, False, True]),
        ("area_mm2==4e2", [False, True, False]),
        ("area_mm2!=400", [True, False, True]),
        ("300 < area_mm2 <= 500", [False, True, True]),
        ("total_area_mm2 <= 800.5", [True, True, False]),
        ("n_hbm_stacks >= 2*n_chiplets", [True, True, False]),
        ("n_hbm_stacks - n_chiplets * 2 == 0", [True, False, False]),
        ("n_hbm_stacks - (n_chiplets - 1) - 1 == 1", [True, False, False]),
        ("area_mm2 / n_chiplets / 2 < 125.1", [False, True, True]),
        ("-area_mm2 < -400", [False, False, True]),
        ("area_mm2 - -100 == 400", [True, False, False]),
        ("1 / (n_chiplets - 2) > -2", [True, True, True]),
        ("1 / (n_chiplets - 2) < 2", [True, False, True]),
        ("(n_chiplets - 2) / (n_chiplets - 2) == 1", [True, False, True]),
    ],
)
def test_what_a_constraint_means(text: str, expected: list[bool]) -> None:
    assert held(text) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it ends where a number or a name is expected"),
        ("area_mm2", "there is no comparison"),
        ("area_mm2 <=", "it ends where a number or a name is expected"),
        ("<= 3", "'<=' is not expected there"),
        ("area_mm2 <= 3 4", "'4' is not expected there"),
        ("area_mm2 <= (3", "a parenthesis is not closed"),
        ("area_mm2 <= 3)", r"'\)' is not expected there"),
        ("area_mm2 = 3", "cannot read it from '= 3' on"),
        ("area_mm2 <= __import__('os')", "cannot read it from"),
        ("area_mm2[0] <= 3", "cannot read it from"),
        ("1 < 2", "it names nothing of a design"),
        ("area <= 3", "no metric or parameter 'area'; did you mean area_mm2"),
        ("power <= 3", "no metric or parameter 'power'; "),
        ("-" * 60 + "area_mm2 < 1", "nested more than 50 deep"),
        ("(" * 60 + "area_mm2 < 1", "nested more than 50 deep"),
    ],
)
def test_what_is_no_constraint(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        Constraint.parse(text)


def test_the_text_is_kept_without_spaces_and_the_names_once() -> None:
    constraint = Constraint.parse("  2 *n_chiplets<= n_hbm_stacks - n_chiplets ")
    assert constraint.text == "2*n_chiplets<=n_hbm_stacks-n_chiplets"
    assert constraint.names == ("n_chiplets", "n_hbm_stacks")


def test_a_violation_grows_with_the_distance_and_is_0_where_the_constraint_holds() -> None:
    violation = Constraint.parse("area_mm2<=300").violation(DESIGNS, 3)
    assert violation.tolist() == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    violation = Constraint.parse("area_mm2>400").violation(DESIGNS, 3)
    assert violation[0] == pytest.approx(0.25)
    assert 0 < violation[1] < 1e-6
    assert violation[2] == 0
    undefined = Constraint.parse("(n_chiplets-2)/(n_chiplets-2)>=0").violation(DESIGNS, 3)
    assert undefined.tolist() == [0.0, 10.0, 0.0]
