"""The recovery ladder's refusals: cards in use, resets that hang or fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa
import pytest

from farm.card.executor import Executor
from farm.card.recovery import Ladder, Rung
from farm.devices.device import Process, ResetLevel
from farm.errors import CardError
from sweeps.vector import Vector


class Control:
    """A card whose resets are recorded, refused or hang."""

    def __init__(self, users: Sequence[Process] = (), hangs: bool = False) -> None:
        self.resets: list[ResetLevel] = []
        self._users, self._hangs = list(users), hangs

    def reset(self, level: ResetLevel) -> None:
        self.resets.append(level)
        if self._hangs:
            threading.Event().wait(30)

    def in_use_by_others(self) -> list[Process]:
        return self._users

    def probe_vectors(self) -> list[Vector]:
        return []

    def probe_is_healthy(self, profile: pa.Table) -> bool:
        return bool(profile.num_rows)


def no_executor() -> Executor:
    raise CardError("it does not open")


def climb(control: Control, reset_timeout_s: float = 5.0, resets_shared: bool = False) -> list[str]:
    said: list[str] = []
    rungs = (Rung(None, 1), Rung(ResetLevel.WARM, 1), Rung(ResetLevel.COLD, 2))
    ladder = Ladder(control, no_executor, reset_timeout_s, resets_shared, rungs)
    with pytest.raises(CardError, match="no rung of the recovery ladder helped"):
        ladder.climb(lambda rung, message: said.append(f"{rung}: {message}"))
    return said


def test_rungs_are_climbed_in_order_and_bounded() -> None:
    control = Control()
    said = climb(control)
    assert [text.partition(":")[0] for text in said] == [
        "reopen", "warm reset", "cold reset", "cold reset",
    ]  # fmt: skip
    assert control.resets == [ResetLevel.WARM, ResetLevel.COLD, ResetLevel.COLD]


def test_a_card_that_others_use_is_not_reset() -> None:
    control = Control([Process(4711, "somebody's training")])
    said = climb(control)
    assert control.resets == []
    assert "4711 (somebody's training)" in said[1]
    assert "--reset-shared" in said[1]


def test_a_card_that_others_use_is_reset_when_told() -> None:
    control = Control([Process(4711, "somebody's training")])
    climb(control, resets_shared=True)
    assert control.resets == [ResetLevel.WARM, ResetLevel.COLD, ResetLevel.COLD]


def test_a_reset_that_hangs_is_left_behind() -> None:
    said = climb(Control(hangs=True), reset_timeout_s=0.05)
    assert "did not end within 0.05 s" in said[1]
