"""Poison vectors are known, exported, cleared; damaged files are set aside and measured anew."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from farm import quarantine
from farm.errors import UsageError
from farm.repair import repair
from farm.store.check import verify
from tests.e2e.conftest import FARM
from tests.fault.conftest import LocalFarm

MakeFarm = Callable[..., LocalFarm]


def test_a_condemned_vector_is_listed_exported_and_cleared(
    make_farm: MakeFarm, tmp_path: Path
) -> None:
    farm = make_farm()
    farm.run(faults="crash:70")
    (poison,) = quarantine.poison_vectors(farm.directory)
    assert (poison.index, poison.status, len(poison.strikes)) == (70, "CRASH", 2)
    assert quarantine.chosen(farm.directory, [poison.vector_id[:8]]) == [poison]
    with pytest.raises(UsageError, match="in it are: 70"):
        quarantine.chosen(farm.directory, ["71"])

    case = quarantine.export(farm.directory, poison)
    assert case["vector_id"] == poison.vector_id
    command = [FARM, *shlex.split(case["reproduce"])[1:]]
    command[2:3] = ["reshard"]
    generate = [FARM, "generate", *command[2:3], *command[command.index("--repeats") :]]
    result = subprocess.run(
        [*generate, "--out", "case", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(result.stdout)["n_vectors"] == 1

    chunk_id = quarantine.chunk_of(farm.directory, 70).chunk_id
    assert quarantine.clear(farm.directory, [poison]) == [chunk_id]
    assert quarantine.poison_vectors(farm.directory) == []
    assert chunk_id not in farm.directory.committed()
    farm.run()
    assert set(farm.statuses().values()) == {"OK"}


def test_the_export_of_a_vector_names_the_very_vector(make_farm: MakeFarm, tmp_path: Path) -> None:
    farm = make_farm()
    farm.run(faults="crash:70", n_cards=1, max_strikes=1)
    case = quarantine.export(farm.directory, quarantine.poison_vectors(farm.directory)[0])
    limits = [part for part in shlex.split(case["reproduce"]) if ":=" in part]
    command = [FARM, "generate", "reshard", "--out", "one"]
    for limit in limits:
        command += ["--limit", limit]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    made = LocalFarm(tmp_path / "one", farm.directory.open(tmp_path / "one"), 0.0)
    (chunk,) = made.directory.chunks()
    assert made.directory.vectors(chunk.chunk_id)["vector_id"][0].as_py().hex() == case["vector_id"]


def test_damage_is_repaired_when_told_and_measured_anew(make_farm: MakeFarm) -> None:
    farm = make_farm()
    farm.run(faults="crash:70")
    sound = {path: path.read_bytes() for path in farm.path.rglob("*") if path.is_file()}
    chunk = farm.directory.chunks()[1]
    result = farm.path / chunk.result_file
    result.write_bytes(result.read_bytes()[:-100])
    shard = farm.path / "vectors" / "00000.parquet"
    content = bytearray(shard.read_bytes())
    content[100] ^= 0xFF
    shard.write_bytes(content)
    (journal,) = (farm.path / "journal").glob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([b"x" + lines[0][1:], *lines[1:]]))
    assert not verify(farm.path).is_sound

    mended = repair(farm.path)
    assert mended.after.is_sound
    assert len(mended.actions) == 3
    assert shard.read_bytes() == sound[shard]
    assert farm.directory.committed() == {c.chunk_id for c in farm.directory.chunks()} - {
        chunk.chunk_id
    }
    assert len(farm.directory.incidents()) == len(lines) - 1
    n_files = sum(1 for path in (farm.path / "set-aside").rglob("*") if path.is_file())
    assert n_files == 2
    farm.run(faults="crash:70")
    assert farm.statuses()[70] == "CRASH"


def test_a_sound_directory_is_left_alone(make_farm: MakeFarm) -> None:
    farm = make_farm()
    farm.run()

    def digests() -> dict[Path, str]:
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in farm.path.rglob("*")
            if path.is_file()
        }

    before = digests()
    assert repair(farm.path).actions == ()
    assert digests() == before
