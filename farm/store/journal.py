r"""``journal/<writer>.jsonl``: incidents, one writer per file.

Each line is a frame: eight hexadecimal digits (CRC-32 of the JSON bytes), a blank, one JSON object,
a line feed.  A frame is written at once and fsynced.  The last frame may be torn by the death of
its writer or a full disk: readers skip it, and whoever writes that file next cuts it off before
appending.  A bad frame anywhere else is damage.  In a bucket a journal is a row of segments,
``journal/<writer>.<number>.jsonl`` (`farm.store.segments`).

Every record has ``time`` (ISO, UTC) and ``kind``; the other keys depend on the kind: ``card``,
``chunk``, ``attempt``, ``index`` (of the vector in the sweep), ``vector_id``, ``message``,
``lost_s``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from farm.store.files import Files
from farm.store.segments import writer_of

FOLDER = "journal"

NOTE_KINDS = frozenset({"recovered", "verdict", "cleared", "handed-back"})
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
    """Appends records to one journal.

    Parameters
    ----------
    files : Files
        The sweep directory.
    writer : str
        Name of the journal; no other process writes it.
    """

    def __init__(self, files: Files, writer: str) -> None:
        self._appender = files.appender(
            f"{FOLDER}/{writer}.jsonl", lambda content: decode_journal(content).n_good_bytes
        )

    def append(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Write one record, durably; returns the record.

        Raises
        ------
        StoreAccessError
            If the store refuses.
        """
        known = {key: value for key, value in facts.items() if value is not None}
        record = {"time": datetime.now(UTC).isoformat(), "kind": kind, **known}
        self._appender.append(encode_frame(record))
        return record

    def close(self) -> None:
        """Close the file."""
        self._appender.close()


def journal_files(files: Files) -> list[str]:
    """Names of all journal files, in order."""
    return [name for name in files.names_in(FOLDER) if name.endswith(".jsonl")]


def read_journals(files: Files) -> list[dict[str, Any]]:
    """All records of all journals, by time; torn tails are skipped."""
    records: list[dict[str, Any]] = []
    names = journal_files(files)
    for name, content in zip(names, files.each(files.read, names), strict=True):
        writer = writer_of(name)
        records += [{"writer": writer, **record} for record in decode_journal(content).records]
    return sorted(records, key=lambda record: str(record.get("time", "")))
