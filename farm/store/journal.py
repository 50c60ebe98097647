r"""``journal/<writer>.jsonl``: incidents, one writer per file.

Each line is a frame: eight hexadecimal digits (CRC-32 of the JSON bytes), a blank, one JSON object,
a line feed.  A frame is written at once and fsynced.  The last frame may be torn by the death of
its writer or a full disk: readers skip it, and whoever writes that file next cuts it off before
appending.  A bad frame anywhere else is damage.

Every record has ``time`` (ISO, UTC) and ``kind``; the other keys depend on the kind: ``card``,
``chunk``, ``attempt``, ``index`` (of the vector in the sweep), ``vector_id``, ``message``,
``lost_s``.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farm.store.files import Files, StoreAccess

NOTE_KINDS = frozenset({"recovered", "verdict", "cleared"})
"""Records of how an incident ended; all other kinds are incidents."""


def is_incident(record: Mapping[str, Any]) -> bool:
    """Whether a record tells of something that went wrong, rather than of how it ended."""
    return record.get("kind") not in NOTE_KINDS


def encode_frame(record: dict[str, Any]) -> bytes:
    """Return one framed line."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair, as in an undecodable file name, becomes its JSON escape.
    payload = text.encode(errors="backslashreplace")
    return f"{zlib.crc32(payload):08x} ".encode() + payload + b"\n"


@dataclass(frozen=True)
class JournalContent:
    """What a journal file holds.

    Attributes
    ----------
    records : list of dict
        Whole frames in order.
    n_good_bytes : int
        Length of the part that ends with the last whole frame.
    is_torn : bool
        Whether a torn frame follows.
    n_bad : int
        Bad frames before the last one: damage.
    """

    records: list[dict[str, Any]]
    n_good_bytes: int
    is_torn: bool
    n_bad: int


def decode_journal(data: bytes) -> JournalContent:
    """Read frames; never raises."""
    records: list[dict[str, Any]] = []
    n_good_bytes = position = n_bad = pending_bad = 0
    while position < len(data):
        end = data.find(b"\n", position)
        line = data[position:] if end < 0 else data[position:end]
        record = _decode_frame(line) if end >= 0 else None
        position = len(data) if end < 0 else end + 1
        if record is None:
            pending_bad += 1
        else:
            n_bad, pending_bad = n_bad + pending_bad, 0
            records.append(record)
            n_good_bytes = position
    return JournalContent(records, n_good_bytes, pending_bad > 0, n_bad + max(0, pending_bad - 1))


def _decode_frame(line: bytes) -> dict[str, Any] | None:
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]) or line[8:9] != b" ":
            return None
        record = json.loads(line[9:])
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


class JournalWriter:
    """Appends records to one journal file.

    Parameters
    ----------
    root : Path
        The sweep directory.
    writer : str
        Name of the file without its ending; no other process writes it.
    files : Files or None
        How it writes; for fault injection.
    """

    def __init__(self, root: Path, writer: str, files: Files | None = None) -> None:
        self.path = root / "journal" / f"{writer}.jsonl"
        self._files = files or Files(root)
        with StoreAccess("write", self.path):
            if not self.path.parent.is_dir():
                self._files.make_folder(self.path.parent)
            is_new = not self.path.exists()
            self._file = self.path.open("ab", buffering=0)
            try:
                if is_new:
                    self._files.sync_folder(self.path.parent)
                self._n_bytes = decode_journal(self.path.read_bytes()).n_good_bytes
                self._cut_torn_tail()
            except BaseException:
                self._file.close()
                raise

    def append(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Write one record and fsync it; returns the record.

        Raises
        ------
        StoreAccessError
            If the disk refuses.
        """
        known = {key: value for key, value in facts.items() if value is not None}
        record = {"time": datetime.now(UTC).isoformat(), "kind": kind, **known}
        frame = encode_frame(record)
        with StoreAccess("write", self.path):
            self._cut_torn_tail()
            self._files.append(self._file, frame)
            self._n_bytes += len(frame)
        return record

    def _cut_torn_tail(self) -> None:
        """Remove what an append that failed, here or in a writer that died, left behind."""
        if os.fstat(self._file.fileno()).st_size > self._n_bytes:
            self._files.truncate(self._file, self._n_bytes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_journals(root: Path) -> list[dict[str, Any]]:
    """All records of all journals, by time; torn tails are skipped."""
    records: list[dict[str, Any]] = []
    folder = root / "journal"
    with StoreAccess("read", folder):
        for path in sorted(folder.glob("*.jsonl")):
            content = decode_journal(path.read_bytes())
            records += [{"writer": path.stem, **record} for record in content.records]
    return sorted(records, key=lambda record: str(record.get("time", "")))
