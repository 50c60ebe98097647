"""Rules of the house that no tool checks."""

import importlib
import inspect
import pickle
import re
from pathlib import Path

import pytest

import farm
from farm import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sweeps", "farm", "analysis")
SOURCES = sorted(
    path
    for folder in (*PACKAGES, "tests", "bench", "examples")
    for path in (ROOT / folder).rglob("*.py")
)
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda page: page.as_posix()
)
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
CENTRAL_TYPES = {
    "sweeps.axis.Axis",
    "sweeps.space.Sweep",
    "sweeps.space.Suite",
    "sweeps.space.Rule",
    "sweeps.space.Feature",
    "sweeps.vector.Vector",
    "sweeps.generate.SuiteSelection",
    "farm.chunk.Chunk",
    "farm.outcome.Status",
    "farm.devices.device.Device",
    "farm.devices.device.CardControl",
    "farm.devices.device.DeviceKind",
    "farm.devices.device.DeviceInfo",
    "farm.store.directory.SweepDirectory",
    "farm.store.manifest.Manifest",
    "farm.ledger.Ledger",
    "farm.card.executor.Executor",
    "farm.card.recovery.Ladder",
    "farm.card.runner.CardRunner",
    "farm.coordinator.Coordinator",
    "farm.actor.DeviceActor",
    "farm.supervisor.Supervisor",
    "analysis.worker.AnalysisWorker",
    "analysis.moments.LineMoments",
    "analysis.linear.LinearFit",
}
ERRORS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, Exception)
]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_is_short_and_named_after_what_it_holds(path: Path) -> None:
    assert path.stem not in BANNED_NAMES
    n_lines = len(path.read_text().splitlines())
    assert n_lines <= 400, f"{n_lines} lines; split it by noun"


@pytest.mark.parametrize("error", ERRORS)
def test_errors_pickle(error: type[Exception]) -> None:
    original = error("what, where, and what to do")
    copied = pickle.loads(pickle.dumps(original))
    assert type(copied) is error
    assert str(copied) == str(original)


@pytest.mark.parametrize("error", [e for e in ERRORS if issubclass(e, errors.FarmError)])
def test_exit_codes_are_those_of_the_readme(error: type[errors.FarmError]) -> None:
    assert f"| {error.exit_code} |" in (ROOT / "README.md").read_text()


def _rows_of_the_glossary() -> list[list[str]]:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return [row for row in rows if row[0] != "word" and not row[0].startswith("---")]


def test_the_glossary_has_each_word_once_and_every_central_type() -> None:
    rows = _rows_of_the_glossary()
    words = [row[0] for row in rows]
    assert len(words) == len(set(words))
    types = [row[2].strip("`") for row in rows if row[2]]
    assert len(types) == len(set(types))
    assert set(types) >= CENTRAL_TYPES


@pytest.mark.filterwarnings("default")
def test_types_of_the_glossary_exist() -> None:
    for _, _, named in _rows_of_the_glossary():
        if named:
            module, _, name = named.strip("`").rpartition(".")
            assert hasattr(importlib.import_module(module), name), named


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_decisions_are_numbered_and_complete() -> None:
    pages = sorted((ROOT / "docs" / "design").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        for part in ("**Status**", "**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{page.name}: no {part}"


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    assert farm.__version__ in text


def test_the_readme_begins_with_the_two_commands() -> None:
    first_screen = (ROOT / "README.md").read_text().splitlines()[:15]
    assert any("$ make demo" in line for line in first_screen)
    assert any("$ make test" in line for line in first_screen)


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for named in re.findall(r"(?:`|\$ )make ([a-z]+)", page.read_text()):
            assert named in targets, f"{_name(page)}: make {named}"
