"""Profiles, recorded data, and the check that no test leaves anything behind."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.bucket_server import Server, bucket_server

# Run or loaded by tests.  A conftest.py of their own would put these folders into `sys.path`.
collect_ignore = ["standins", "tt_metal_tree"]

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

_REPOSITORY = Path(__file__).resolve().parent.parent
_LONGEST_EXIT_S = 5.0


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of recorded data that is not part of the project; tests skip without it."""
    named = os.environ.get("SWEEPFARM_DATA")
    folder = Path(named) if named else _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recorded data is not here; name its folder in SWEEPFARM_DATA")
    return folder


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a child process or a temporary file of the store behind."""
    # What an older child starts meanwhile (workers of a cluster that a wider fixture holds) is its
    # own business, so only children that are new, and theirs, count.
    me = psutil.Process()
    before = {child.pid for child in me.children()}
    yield
    left = _lasting(_new_families(me, before))
    for child in left:
        child.kill()
    problems = [f"process {child.pid}: {_command(child)}" for child in left]
    folder = request.node.funcargs.get("tmp_path")
    if folder is not None:
        problems += [f"file {path}" for path in Path(folder).rglob("*.tmp")]
    if problems:
        pytest.fail("the test left behind: " + "; ".join(problems))


def _new_families(me: psutil.Process, before: set[int]) -> list[psutil.Process]:
    families: list[psutil.Process] = []
    for child in me.children():
        if child.pid not in before:
            families += [child]
            with contextlib.suppress(psutil.Error):
                families += child.children(recursive=True)
    return families


def _command(child: psutil.Process) -> str:
    try:
        return " ".join(child.cmdline()[:6])
    except psutil.Error:
        return "already gone"


def _lasting(children: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are still alive after a grace period; multiprocessing's own tracker may stay."""
    end = time.monotonic() + _LONGEST_EXIT_S
    while True:
        children = [c for c in children if _is_alive(c) and "resource_tracker" not in _command(c)]
        if not children or time.monotonic() > end:
            return children
        psutil.wait_procs(children, timeout=0.1)


def _is_alive(child: psutil.Process) -> bool:
    try:
        return bool(child.is_running() and child.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A real S3 service on loopback, shared by the tests of a module."""
    with bucket_server() as server:
        yield server
