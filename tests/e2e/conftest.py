"""The ``farm`` command as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FARM = str(Path(sys.executable).with_name("farm"))
Farm = Callable[..., "subprocess.CompletedProcess[str]"]


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """Start a farm command without waiting for it."""
    return subprocess.Popen(
        [FARM, *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    """Run a farm command in the test's folder and return what it printed."""

    def run(*arguments: object, timeout_s: float = 150.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FARM, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "COLUMNS": "160"},
        )

    return run
