"""A farm without Ray: the real coordinator, runners and executor processes in one test process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from farm.catalog import load_sweep
from farm.coordinator import Coordinator
from farm.devices.device import CardSlot
from farm.devices.sim_model import true_durations_of_table_ns
from farm.devices.sim_noise import measured_ns
from farm.generation import Plan, open_or_generate, overridden
from farm.runner import CardRunner
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from farm.store.measured import Measured
from sweeps.limits import limited

LIMITS = ("input_grid=1x1", "output_grid=1x2", "shape=1x1x32x32..1x1x320x512")
NOISE = 0.007


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
        found: dict[int, str] = {}
        assert self.directory.committed() == {c.chunk_id for c in self.directory.chunks()}
        for chunk in self.directory.chunks():
            vectors = self.directory.vectors(chunk.chunk_id)
            outcomes = self.directory.outcomes(chunk.chunk_id)
            assert outcomes["vector_id"].to_pylist() == vectors["vector_id"].to_pylist()
            self._check_truth(vectors, outcomes)
            for row, status in enumerate(outcomes["status"].to_pylist()):
                assert chunk.first_index + row not in found
                found[chunk.first_index + row] = status
        assert sorted(found) == list(range(self.directory.manifest.n_vectors))
        return found

    def _check_truth(self, vectors: object, outcomes: object) -> None:
        """Every OK vector has exactly its own launches, known to the simulator alone."""
        manifest = self.directory.manifest
        is_ok = np.array([s == "OK" for s in outcomes["status"].to_pylist()])  # type: ignore[index]
        kept = vectors.filter(is_ok)  # type: ignore[attr-defined]
        truth = true_durations_of_table_ns(manifest.op, kept)
        ids = kept["vector_id"].to_pylist()
        expected = expected_launches(truth, ids, manifest.repeats)
        durations = outcomes["durations_ns"].filter(is_ok).to_pylist()  # type: ignore[index]
        assert durations == expected


def expected_launches(truth: np.ndarray, ids: list[bytes], repeats: int) -> list[list[float]]:
    """What the simulated card with seed 0 measures for each vector."""
    n = len(ids)
    number = np.tile(np.arange(repeats, dtype=np.int32), n)
    flat = measured_ns(
        np.repeat(truth, repeats), [i for i in ids for _ in range(repeats)], number, 0, NOISE
    )
    return [list(row) for row in flat.reshape(n, repeats)]


@pytest.fixture
def make_farm(tmp_path: Path) -> Callable[..., LocalFarm]:
    def make(timeout_s: float = 1.0, chunk_rows: int = 64) -> LocalFarm:
        sweep = limited(load_sweep("reshard"), list(LIMITS))
        sweep = overridden(sweep, 3, timeout_s, chunk_rows)
        directory = open_or_generate(tmp_path / "sweep", Plan(sweep, "reshard", LIMITS))
        return LocalFarm(tmp_path / "sweep", directory, timeout_s)

    return make
