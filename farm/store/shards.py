"""``vectors/<number>.parquet``: the vectors of a sweep, immutable.

A shard is one Parquet file.  Columns: ``vector_id`` (16 bytes; may be absent: readers then derive
it from the parameters), ``group_id`` (int64), ``suite``,
one column per axis, one per feature (`sweeps.generate.schema`).  Row group k is chunk k of the
shard; all row groups but the last of a shard have the same number of rows.  No statistics are
written; whole numbers are delta-encoded; pages are compressed with Zstandard and carry a CRC-32.

Shards are written in order and created if absent.  The footer's key ``sweepfarm.shard`` holds JSON:
``fingerprint`` of the sweep, ``number``, ``first_index``, ``next`` = {``suite``, ``row``}: where
generation goes on after this shard, ``suites``: summaries of the suites that end in it, and
``checksum`` (`farm.store.checksum`).  So an interrupted generation resumes from the last shard's
footer.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from farm.errors import DamagedStoreError
from farm.store.checksum import sealed, unsealed
from farm.store.disk_access import StoreAccess

FOOTER_KEY = b"sweepfarm.shard"


def shard_file(number: int) -> str:
    """Path of a shard in the sweep directory."""
    return f"vectors/{number:05d}.parquet"


@dataclass(frozen=True)
class ShardFooter:
    """What a shard says about generation; see the module's text."""

    fingerprint: str
    number: int
    first_index: int
    next_suite: int
    next_row: int
    suites: tuple[dict[str, Any], ...]
    rows: int = 0


def encode_shard(table: pa.Table, footer: ShardFooter, chunk_rows: int) -> bytes:
    """Return the bytes of a shard file of these vectors."""
    content = {
        "fingerprint": footer.fingerprint,
        "number": footer.number,
        "first_index": footer.first_index,
        "next": {"suite": footer.next_suite, "row": footer.next_row},
        "suites": footer.suites,
    }
    text = json.dumps(sealed(content))
    table = table.unify_dictionaries().combine_chunks()
    table = table.replace_schema_metadata({FOOTER_KEY: text.encode()})
    whole = [f.name for f in table.schema if pa.types.is_int64(f.type) and f.name != "group_id"]
    dictionaries = [
        f"{f.name}.list.element" if pa.types.is_fixed_size_list(f.type) else f.name
        for f in table.schema
        if f.name not in (*whole, "vector_id")
    ]
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        row_group_size=chunk_rows,
        compression="zstd",
        write_statistics=False,
        write_page_checksum=True,
        use_dictionary=dictionaries,
        column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
    )
    return sink.getvalue()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal.

    Raises
    ------
    StoreAccessError
        If it cannot be read.
    """
    with StoreAccess("read", path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_sha256(path: Path, expected: str) -> None:
    """Check that a shard is, to the byte, the one that was generated.

    Raises
    ------
    DamagedStoreError
        If it is not.
    StoreAccessError
        If it cannot be read.
    """
    if sha256_of(path) != expected:
        raise _damaged(path, ValueError("its SHA-256 is not that in sweep.json"))


def read_footer(content: bytes, where: str) -> ShardFooter:
    """Read what a shard says about generation.

    Parameters
    ----------
    content : bytes
        Of the file.
    where : str
        Its name, for messages.

    Raises
    ------
    DamagedStoreError
        If the file is no shard.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            about = unsealed(json.loads(file.schema_arrow.metadata[FOOTER_KEY]))
            return ShardFooter(
                about["fingerprint"],
                about["number"],
                about["first_index"],
                about["next"]["suite"],
                about["next"]["row"],
                tuple(about["suites"]),
                file.metadata.num_rows,
            )
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(where, error) from error


def require_sound_pages(content: bytes, where: str) -> None:
    """Check the checksums of all pages of a shard.

    Raises
    ------
    DamagedStoreError
        If one is wrong.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            for row_group in range(file.num_row_groups):
                file.read_row_group(row_group, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(where, error) from error


def read_chunk(path: Path, row_group: int) -> pa.Table:
    """Read the vectors of one chunk.

    Raises
    ------
    DamagedStoreError
        If the file is truncated, has a wrong checksum or no such chunk.
    StoreAccessError
        If it cannot be read at all.
    """
    try:
        with (
            StoreAccess("read", path),
            pq.ParquetFile(path, page_checksum_verification=True) as file,
        ):
            return file.read_row_group(row_group, use_threads=False).replace_schema_metadata(None)
    except (pa.ArrowException, OSError, IndexError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path | str, error: Exception) -> DamagedStoreError:
    return DamagedStoreError(
        f"shard {path} is damaged: {error}. Restore it from a copy, or start over with "
        f"--force-clean"
    )
