"""Parameter files: read, checked, written once, found by version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from analysis.op_model.parameters.fit_record import FitRecord, records_path
from analysis.op_model.parameters.parameter_file import (
    parameters_text,
    parse_parameters,
    read_parameters,
    shadowed_sets,
    write_parameters,
)
from analysis.op_model.parameters.versions import (
    find_versions,
    identify,
    next_version_path,
    open_parameters,
)
from farm.errors import FormatError, UsageError
from tests.invented_op_parameters import OPERATIONS

BASE = "exp:\n  base:\n    ublock_weight: 1\n    tile_weight: 2\n"


def as_is(operations) -> str:
    """Order, names, and the kind and every digit of numbers."""
    return repr({op: {s: dict(w) for s, w in sets.items()} for op, sets in operations.items()})


def test_what_is_written_is_read_exactly() -> None:
    text = parameters_text(OPERATIONS)
    assert as_is(parse_parameters(text)) == as_is(OPERATIONS)
    assert parameters_text(parse_parameters(text)) == text


def test_any_reader_of_yaml_reads_the_same() -> None:
    assert as_is(yaml.safe_load(parameters_text(OPERATIONS))) == as_is(OPERATIONS)


def test_small_and_large_numbers_keep_their_digits() -> None:
    numbers = {"add": {"base": {"ublock_weight": 1e-05, "tile_weight": 1.2345678901234567e22}}}
    text = parameters_text(numbers)
    assert as_is(parse_parameters(text)) == as_is(numbers)
    assert yaml.safe_load(text) == numbers


def test_recorded_files_round_trip(data_dir: Path) -> None:
    files = sorted((data_dir / "opmodel" / "params").glob("*/params_v*.yaml"))
    assert files
    for path in files:
        found = open_parameters(path)
        assert as_is(found.operations) == as_is(yaml.safe_load(path.read_text())), path
        again = parse_parameters(parameters_text(found.operations))
        assert as_is(again) == as_is(found.operations)
        assert not found.warnings


def test_weights_without_a_set_are_the_base_set() -> None:
    old = "nop:\n  ublock_weight: 305\n  tile_weight: 56\n  df_int8:\n    tile_weight: 3\n"
    assert parse_parameters(old) == {
        "nop": {"base": {"ublock_weight": 305, "tile_weight": 56}, "df_int8": {"tile_weight": 3}}
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "expp:\n  base:\n    tile_weight: 1\n",
            "line 1: unknown operation 'expp' (did you mean exp",
        ),
        ("exp:\n  aprox:\n    tile_weight: 1\n", "line 2: exp: unknown predicate 'aprox' (did you"),
        (
            "exp:\n  base:\n    til_weight: 1\n",
            "line 3: exp has no weight 'til_weight'; it may have",
        ),
        (
            "exp:\n  base:\n    tile_weight: fast\n",
            "line 3: tile_weight is fast: it has to be a fin",
        ),
        ("exp:\n  base:\n    tile_weight: .inf\n", "line 3: tile_weight is .inf"),
        ("exp:\n  base:\n    tile_weight:\n", "line 3: tile_weight is nothing"),
        ("exp:\n  base:\n    tile_weight: [1]\n", "line 3: tile_weight has to be a number"),
        ("exp:\n  base:\n    tile_weight:\n      a: 1\n", "line 3: tile_weight has keys below it"),
        (BASE + "    tile_weight: 3\n", "line 5: tile_weight comes twice; the first is at file, l"),
        (BASE + BASE, "line 5: exp comes twice; the first is at file, line 1"),
        (
            "exp:\n  vector_r/vector_c:\n    tile_weight: 1\n",
            "line 2: exp: 'vector_r/vector_c' can ",
        ),
        ("exp:\n  approx/approx:\n    tile_weight: 1\n", "line 2: exp: a predicate of"),
        ("exp:\n  tile_weight: 1\n  base:\n    tile_weight: 1\n", "line 1: exp has a base set and"),
        ("exp: 3\n", "line 1: exp is a number"),
        ("- 1\n", "the file has to hold KEY: VALUE lines"),
        ("", "the file has to hold KEY: VALUE lines"),
        ("{}", "the file names no operation"),
        ("a: [\n", "no YAML"),
        ("exp: *nothing\n", "no YAML"),
        ("? [a]\n: 1\n", "a key has to be a word"),
    ],
)
def test_bad_files_say_what_and_where(text: str, expected: str) -> None:
    with pytest.raises(FormatError, match=r"^file") as caught:
        parse_parameters(text, "file")
    assert expected in str(caught.value)


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new" / "wormhole_b0_params.yaml"
    write_parameters(path, OPERATIONS)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is never changed"):
        write_parameters(path, {"nop": {"base": {"tile_weight": 1}}})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_would_not_load_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "grayskull_params.yaml"
    with pytest.raises(UsageError, match="unknown operation 'nop_int8'"):
        write_parameters(path, {"nop_int8": {"base": {"tile_weight": 1}}})
    assert not path.exists()


def test_sets_that_are_always_hidden_are_named(tmp_path: Path) -> None:
    hidden = {"exp": {"approx/vector_r": {"tile_weight": 1}, "approx": {"tile_weight": 2}}}
    assert shadowed_sets(hidden) == [
        "exp: the set approx/vector_r comes before approx, which always hides it"
    ]
    with pytest.raises(UsageError, match="put the most special sets last"):
        write_parameters(tmp_path / "a_params.yaml", hidden)
    path = tmp_path / "b_params.yaml"
    path.write_text(parameters_text(hidden))
    assert "always hides it" in read_parameters(path, "b", 1).warnings[0]
    assert shadowed_sets(OPERATIONS) == []


RECORDS = {("exp", "base"): FitRecord(75, 0.42, True, "exp.csv", {"mblock_m": (2, 7)})}


def test_the_record_of_fits_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "wormhole_b0_params.yaml"
    write_parameters(path, OPERATIONS, RECORDS)
    found = open_parameters(path)
    assert found.records == RECORDS
    assert found.warnings == ()


def test_a_record_of_other_parameters_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "wormhole_b0_params.yaml"
    write_parameters(path, OPERATIONS, RECORDS)
    path.write_text(path.read_text().replace("1000.0", "1001.0"))
    found = open_parameters(path)
    assert found.records == {}
    assert "was changed since" in found.warnings[0]


@pytest.mark.parametrize(
    "damage",
    ["{", "[]", '{"format": 1}', '{"n_rows": 75', '{"n_rows": 0', '{"n_rows": "many"', "ranges"],
)
def test_a_damaged_record_is_said_and_ignored(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "wormhole_b0_params.yaml"
    write_parameters(path, OPERATIONS, RECORDS)
    record = records_path(path)
    text = record.read_text()
    if damage == "ranges":
        text = text.replace("mblock_m", "mblock_q")
    elif damage.startswith('{"n_rows'):
        data = json.loads(text)
        data["sets"]["exp"]["base"]["n_rows"] = {"75": None, "0": 0}.get(damage[11:], "many")
        text = json.dumps(data)
    else:
        text = damage
    record.write_text(text)
    found = open_parameters(path)
    assert found.records == {}
    assert len(found.warnings) == 1
    assert str(record) in found.warnings[0]


def test_names_tell_architecture_and_version(tmp_path: Path) -> None:
    assert identify(Path("a/wormhole_b0/params_v3.yaml")) == ("wormhole_b0", 3)
    assert identify(Path("wormhole_b0_params.yaml")) == ("wormhole_b0", 1)
    assert identify(Path("wormhole_b0_params_v12.yaml")) == ("wormhole_b0", 12)
    assert identify(Path("params_v0.yaml")) is None
    assert identify(Path("params_hifi2.yaml")) is None
    assert identify(Path("notes.yaml")) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for arch, version in (("wormhole_b0", 1), ("wormhole_b0", 3), ("grayskull", 1)):
        below = tmp_path / arch
        below.mkdir(exist_ok=True)
        write_parameters(below / f"params_v{version}.yaml", OPERATIONS)
    return tmp_path


def test_the_newest_version_is_taken_and_a_gap_is_said(folder: Path) -> None:
    assert {a: list(v) for a, v in find_versions(folder).items()} == {
        "grayskull": [1],
        "wormhole_b0": [1, 3],
    }
    found = open_parameters(folder, "wormhole_b0")
    assert (found.version, found.arch) == (3, "wormhole_b0")
    assert "lacks version 2" in found.warnings[0]
    assert open_parameters(folder, "wormhole_b0", 1).warnings == ()
    assert open_parameters(folder / "grayskull").version == 1


@pytest.mark.parametrize(
    ("arch", "version", "expected"),
    [
        (None, None, "has parameters of grayskull, wormhole_b0: choose with --arch"),
        ("blackhole", None, "has no parameters of 'blackhole', only of grayskull, wormhole_b0"),
        ("wormhole_b0", 2, "version 2 of wormhole_b0 is missing; there are 1, 3"),
        ("wormhole_b0", 4, "version 4 of wormhole_b0 does not exist; there are 1, 3"),
    ],
)
def test_a_wrong_choice_says_what_there_is(folder: Path, arch, version, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_parameters(folder, arch, version)
    assert expected in str(caught.value)


def test_a_file_is_what_its_name_says(folder: Path) -> None:
    path = folder / "wormhole_b0" / "params_v3.yaml"
    with pytest.raises(UsageError, match="is named as one of wormhole_b0, not of grayskull"):
        open_parameters(path, "grayskull")
    with pytest.raises(UsageError, match="is version 3, not 1"):
        open_parameters(path, version=1)
    other = path.rename(path.with_name("mine.yaml"))
    with pytest.raises(UsageError, match="say --arch"):
        open_parameters(other)
    assert open_parameters(other, "wormhole_b0").version == 1


def test_missing_files_and_folders_without_any(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        open_parameters(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no parameter files"):
        open_parameters(tmp_path)


def test_the_same_version_twice_is_refused(folder: Path) -> None:
    write_parameters(folder / "wormhole_b0_params.yaml", OPERATIONS)
    with pytest.raises(UsageError, match="are both version 1 of wormhole_b0"):
        open_parameters(folder, "wormhole_b0")


def test_the_next_version_follows_the_layout(folder: Path, tmp_path: Path) -> None:
    assert next_version_path(folder, "wormhole_b0") == folder / "wormhole_b0" / "params_v4.yaml"
    assert next_version_path(folder, "new").name == "new_params.yaml"
    write_parameters(tmp_path / "new_params.yaml", OPERATIONS)
    assert next_version_path(tmp_path, "new").name == "new_params_v2.yaml"
    assert next_version_path(tmp_path / "later", "new") == tmp_path / "later" / "new_params.yaml"


def test_folders_of_other_sweeps_are_no_versions(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_parameters(tmp_path / name / "wormhole_b0_params.yaml", OPERATIONS)
    assert find_versions(tmp_path) == {}
    assert open_parameters(tmp_path / "second").arch == "wormhole_b0"
