"""What a real run tells Prometheus and its logs."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.metrics import CATALOGUE, INCIDENTS, VECTORS_DONE
from farm.store.directory import SweepDirectory
from farm.store.live import Snapshot, read_live
from tests.e2e.conftest import Farm, start

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RUN = (
    "run", "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2,2x2",
    "-l", "shape=1x1x32x32..1x1x320x512", "--chunk", "16", "--out", "sweep", "--timeout", "1",
    "--device", "sim:2", "-o", "device_time=0.06", "-o", "faults=hang:5",
)  # fmt: skip

Sample = tuple[str, dict[str, str], float]


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def scraped(port: int) -> list[Sample]:
    """Samples of ours, as Prometheus reads them."""
    parser = pytest.importorskip("prometheus_client.parser")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if "sweepfarm" in sample.name
    ]


def scrapes(port: int, longest_s: float = 90.0) -> Iterator[list[Sample]]:
    end = time.monotonic() + longest_s
    while time.monotonic() < end:
        time.sleep(1.0)
        try:
            yield scraped(port)
        except OSError:  # the endpoint is not up yet
            continue
    pytest.fail("the metrics did not come")


def total(samples: list[Sample], name: str) -> float:
    return sum(value for sample, _, value in samples if sample == name)


def lines_of(paths: set[Path]) -> list[str]:
    return [line for path in paths for line in path.read_text().splitlines()]


def test_metrics_and_logs_of_a_run(farm: Farm, tmp_path: Path, port: int) -> None:
    pytest.importorskip("aiohttp", reason="needs sweepfarm[metrics]")
    with start(*RUN, "--metrics-port", port, "--log-level", "info", cwd=tmp_path) as run:
        for samples in scrapes(port):
            assert run.poll() is None, run.communicate()[0]
            if total(samples, INCIDENTS.exported_name) and total(samples, "ray_sweepfarm_vectors"):
                break
        directory = SweepDirectory.open(tmp_path / "sweep")
        seen = read_live(directory.files)
        stopped = farm("stop", "sweep", "--now", "--wait")
        output, _ = run.communicate(timeout=60)
    assert stopped.returncode == 0, stopped.stderr + output
    assert run.returncode == 130, output
    assert seen is not None
    _require_metrics(samples, seen, port)
    _require_logs(tmp_path / "sweep", seen)


def _require_metrics(samples: list[Sample], seen: Snapshot, port: int) -> None:
    assert {name for name, _, _ in samples} == {metric.exported_name for metric in CATALOGUE}
    for metric in CATALOGUE:
        for name, labels, _ in samples:
            if name == metric.exported_name:
                assert set(metric.labels) <= labels.keys()
                assert (labels["run"], labels["sweep"]) == (seen.run_id, "reshard")
                assert "chunk" not in labels
    assert total(samples, "ray_sweepfarm_vectors") == seen.n_vectors
    assert 0 < total(samples, VECTORS_DONE.exported_name) <= seen.n_vectors
    hangs = [labels for name, labels, _ in samples if name == INCIDENTS.exported_name]
    assert "hang" in {labels["kind"] for labels in hangs}
    assert seen.metrics == [f"127.0.0.1:{port}"]


def _require_logs(sweep: Path, seen: Snapshot) -> None:
    logs = {Path(str(facts["log"])) for facts in seen.cards.values()}
    assert len(logs) == 2
    lines = lines_of(logs)
    about = re.escape(f"[run={seen.run_id} ") + r"card=sim:\d chunk=\d{5}-\d{5} attempt=\d+\]"
    for module, said in (("runner", "leased, 16 vectors"), ("measuring", "HANG of vector 5")):
        wanted = re.compile(rf"farm\.card\.{module} {about} {said}")
        assert any(wanted.search(line) for line in lines), (said, lines[:5])
    executors = lines_of({log.with_suffix(".executor.log") for log in logs})
    assert any("opened: " in line and "card=sim:" in line for line in executors)
    driver = (sweep / "driver.log").read_text().splitlines()
    assert not [line for line in driver if " DEBUG " in line]
