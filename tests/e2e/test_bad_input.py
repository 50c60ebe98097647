"""Bad input gets one clear error that says what, where and what to do; nothing is lost."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import FARM, Farm

SMALL = ("generate", "matmul", "-l", "M=64", "-l", "K=64", "--out", "sweep")


def refused(result: subprocess.CompletedProcess[str], *expected: str, code: int = 2) -> str:
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    for text in expected:
        assert text in result.stderr
    return result.stderr


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.lock"
    }


def test_unknown_sweep(farm: Farm) -> None:
    refused(farm("run", "matmull"), "unknown sweep 'matmull'", "reshard, matmul, eltwise, memcpy")


def test_missing_sweep_file(farm: Farm) -> None:
    refused(farm("run", "./nothing.py"), "nothing.py", "no such file")


def test_a_sweep_file_that_fails(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nonsense_that_is_not_there\n")
    refused(farm("run", "broken.py"), "cannot be imported", "nonsense_that_is_not_there")


def test_unknown_device(farm: Farm) -> None:
    refused(farm("run", "matmul", "--device", "npu"), "unknown device 'npu'", "cpu, model, sim")


@pytest.mark.parametrize("text", ["sim:0", "sim:x", "sim:-1", "sim:"])
def test_bad_number_of_cards(farm: Farm, text: str) -> None:
    if text == "sim:":
        pytest.skip("an empty amount means the default")
    refused(farm("run", "matmul", "--device", text), "sim:4")


def test_unknown_device_option(farm: Farm) -> None:
    refused(farm("run", "matmul", "--device", "sim", "-o", "hng=3"), "no option 'hng'", "faults")


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("Q=3", "no axis 'Q'"),
        ("M=65", "matches none of its values"),
        ("M", "AXIS=VALUES"),
        ("M=64,,128", "empty value"),
        ("M:=0x", "not of kind int"),
        ("M:=9..1", "is empty"),
    ],
)
def test_bad_axis_limits(farm: Farm, limit: str, message: str) -> None:
    refused(farm("run", "matmul", "-l", limit), message)


def test_unknown_flag_and_command(farm: Farm) -> None:
    assert farm("run", "matmul", "--nonsense").returncode == 2
    assert farm("nonsense").returncode == 2


def test_no_valid_vector(farm: Farm) -> None:
    refused(
        farm("generate", "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x1", "--out", "s"),
        "no candidate is valid",
        "input and output grid are equal",
    )


def test_no_cluster_where_one_is_said_to_be(farm: Farm, tmp_path: Path) -> None:
    place = tmp_path / "sweep"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = ("run", "reshard", "--device", "sim", "--address", f"127.0.0.1:{port}")
    refused(
        farm(*command, "--out", str(place)), "no cluster answers at", "farm node --head", code=2
    )
    # Nothing was generated for it.
    assert not place.exists()


def test_a_directory_of_another_sweep(farm: Farm, tmp_path: Path) -> None:
    assert farm(*SMALL).returncode == 0
    before = digest(tmp_path)
    message = refused(
        farm("run", "matmul", "-l", "M=96", "-l", "K=64", "--out", "sweep"),
        "holds another sweep",
        "axis M",
        "--force-clean",
    )
    assert "axis M: 64 there, 96 here" in message
    assert digest(tmp_path) == before


def test_a_directory_of_something_else(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear to me")
    refused(farm("run", "matmul", "--out", "mine"), "not empty and no sweep directory")
    refused(farm("run", "matmul", "--out", "mine", "--force-clean", "-y"), "nothing was deleted")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear to me"


def test_a_file_in_place_of_the_directory(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(farm("run", "matmul", "--out", "file"), "file")


def test_force_clean_asks_and_starts_over(farm: Farm, tmp_path: Path) -> None:
    assert farm(*SMALL).returncode == 0
    before = digest(tmp_path)
    asked = subprocess.run(
        [FARM, *SMALL, "--force-clean"], cwd=tmp_path, input="n\n", text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    assert asked.returncode == 130
    assert digest(tmp_path) == before
    assert farm(*SMALL, "--force-clean", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "sweep.json is damaged"),
        (lambda text: text.replace('"repeats": 7', '"repeats": 8'), "checksum does not match"),
        (lambda text: text.replace('"format": 1', '"format": 9'), "this version reads 1"),
        (lambda text: "[]", "not a JSON object"),
    ],
)
def test_a_broken_manifest(farm: Farm, tmp_path: Path, damage: object, message: str) -> None:
    assert farm(*SMALL).returncode == 0
    manifest = tmp_path / "sweep" / "sweep.json"
    manifest.write_text(damage(manifest.read_text()))  # type: ignore[operator]
    before = digest(tmp_path)
    for command in ("status", "check", "fit", "report"):
        refused(farm(command, "sweep"), message, code=3)
    refused(farm("run", "sweep"), message, code=3)
    assert digest(tmp_path) == before


def test_a_shard_with_a_wrong_checksum(farm: Farm, tmp_path: Path) -> None:
    assert farm(*SMALL).returncode == 0
    shard = tmp_path / "sweep" / "vectors" / "00000.parquet"
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    before = digest(tmp_path)
    result = farm("check", "sweep", "--json")
    assert result.returncode == 3
    verdict = json.loads(result.stdout)
    assert not verdict["is_sound"]
    assert {f["path"] for f in verdict["findings"]} == {"vectors/00000.parquet"}
    assert digest(tmp_path) == before


@pytest.mark.ray
def test_a_truncated_shard_stops_the_run(farm: Farm, tmp_path: Path) -> None:
    assert farm(*SMALL).returncode == 0
    shard = tmp_path / "sweep" / "vectors" / "00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-200])
    refused(farm("run", "sweep", "--device", "sim"), "00000.parquet is damaged", code=3)


def test_a_directory_that_is_no_sweep(farm: Farm, tmp_path: Path) -> None:
    for command in ("status", "check", "fit", "report"):
        refused(farm(command, "nowhere"), "nowhere")
        refused(farm(command, "."), "no sweep.json")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root")
def test_no_write_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    command = [FARM, "generate", "matmul", "--out", str(locked / "sweep")]
    if os.geteuid() == 0:
        # Root may write anywhere; run without that capability.
        command = ["/usr/bin/setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override",
                   *command]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    refused(result, "no permission", str(locked))


def test_a_full_disk(farm: Farm, tmp_path: Path) -> None:
    """The shard does not fit on a file system of a few pages; afterwards, with room, it does."""
    script = (
        f"mount -t tmpfs -o size=16k tmpfs {tmp_path} && {FARM} generate reshard -l input_grid=1x1 "
        f"--out {tmp_path}/sweep; code=$?; cd {tmp_path}/sweep; ls -A vectors tmp; exit $code"
    )
    result = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in result.stderr or "mount:" in result.stderr:
        pytest.skip("no user namespaces on this host")
    refused(result, "the disk is full", "run the same command again")
    assert "parquet" not in result.stdout


def test_another_run_at_work(farm: Farm, tmp_path: Path) -> None:
    assert farm(*SMALL).returncode == 0
    code = (
        "import sys, time; from pathlib import Path; from farm.store.directory import run_lock\n"
        "with run_lock(Path('sweep')): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        refused(farm("run", "sweep"), "another run", f"pid {holder.pid}")
        holder.kill()
