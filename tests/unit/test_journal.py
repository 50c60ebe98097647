"""Journals: framed records, torn tails cut off, damage reported."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from farm.errors import StoreAccessError
from farm.store.journal import (
    JournalWriter,
    decode_journal,
    encode_frame,
    read_journals,
)
from farm.store.local_files import LocalFiles
from farm.testing.crash_files import CrashFiles, CrashPoint, When


def append(root: Path, writer: str, *indexes: int) -> None:
    journal = JournalWriter(LocalFiles(root), writer)
    for index in indexes:
        journal.append("hang", index=index, card="sim:0", lost_s=None)
    journal.close()


def indexes(root: Path) -> list[int]:
    return [record["index"] for record in read_journals(LocalFiles(root))]


def test_records_come_back_with_time_and_writer(tmp_path: Path) -> None:
    append(tmp_path, "run-1", 7)
    (record,) = read_journals(LocalFiles(tmp_path))
    assert record.pop("time") > "2026"
    assert record == {"writer": "run-1", "kind": "hang", "index": 7, "card": "sim:0"}


def test_no_journals_at_all(tmp_path: Path) -> None:
    assert read_journals(LocalFiles(tmp_path)) == []


def test_records_of_several_writers_are_sorted_by_time(tmp_path: Path) -> None:
    first, second = (
        JournalWriter(LocalFiles(tmp_path), "b"),
        JournalWriter(LocalFiles(tmp_path), "a"),
    )
    first.append("hang", index=0)
    second.append("hang", index=1)
    first.append("hang", index=2)
    first.close()
    second.close()
    assert indexes(tmp_path) == [0, 1, 2]


def test_a_frame_is_what_the_format_says() -> None:
    assert encode_frame({"kind": "é"}) == '45d116cf {"kind":"é"}\n'.encode()


@pytest.mark.parametrize("text", ["line\nfeed", "\x00", "naïve 🂡", "\udc80 half", '"quoted"\\'])
def test_any_text_survives(tmp_path: Path, text: str) -> None:
    journal = JournalWriter(LocalFiles(tmp_path), "w")
    journal.append("hang", message=text)
    journal.close()
    assert [record["message"] for record in read_journals(LocalFiles(tmp_path))] == [text]


def test_a_tail_torn_anywhere_is_skipped_and_cut_off(tmp_path: Path) -> None:
    append(tmp_path, "w", 0, 1, 2)
    path = tmp_path / "journal" / "w.jsonl"
    whole = path.read_bytes()
    ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]
    for n_bytes in range(len(whole) + 1):
        path.write_bytes(whole[:n_bytes])
        n_whole = sum(end <= n_bytes for end in ends) - 1
        content = decode_journal(path.read_bytes())
        assert [record["index"] for record in content.records] == list(range(n_whole))
        assert content.n_good_bytes == ends[n_whole]
        assert content.is_torn == (n_bytes not in ends)
        assert content.n_bad == 0
        append(tmp_path, "w", 9)
        assert indexes(tmp_path) == [*range(n_whole), 9]
        assert not decode_journal(path.read_bytes()).is_torn


def test_a_bad_frame_before_a_good_one_is_damage_and_stays(tmp_path: Path) -> None:
    append(tmp_path, "w", 0, 1, 2)
    path = tmp_path / "journal" / "w.jsonl"
    damaged = path.read_bytes().replace(b'"index":1', b'"index":4')
    path.write_bytes(damaged)
    content = decode_journal(damaged)
    assert [record["index"] for record in content.records] == [0, 2]
    assert (content.n_bad, content.is_torn) == (1, False)
    append(tmp_path, "w", 3)
    assert path.read_bytes().startswith(damaged)


@pytest.mark.parametrize("line", [b"", b"\n", b"zzzzzzzz {}\n", b"5ec8a9a4{}\n", b"\xff\xfe\n"])
def test_garbage_is_never_a_record(line: bytes) -> None:
    assert decode_journal(line).records == []


def test_a_frame_that_holds_no_object_is_no_record() -> None:
    frame = encode_frame([1])  # type: ignore[arg-type]
    assert decode_journal(frame).records == []


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    point = CrashPoint(0, When.BEFORE, errno.EROFS)
    with pytest.raises(StoreAccessError, match=r"w\.jsonl: the file system is read-only"):
        JournalWriter(CrashFiles(tmp_path, point), "w")
