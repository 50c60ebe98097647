"""``farm soc ...`` as a user runs it; what each command prints is in tests/unit."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import Farm


def test_a_chip_of_ones_own_is_drawn(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: realistic\nchiplet: {sm: {clock_mhz: 1800}}\n")
    result = farm("soc", "roofline", "-c", "mine.yaml", "-p", "FP16,FP8", "--plot", "mine.png")
    assert result.returncode == 0, result.stderr
    assert "mine: ceilings" in result.stdout
    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")


def test_bad_input(farm: Farm) -> None:
    result = farm("soc", "power", "-s", "clock_mhz=2")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: SMConfig.clock_mhz = 2 MHz is not plausible")


def test_json_is_all_that_is_printed(farm: Farm) -> None:
    result = farm("soc", "compare", "--chip", "realistic", "--chip", "h100", "--json")
    assert result.returncode == 0, result.stderr
    assert [chip["name"] for chip in json.loads(result.stdout)["chips"]] == [
        "realistic",
        "h100-sxm",
    ]


def test_the_library_loads_nothing_before_it_is_asked_for() -> None:
    code = "import sys, analysis.soc; sys.exit('scipy' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
