"""Locations: what a user may write, and what is refused in one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.errors import UsageError
from farm.store.location import Location


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out/m1", "out/m1"),
        ("out/m1/", "out/m1"),
        ("./out", "out"),
        ("file:///data/m%201", "/data/m 1"),
        ("file://localhost/data", "/data"),
        ("s3://lab", "s3://lab"),
        ("S3://lab/a/b/", "s3://lab/a/b"),
        ("gs://lab/a", "gs://lab/a"),
        ("az://box/a", "az://box/a"),
        ("tt-metal:/root:module", "tt-metal:/root:module"),
    ],
)
def test_what_is_read(text: str, expected: str) -> None:
    assert str(Location.parse(text)) == expected
    assert Location.parse(Location.parse(text)) == Location.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://host/x", r"ftp:// is no place for a sweep directory; write a path, file:///PATH"),
        ("https://host/x", "https:// is no place"),
        ("s3://", r"the bucket is missing; write s3://BUCKET/PREFIX"),
        ("s3:///x", "the bucket is missing"),
        ("s3:/bucket/x", r"write two slashes, s3://bucket/x"),
        ("s3://b/a//c", "empty parts"),
        ("s3://b/../c", "mean nothing in a bucket"),
        ("s3://b/c?versionId=1", r"has no \? and no #"),
        ("file://host/x", "an absolute path and no host"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Location.parse(text)


def test_a_secret_in_a_location_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="credentials do not belong") as caught:
        Location.parse("s3://AKIA:hunter2@bucket/x")
    assert "hunter2" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_a_path_that_lost_a_slash_is_noticed() -> None:
    with pytest.raises(UsageError, match="s3://bucket/x is in a bucket; give a folder here"):
        Location.parse(Path("s3://bucket/x"))


def test_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = Location.parse("out"), Location.parse("s3://lab/a/out")
    assert (here.is_local, there.is_local) == (True, False)
    assert (here.name, there.name, Location.parse("s3://lab").name) == ("out", "out", "lab")
    assert (here.bucket, there.bucket) == ("", "lab")
    assert str(here.absolute()) == str(tmp_path / "out")
    assert there.absolute() == there
    assert str(there / "sweep.json") == "s3://lab/a/out/sweep.json"
    assert here.path == Path("out")
    with pytest.raises(UsageError, match="is in a bucket; give a folder"):
        _ = there.path
    assert here.digest == here.absolute().digest != there.digest
