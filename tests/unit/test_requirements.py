"""What a run requires of a card."""

from __future__ import annotations

import pytest

from farm.errors import UsageError
from farm.requirements import parse_requirements, unmet

INFO = {"kind": "ttnn", "arch": "wormhole_b0", "firmware": "80.14", "driver": ""}


@pytest.mark.parametrize(
    "text", ["arch=wormhole_b0", "arch=wormhole*", "firmware=80.*", "kind=ttnn", "driver=*"]
)
def test_a_card_that_fits(text: str) -> None:
    assert unmet(parse_requirements([text]), INFO) is None


def test_the_first_requirement_that_is_not_met_is_named() -> None:
    requires = parse_requirements(["arch=wormhole*", "firmware=79.*"])
    assert unmet(requires, INFO) == "firmware '80.14' is not the required '79.*'"
    assert unmet(parse_requirements(["arch=Wormhole*"]), INFO) is not None
    assert unmet(parse_requirements(["driver=2.*"]), {}) == "driver '' is not the required '2.*'"


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["arch"], "write KEY=PATTERN"),
        (["arch="], "write KEY=PATTERN"),
        (["clock=1"], "KEY is one of kind, arch, firmware, driver"),
        (["arch=a", "arch=b"], "given twice"),
    ],
)
def test_requirements_that_make_no_sense(texts: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_requirements(texts)
