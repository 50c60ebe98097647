"""A farm without Ray: the real coordinator, runners and executor processes in one test process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from farm.card.runner import CardRunner
from farm.catalog import load_sweep
from farm.coordinator import Coordinator
from farm.devices.device import CardSlot
from farm.generation import Plan, open_or_generate, overridden
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from farm.store.measured import Measured
from farm.testing.truth import audit
from sweeps.limits import limited

LIMITS = ("input_grid=1x1", "output_grid=1x2", "shape=1x1x32x32..1x1x320x512")


@dataclass
class LocalFarm:
    """One sweep directory and the means to run it."""

    path: Path
    directory: SweepDirectory
    timeout_s: float
    pushed: dict[str, Measured] = field(default_factory=dict)

    def settings(self, n_cards: int, options: Mapping[str, str], **more: object) -> RunSettings:
        slots = tuple(CardSlot("sim", i, dict(options)) for i in range(n_cards))
        return RunSettings(str(self.path), "run", slots, **more)  # type: ignore[arg-type]

    def run(
        self,
        n_cards: int = 2,
        coordinator: Coordinator | None = None,
        join_s: float = 60.0,
        faults: str = "",
        options: Mapping[str, str] | None = None,
        **more: object,
    ) -> Coordinator:
        known = dict(options or {}) | ({"faults": faults} if faults else {})
        settings = self.settings(n_cards, known, **more)
        coordinator = coordinator or Coordinator(settings)
        threads = [
            threading.Thread(
                target=CardRunner(
                    slot, self.directory, settings, coordinator, self.pushed.__setitem__
                ).run
            )
            for slot in settings.slots
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(join_s)
        assert not any(thread.is_alive() for thread in threads)
        coordinator.close()
        return coordinator

    def statuses(self) -> dict[int, str]:
        """Status of every vector by index; fails if one is missing, doubled or wrong."""
        found = audit(self.directory)
        assert (found.missing, found.doubled, found.wrong) == ([], [], [])
        return found.statuses


@pytest.fixture
def make_farm(tmp_path: Path) -> Callable[..., LocalFarm]:
    def make(timeout_s: float = 1.0, chunk_rows: int = 64) -> LocalFarm:
        sweep = limited(load_sweep("reshard"), list(LIMITS))
        sweep = overridden(sweep, 3, timeout_s, chunk_rows)
        directory = open_or_generate(tmp_path / "sweep", Plan(sweep, "reshard", LIMITS))
        return LocalFarm(tmp_path / "sweep", directory, timeout_s)

    return make
