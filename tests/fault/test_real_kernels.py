"""The cpu device with kernels that really spin for ever, really abort, and really fail."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from farm.card.runner import CardRunner
from farm.catalog import load_sweep
from farm.coordinator import Coordinator
from farm.devices import registry
from farm.generation import Plan, open_or_generate
from farm.settings import RunSettings

SWEEP = """
import os
import subprocess
import numpy as np
from sweeps.axis import Axis
from sweeps.space import Feature, Sweep


def kernel(params):
    n = params["n"]
    values = np.ones(1000 * n)

    def launch():
        if n == 5:
            subprocess.Popen(["sleep", "1000"])  # a child that must not outlive its parent
            while True:
                pass
        if n == 9:
            os.abort()
        if n == 11:
            raise ValueError("eleven is too much")
        values.sum()

    return launch


SWEEP = Sweep(
    name="treacherous", op="treacherous", axes=(Axis.ints("n", range(1, 17)),),
    features=(Feature("bytes_moved", lambda c: 8000 * c["n"]),), group_by=(), size="bytes_moved",
    repeats=3, timeout_s=1.0, chunk_rows=8, kernel=kernel,
)
"""


@pytest.mark.xdist_group("cpu")
def test_real_hangs_and_aborts_are_pinned_on_their_vectors(tmp_path: Path) -> None:
    source = tmp_path / "treacherous.py"
    source.write_text(SWEEP)
    plan = Plan(load_sweep(str(source)), str(source))
    directory = open_or_generate(tmp_path / "sweep", plan)
    slots = tuple(registry.cards("cpu", {}))
    settings = RunSettings(str(directory.path), "run", slots)
    coordinator = Coordinator(settings)
    runner = CardRunner(slots[0], directory, settings, coordinator, lambda _chunk, _data: None)
    thread = threading.Thread(target=runner.run)
    thread.start()
    thread.join(90)
    coordinator.close()
    assert not thread.is_alive()

    statuses = {}
    for chunk in directory.chunks():
        outcomes = directory.outcomes(chunk.chunk_id).to_pylist()
        for n, outcome in zip(
            directory.vectors(chunk.chunk_id)["n"].to_pylist(), outcomes, strict=True
        ):
            statuses[n] = outcome["status"]
            assert (outcome["mean_ns"] is not None) == (outcome["status"] == "OK")
            if n == 11:
                assert outcome["reason"] == "ValueError: eleven is too much"
    bad = {n: status for n, status in statuses.items() if status != "OK"}
    assert bad == {5: "HANG", 9: "CRASH", 11: "OP_ERROR"}
    assert len(statuses) == 16
    records = directory.incidents()
    kinds = Counter(record["kind"] for record in records)
    assert (kinds["hang"], kinds["crash"]) == (2, 2)
    assert any("launch" in record.get("stack", "") for record in records)
    sleepers = [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "1000"]
    ]
    assert sleepers == []
