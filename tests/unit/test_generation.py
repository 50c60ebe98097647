"""Generation: streamed, resumable at any shard, deterministic, and careful with what is there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from farm.errors import DamagedStoreError, DifferentSweepError, StoreAccessError, UsageError
from farm.generation import Plan, open_or_generate, overridden
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from sweeps.axis import Axis
from sweeps.space import Feature, Rule
from sweeps.vector import vector_ids_of_columns
from tests.tiny_sweep import PLAN, TINY, content_of, generated, small_shards


def shards(path: Path) -> dict[str, bytes]:
    return content_of(path / "vectors")


def all_ids(directory: SweepDirectory) -> list[bytes]:
    chunks = [directory.vectors(chunk.chunk_id) for chunk in directory.chunks()]
    return [vector_id for chunk in chunks for vector_id in chunk["vector_id"].to_pylist()]


@pytest.fixture
def whole(tmp_path: Path) -> SweepDirectory:
    return generated(tmp_path / "whole")


@pytest.mark.parametrize("n_left", range(4))
def test_an_interrupted_generation_goes_on_after_any_shard(
    tmp_path: Path, whole: SweepDirectory, n_left: int
) -> None:
    path = tmp_path / "interrupted"
    (path / "vectors").mkdir(parents=True)
    for file in sorted((whole.path / "vectors").iterdir())[:n_left]:
        shutil.copy(file, path / "vectors")
    again = generated(path)
    assert shards(path) == shards(whole.path)
    assert replace(again.manifest, created="") == replace(whole.manifest, created="")


def test_a_shard_spans_suites_and_a_suite_spans_shards(whole: SweepDirectory) -> None:
    suites = [
        whole.vectors(chunk.chunk_id)["suite"].to_pylist()
        for chunk in whole.chunks()
        if chunk.shard == 1
    ]
    assert suites == [["tiled"] * 4, ["rows"] * 4]
    assert whole.manifest.suites[0]["n_vectors"] == 12


@pytest.mark.parametrize(
    ("shard_rows", "rows"), [(1, [4] * 6), (9, [8, 8, 8]), (12, [12, 12]), (1000, [24])]
)
def test_the_vectors_do_not_depend_on_the_size_of_shards(
    tmp_path: Path, whole: SweepDirectory, shard_rows: int, rows: list[int]
) -> None:
    with small_shards(shard_rows):
        directory = open_or_generate(tmp_path / "other", PLAN)
    assert [entry.rows for entry in directory.manifest.shards] == rows
    assert all_ids(directory) == all_ids(whole)


def test_ids_that_are_derived_are_the_same(tmp_path: Path, whole: SweepDirectory) -> None:
    lean = generated(tmp_path / "lean", Plan(TINY, "tiny", stores_ids=False))
    names = pq.read_schema(lean.path / "vectors/00000.parquet").names
    assert "vector_id" not in names
    assert all_ids(lean) == all_ids(whole)
    for chunk in whole.chunks():
        ours = lean.vectors(chunk.chunk_id)
        assert ours.to_pylist() == whole.vectors(chunk.chunk_id).to_pylist()
    assert sum(map(len, shards(lean.path).values())) < sum(map(len, shards(whole.path).values()))
    assert verify(lean.path).is_sound


def test_ids_follow_from_the_parameters(whole: SweepDirectory) -> None:
    table = whole.vectors("00000-00000")
    expected = vector_ids_of_columns("copy", table.select(["layout", "grid", "rows"]))
    assert table["vector_id"].to_pylist() == expected


def test_what_is_generated_is_opened(whole: SweepDirectory) -> None:
    before = content_of(whole.path)
    again = generated(whole.path)
    assert again.manifest == whole.manifest
    assert content_of(whole.path) == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"repeats": 5}, "repeats: 3 there, 5 here"),
        ({"chunk_rows": 8}, "chunk_rows: 4 there, 8 here"),
        ({"version": "2"}, "version: 1 there, 2 here"),
        ({"size": "rows"}, "size: elements there, rows here"),
        (
            {"axes": (*TINY.axes[:2], Axis.ints("rows", range(1, 5)))},
            "axis rows: 1,2,3,4,5,6,7,8 there, 1,2,3,4 here",
        ),
        (
            {"axes": (*TINY.axes, Axis.ints("depth", [1]))},
            "axis depth: absent there, 1 here",
        ),
    ],
    ids=["repeats", "chunk_rows", "version", "size", "axis values", "new axis"],
)
def test_another_sweep_is_refused_and_the_difference_named(
    whole: SweepDirectory, change: dict[str, object], named: str
) -> None:
    before = content_of(whole.path)
    other = Plan(replace(TINY, **change), "tiny")  # type: ignore[arg-type]
    with pytest.raises(DifferentSweepError) as caught:
        generated(whole.path, other)
    assert named in str(caught.value)
    assert str(whole.path) in str(caught.value)
    assert content_of(whole.path) == before


def test_the_beginning_of_another_sweep_is_refused(whole: SweepDirectory) -> None:
    (whole.path / "sweep.json").unlink()
    before = content_of(whole.path)
    with pytest.raises(DifferentSweepError, match="beginning of another sweep"):
        generated(whole.path, Plan(replace(TINY, repeats=9), "tiny"))
    assert content_of(whole.path) == before


def test_a_foreign_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreAccessError, match=r"is not empty .*thesis\.tex"):
        generated(tmp_path)
    with pytest.raises(StoreAccessError, match="is a file"):
        generated(tmp_path / "thesis.tex")
    assert content_of(tmp_path) == {"thesis.tex": b"mine"}


def test_shards_out_of_place_and_damaged_shards_are_refused(whole: SweepDirectory) -> None:
    (whole.path / "sweep.json").unlink()
    second = whole.path / "vectors/00001.parquet"
    content = second.read_bytes()
    second.write_bytes((whole.path / "vectors/00002.parquet").read_bytes())
    with pytest.raises(DamagedStoreError, match=r"00001\.parquet is out of place"):
        generated(whole.path)
    for damaged in (content[:-5], content[:200] + bytes([content[200] ^ 1]) + content[201:]):
        second.write_bytes(damaged)
        with pytest.raises(DamagedStoreError, match=r"00001\.parquet is damaged"):
            generated(whole.path)
    second.write_bytes(content)
    generated(whole.path)


def test_no_valid_vector_at_all(tmp_path: Path) -> None:
    rules = (*TINY.rules, Rule("too few rows", lambda c: c["rows"] > 8))
    odd = Rule("rows layout is not supported", lambda c: c["layout"] == "tiled")
    sweep = replace(TINY, rules=rules, suite_rules=(odd,))
    with pytest.raises(UsageError) as caught:
        generated(tmp_path, Plan(sweep, "tiny"))
    for reason in (
        "rows layout is not supported (1)",
        "rows are not spread evenly (4)",
        "too few rows (12)",
    ):
        assert reason in str(caught.value)
    assert not (tmp_path / "sweep.json").exists()


def test_excluded_suites_are_counted_by_reason(tmp_path: Path) -> None:
    odd = Rule("rows layout is not supported", lambda c: c["layout"] == "tiled")
    directory = generated(tmp_path, Plan(replace(TINY, suite_rules=(odd,)), "tiny"))
    assert directory.manifest.excluded_suites == {"rows layout is not supported": 1}
    assert directory.manifest.n_vectors == 12


def test_rules_and_features_that_fail_are_named(tmp_path: Path) -> None:
    for name, change in {
        "rule 'bad'": {"rules": (Rule("bad", lambda c: c["nothing"] > 0),)},
        "suite rule": {"suite_rules": (Rule("bad", lambda c: c["rows"] > 0),)},
        "feature 'elements'": {"features": (Feature("elements", lambda c: c["layout"] + 1),)},
    }.items():
        sweep = replace(TINY, **change)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=name.split()[0]):
            generated(tmp_path / name.split()[-1].strip("'"), Plan(sweep, "tiny"))


def test_progress_is_told_by_suite(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with small_shards():
        open_or_generate(tmp_path, PLAN, on_progress=lambda *done: told.append(done))
    assert told == [(1, 12), (2, 24)]


def test_overrides_are_checked() -> None:
    sweep = overridden(TINY, 7, 2.5, 16)
    assert (sweep.repeats, sweep.timeout_s, sweep.chunk_rows) == (7, 2.5, 16)
    assert overridden(TINY, None, None, None) == TINY
    for bad in ((0, None, None), (None, 0.0, None), (None, None, 0)):
        with pytest.raises(UsageError, match="must be positive"):
            overridden(TINY, *bad)
