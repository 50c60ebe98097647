"""Records of JSON files are kept as columns and come back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import DamagedStoreError
from farm.interchange.json_stream import JsonStyle
from farm.interchange.kept_records import kept_files
from farm.interchange.record_table import FileFacts, LeafTypes, RecordWriter, leaves_of, pieces
from farm.store.local_files import LocalFiles

KEYS = st.sampled_from(["a", "b", "0", "x/y", "~", "\u00e9", ""])
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=8
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=12)


def facts(name: str, n: int) -> FileFacts:
    return FileFacts(name, n, "00", JsonStyle(), ("s",))


def write(root: Path, files: dict[str, list[object]]) -> None:
    types = LeafTypes()
    for record in (record for records in files.values() for record in records):
        types.add(leaves_of(record))
    sources = [facts(name, len(records)) for name, records in files.items()]
    writer = RecordWriter(LocalFiles(root), "results", "main", "abc", types, sources)
    for name, records in files.items():
        for record in records:
            writer.add(name, None, leaves_of(record))
    writer.close()


@settings(max_examples=30)
@given(RECORDS, RECORDS, st.integers(1, 5))
def test_records_come_back(first: list[object], second: list[object], n_rows: int) -> None:
    with (
        TemporaryDirectory() as name,
        patch("farm.interchange.record_table.PIECE_ROWS", n_rows),
    ):
        root, files = Path(name), {"first": first, "none": [], "second": second}
        try:
            write(root, files)
        except ValueError as error:
            assert "two of its entries are called" in str(error)  # noqa: PT017 - of some examples
            return
        found = {
            file.facts.name: list(file.records())
            for file in kept_files(LocalFiles(root), "results")
        }
    assert json.dumps(found) == json.dumps(files)


def test_an_import_that_was_interrupted_is_not_read(tmp_path: Path) -> None:
    with patch("farm.interchange.record_table.PIECE_ROWS", 2):
        write(tmp_path, {"x": [{"a": i} for i in range(5)]})
    (one,) = pieces(LocalFiles(tmp_path), "results")
    assert [piece.number for piece in one] == [0, 1, 2]
    (tmp_path / one[1].name).unlink()
    assert list(kept_files(LocalFiles(tmp_path), "results")) == []


def test_damage_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"x": [{"a": i} for i in range(500)]})
    (path,) = (tmp_path / "foreign" / "results").iterdir()
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedStoreError, match=r"is damaged: .*Import the files again"):
        [list(file.records()) for file in kept_files(LocalFiles(tmp_path), "results")]
    path.write_bytes(content[:300])
    with pytest.raises(DamagedStoreError, match="is damaged"):
        list(kept_files(LocalFiles(tmp_path), "results"))
