"""``results/<nn>/<chunk>.parquet``: the outcomes of one committed chunk.

The appearance of the file is the commit; it is created if absent, so the first commit of a chunk
wins, and it never changes.  ``<nn>`` is the start of the SHA-256 of the chunk's name.

One row group; columns of `farm.outcome.OUTCOME_SCHEMA`; row i is the outcome of row i of the chunk.
Pages are compressed with Zstandard and carry a CRC-32.  The footer's key ``sweepfarm.result`` holds
JSON: ``chunk``, ``fingerprint`` of the sweep, ``run_id``, ``card``, ``attempt``, ``epoch`` (of the
executor), ``device`` (`farm.devices.device.DeviceInfo`), ``counts`` {status: vectors},
``started_at`` and ``ended_at`` (ISO, UTC), ``measured_s`` (wall time), ``content_sha256`` (over all
values, see `content_digest`: a second check that does not depend on Parquet), ``batch`` (the batch
size that the card had chosen, and why; may be absent), ``host`` and ``node`` (of the card: name of
the machine, and of the cluster node or empty; may be absent) and ``checksum``
(`farm.store.checksum`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from farm.errors import DamagedStoreError
from farm.outcome import OUTCOME_SCHEMA
from farm.store.checksum import sealed, unsealed
from farm.store.files import Files
from farm.store.parquet_tail import schema_of
from sweeps.vector import canonical_json

FOOTER_KEY = b"sweepfarm.result"

_DAMAGE = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class ResultMeta:
    """The footer of a results file; see the module's text."""

    chunk: str
    fingerprint: str
    run_id: str
    card: str
    attempt: int
    epoch: int
    device: Mapping[str, Any]
    started_at: str
    ended_at: str
    measured_s: float
    counts: Mapping[str, int]
    content_sha256: str = ""
    batch: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    node: str = ""


def count_statuses(outcomes: pa.Table) -> dict[str, int]:
    """Count vectors per status."""
    counted = pc.value_counts(outcomes["status"].combine_chunks().dictionary_decode())
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def encode_result(outcomes: pa.Table, meta: ResultMeta) -> bytes:
    """Return the bytes of a results file; `counts` and the digest are filled in here."""
    outcomes = outcomes.cast(OUTCOME_SCHEMA).combine_chunks()
    meta = replace(meta, counts=count_statuses(outcomes), content_sha256=content_digest(outcomes))
    footer = json.dumps(sealed(asdict(meta))).encode()
    sink = io.BytesIO()
    pq.write_table(
        outcomes.replace_schema_metadata({FOOTER_KEY: footer}),
        sink,
        row_group_size=max(1, outcomes.num_rows),
        compression="zstd",
        write_statistics=False,
        write_page_checksum=True,
        use_dictionary=["status", "card", "attempt", "reason"],
    )
    return sink.getvalue()


def read_meta(files: Files, relative: str) -> ResultMeta:
    """Read the footer of a results file.

    Raises
    ------
    DamagedStoreError
        If it is no results file.
    """
    try:
        return _decode_meta(schema_of(files, relative).metadata)
    except _DAMAGE as error:
        raise _damaged(files, relative, error) from error


def read_result(files: Files, relative: str) -> tuple[pa.Table, ResultMeta]:
    """Read and verify a results file.

    Raises
    ------
    DamagedStoreError
        If it is truncated, or a checksum is wrong.
    """
    content = files.read(relative)
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
        meta = _decode_meta(table.schema.metadata)
        table = table.replace_schema_metadata(None).cast(OUTCOME_SCHEMA).combine_chunks()
        if content_digest(table) != meta.content_sha256:
            raise ValueError("its content differs from the digest in its footer")
        if count_statuses(table) != dict(meta.counts):
            raise ValueError("its rows differ from the counts in its footer")
    except _DAMAGE as error:
        raise _damaged(files, relative, error) from error
    return table, meta


def content_digest(outcomes: pa.Table) -> str:
    """SHA-256 of the values of all columns, in hexadecimal.

    Over, in this order: the ids; the canonical JSON of the lists of statuses, reasons and cards;
    the attempts and start times (microseconds) as 64-bit integers; mean, standard deviation,
    minimum and median as 64-bit floats, NaN for null; the number of launches of each vector, -1 for
    null, as 64-bit integers; all launch durations as 64-bit floats.  Numbers are little-endian.
    """
    digest = hashlib.sha256(b"".join(outcomes["vector_id"].to_pylist()))
    digest.update(canonical_json([outcomes[n].to_pylist() for n in ("status", "reason", "card")]))
    for name in ("attempt", "started_at"):
        digest.update(outcomes[name].cast(pa.int64()).to_numpy().astype("<i8").tobytes())
    for name in ("mean_ns", "std_ns", "min_ns", "median_ns"):
        digest.update(pc.fill_null(outcomes[name], math.nan).to_numpy().astype("<f8").tobytes())
    durations = outcomes["durations_ns"].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(durations), -1).to_numpy().astype("<i8")
    digest.update(lengths.tobytes())
    digest.update(pc.list_flatten(durations).to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def _decode_meta(metadata: Mapping[bytes, bytes] | None) -> ResultMeta:
    return ResultMeta(**unsealed(json.loads((metadata or {})[FOOTER_KEY])))


def _damaged(files: Files, relative: str, error: Exception) -> DamagedStoreError:
    return DamagedStoreError(
        f"result {files.location / relative} is damaged: {str(error).rstrip('.')}. Set it aside "
        f"with `farm check --repair` and run the sweep again: its chunk is then measured anew"
    )
