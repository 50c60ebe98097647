"""The commands of docs/how-to/tt-metal.md, as they stand there, with stand-ins for the cards."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.e2e.conftest import Farm
from tests.e2e.test_bad_input import refused
from tests.e2e.test_ttnn import cards, on  # noqa: F401 - a fixture
from tests.tt_cards import TREE, TtCards
from tests.tt_metal_files import branch_vectors, result, write_json, write_vectors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "tt-metal.md"
MODULE = "data_movement.reshard.looped_reshard"


def commands(heading: str) -> list[list[str]]:
    """Commands of the console blocks under a heading of the page."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]


def adapted(command: list[str], cards: TtCards) -> list[str]:  # noqa: F811
    """The same command for the small checkout and the cards of the tests."""
    places = {"~/tt-metal": str(TREE), "data_movement.reshard.reshard": MODULE}
    command = [places.get(word, word) for word in command]
    return command + on(cards, 1)[2:] if "ttnn" in command else command


def means(path: Path) -> dict[str, str]:
    """Mean duration by id, of a table that was exported."""
    with path.open(newline="") as file:
        return {row["id"]: row["mean_ns"] for row in csv.DictReader(file)}


@pytest.mark.ray
@pytest.mark.slow
def test_from_a_checkout_to_models_and_back(
    farm: Farm,
    cards: TtCards,  # noqa: F811
    tmp_path: Path,
) -> None:
    walk = commands("From a checkout to models, and back to their JSON")
    assert len(walk) == 13
    said = ""
    for command in walk:
        done = farm(*adapted(command, cards))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        said += done.stdout
    assert said.count("every vector is accounted for") == 2
    assert said.count("wrote 1 files to") == 2
    (vectors,) = (tmp_path / "vectors_export").glob("*.json")
    (suite,) = json.loads(vectors.read_text()).values()
    (results,) = (tmp_path / "results_export").glob("*.json")
    records = json.loads(results.read_text())
    assert [record["input_hash"] for record in records] == list(suite)
    assert {record["status"] for record in records} == {"pass"}
    assert farm("export", "again", "--format", "csv", "--out", "again.csv").returncode == 0
    assert means(tmp_path / "again.csv") == means(tmp_path / "my-reshard.csv")
    models = [
        (tmp_path / name / "models" / "linear.csv").read_text() for name in ("my-reshard", "again")
    ]
    assert models[0] == models[1]
    assert farm("check", "again").returncode == 0


@pytest.mark.ray
@pytest.mark.slow
def test_files_in_and_out(farm: Farm, tmp_path: Path) -> None:
    vectors = branch_vectors(24)
    name = Path("1x1") / "reshard-1x1-1x2.json"
    write_vectors(tmp_path / "vectors_export" / name, vectors)
    write_json(tmp_path / "results_export_batch" / name, [result(vector) for vector in vectors])
    walk = commands("Files of tt-metal: in and out")
    assert len(walk) == 7
    for command in walk:
        done = farm(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    for folder in ("vectors_export", "results_export_batch"):
        original = (tmp_path / folder / name).read_bytes()
        assert (tmp_path / "back" / folder / name).read_bytes() == original
    anew = json.loads((tmp_path / "anew" / "results_export_batch" / name).read_text())
    assert [record["vector_id"] for record in anew] == [vector["input_hash"] for vector in vectors]
    assert all(record["device_perf"]["runs"] == 10 for record in anew)


def test_import_says_what_is_wrong(farm: Farm, tmp_path: Path) -> None:
    vectors = branch_vectors(6)
    write_vectors(tmp_path / "vectors.json", vectors)
    records = [result(vector) for vector in vectors[:4]]
    records[1]["device_perf"]["runs"] = 12
    write_json(tmp_path / "results.json", records)
    given = ("import", "results", "results.json", "--out", "out")
    refused(farm(*given), "out holds no sweep yet: give the vector files by --vectors")
    given += ("--vectors", "vectors.json")
    refused(farm(*given, "--strict"), "2 of 6 vectors have no result")
    assert not (tmp_path / "out").exists()
    done = farm(*given)
    assert done.returncode == 0, done.stderr
    assert "warning: 1 results over another number of launches than the 10" in done.stderr
    assert re.search(r"3 +OK", done.stdout)
    assert re.search(r"3 +NO_RESULT", done.stdout)
    for arguments in (given, given[:-2]):
        again = json.loads(farm(*arguments, "--json").stdout)
        assert (again["n_committed"], again["n_committed_before"]) == (0, 6)
    refused(
        farm(*given[:-2], "--chunk", "3"), "out holds a sweep already: --chunk cannot change it"
    )
    refused(farm(*given, "--chunk", "3"), "out holds another sweep, or one of other files, repeats")
    (tmp_path / "cut.json").write_text((tmp_path / "vectors.json").read_text()[:900])
    refused(
        farm("import", "vectors", "cut.json", "--out", "new"), "cut.json, line", "the file ends"
    )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--format", "xml", "--out", "x"), "--format 'xml': write one of csv, parquet, json"),
        (("--format", "csv", "--out", "."), "is a folder; csv is one file"),
        (("--format", "tt-metal-vectors", "--out", "."), "is no empty folder"),
        (("--format", "reshard-results", "--out", "x"), "has no results yet"),
    ],
)
def test_export_refuses(
    farm: Farm, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    write_vectors(tmp_path / "vectors.json", branch_vectors(2))
    assert farm("import", "vectors", "vectors.json", "--out", "out").returncode == 0
    refused(farm("export", "out", *arguments), expected)
    assert not (tmp_path / "x").exists()
