"""Sweeps by name, module and file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farm.catalog import load_sweep, resolve_source
from farm.errors import PluginError, UsageError
from sweeps import BUILTIN

MINE = '''
"""My sweep."""

from sweeps.axis import Axis
from sweeps.space import Feature, Sweep


def elements(columns):
    """Elements of a column."""
    return 2 * columns["n"]  # two each


SWEEP = Sweep(
    name="mine",
    op="mine",
    axes=(Axis.ints("n", [1, 2, 3]),),
    features=(Feature("elements", elements),),
    group_by=(),
    size="elements",
)
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_sweeps(name: str) -> None:
    sweep = load_sweep(name)
    assert sweep.name == name
    assert sweep.version
    assert resolve_source(name) == name


def test_a_file(path: Path) -> None:
    sweep = load_sweep(str(path))
    assert sweep.derive({"n": 3}) == {"elements": 6}
    assert sweep.version.startswith("code ")


def test_a_relative_file_is_found_from_anywhere(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    assert resolve_source("mine.py") == resolve_source("./mine.py") == str(path.resolve())
    assert load_sweep("mine.py").name == "mine"


def test_a_module(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.rename(path.with_name("sweep_of_a_module.py"))
    monkeypatch.syspath_prepend(path.parent)
    assert resolve_source("sweep_of_a_module") == "sweep_of_a_module"
    assert load_sweep("sweep_of_a_module").name == "mine"
    del sys.modules["sweep_of_a_module"]


def test_a_users_file_shadows_no_module(path: Path) -> None:
    mine = path.rename(path.with_name("matmul.py"))
    assert load_sweep(str(mine)).name == "mine"
    assert load_sweep("matmul").name == "matmul"


def test_a_file_is_read_again_when_it_changes(path: Path) -> None:
    before = load_sweep(str(path))
    path.write_text(MINE.replace("[1, 2, 3]", "[1, 2]"))
    assert len(load_sweep(str(path)).axes[0].values) == 2
    assert before.version != load_sweep(str(path)).version


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("  # two each", "", True),
        ('"""My sweep."""', "", True),
        ('    """Elements of a column."""\n', "", True),
        ("\n\n\n", "\n\n\n\n# more room\n", True),
        ('"n", [1, 2, 3]', '"n",\n        [1, 2, 3]', True),
        ("2 * columns", "3 * columns", False),
        ('op="mine"', 'op="yours"', False),
        ("[1, 2, 3]", "[1, 2]", False),
    ],
)
def test_the_version_changes_with_the_code_alone(
    path: Path, old: str, new: str, is_same: bool
) -> None:
    version = load_sweep(str(path)).version
    assert old in MINE
    path.write_text(MINE.replace(old, new))
    assert (load_sweep(str(path)).version == version) == is_same


def test_the_authors_version_stands(path: Path) -> None:
    path.write_text(MINE.replace('op="mine"', 'op="mine", version="7"'))
    assert load_sweep(str(path)).version == "7"


@pytest.mark.parametrize("source", ["gone.py", "./gone.py", "a/folder/gone"])
def test_a_missing_file(source: str) -> None:
    for find in (resolve_source, load_sweep):
        with pytest.raises(UsageError, match="there is no such file"):
            find(source)


@pytest.mark.parametrize("source", ["resharding", "no.such.module"])
def test_an_unknown_name_lists_the_known_ones(source: str) -> None:
    with pytest.raises(UsageError, match=r"unknown sweep .*reshard"):
        load_sweep(source)


@pytest.mark.parametrize("source", ["", ".", "..x"])
def test_what_is_no_name_at_all(source: str) -> None:
    with pytest.raises(UsageError):
        load_sweep(source)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("x = 1", UsageError, "the module has no SWEEP"),
        ("SWEEP = 'reshard'", UsageError, "the module has no SWEEP"),
        ("def (", PluginError, "SyntaxError"),
        ("1 / 0", PluginError, "ZeroDivisionError"),
        ("import no_such_library_at_all", PluginError, "no_such_library_at_all"),
        (MINE.replace('size="elements"', 'size="height"'), UsageError, "size names 'height'"),
        (MINE.replace("[1, 2, 3]", "[]"), UsageError, "n"),
    ],
    ids=["none", "no sweep", "syntax", "raises", "import", "bad size", "no values"],
)
def test_a_broken_file(path: Path, content: str, error: type[UsageError], message: str) -> None:
    path.write_text(content)
    with pytest.raises(error, match=message) as caught:
        load_sweep(str(path))
    assert type(caught.value) is error
    assert caught.value.exit_code == 2


def test_a_file_that_is_no_python_file(tmp_path: Path) -> None:
    path = tmp_path / "sweep.txt"
    path.write_text(MINE)
    with pytest.raises(UsageError, match="it is no Python file"):
        load_sweep(str(path))
