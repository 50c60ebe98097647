"""sweep.json: what is written is read, and anything else is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.chunk import Chunk
from farm.errors import DamagedStoreError
from farm.store.checksum import sealed, unsealed
from farm.store.manifest import AxisInfo, Manifest, ShardEntry
from tests.tiny_sweep import TINY, generated


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return generated(tmp_path).manifest


def test_what_is_encoded_is_decoded(manifest: Manifest) -> None:
    assert Manifest.decode(manifest.encode(), "sweep.json") == manifest


def test_it_says_what_the_sweep_is(manifest: Manifest) -> None:
    assert (manifest.sweep, manifest.op, manifest.source) == ("tiny", "copy", "tiny")
    assert manifest.fingerprint == TINY.fingerprint
    assert manifest.n_vectors == 24
    assert [entry.rows for entry in manifest.shards] == [8, 8, 8]
    assert [suite["name"] for suite in manifest.suites] == ["tiled", "rows"]
    assert manifest.suites[0]["rejected"] == {"rows are not spread evenly": 4}
    assert (manifest.size, manifest.group_by) == ("elements", ("layout", "grid"))
    assert (manifest.repeats, manifest.timeout_s) == (3, 30.0)


def test_chunks_are_the_row_groups_of_the_shards(manifest: Manifest) -> None:
    entry = ShardEntry("vectors/0.parquet", 10, 4, 0, "")
    uneven = replace(manifest, shards=(entry, replace(entry, rows=4)))
    assert uneven.chunks() == [
        Chunk(0, 0, 0, 4),
        Chunk(0, 1, 4, 4),
        Chunk(0, 2, 8, 2),
        Chunk(1, 0, 10, 4),
    ]
    assert uneven.chunks()[2].chunk_id == "00000-00002"


def test_values_are_written_as_their_axis_writes_them() -> None:
    assert AxisInfo("grid", "grid", ("x", "y")).format([2, 3]) == "2x3"
    assert AxisInfo("flag", "bool", ()).format(True) == "true"
    assert AxisInfo("n", "int", ()).format(64) == "64"


def changed(manifest: Manifest, **values: Any) -> bytes:
    return json.dumps({**json.loads(manifest.encode()), **values}).encode()


def test_another_format_is_named(manifest: Manifest) -> None:
    with pytest.raises(DamagedStoreError, match=r"/x/sweep\.json .* format is 2; .* reads 1"):
        Manifest.decode(changed(manifest, format=2), "/x/sweep.json")


@pytest.mark.parametrize("key", ["n_vectors", "fingerprint", "shards", "created"])
def test_a_changed_value_is_seen(manifest: Manifest, key: str) -> None:
    with pytest.raises(DamagedStoreError, match="checksum does not match"):
        Manifest.decode(changed(manifest, **{key: "x"}), "sweep.json")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"{}", b'{"format": 1}', b"\xff\xfe{}", b'"format"'],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedStoreError, match=r"/x/sweep\.json is damaged") as caught:
        Manifest.decode(data, "/x/sweep.json")
    assert caught.value.exit_code == 3


def test_a_missing_key_is_named(manifest: Manifest) -> None:
    content = unsealed(json.loads(manifest.encode()))
    del content["axes"]
    with pytest.raises(DamagedStoreError, match="the key 'axes' is missing"):
        Manifest.decode(json.dumps(sealed(content)).encode(), "sweep.json")


def test_every_truncation_is_refused(manifest: Manifest) -> None:
    data = manifest.encode()
    for n_bytes in range(len(data) - 1):
        with pytest.raises(DamagedStoreError):
            Manifest.decode(data[:n_bytes], "sweep.json")
