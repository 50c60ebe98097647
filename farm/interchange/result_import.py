"""Result files become committed results of a sweep directory.

A chunk is committed as soon as one of its vectors has a result; a vector of it without one is
``NO_RESULT``.  Chunks without any result stay open: a run can measure them.  What was committed
before stays.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from farm.chunk import Chunk
from farm.devices.device import DeviceInfo
from farm.interchange.input_files import ReadProgress
from farm.interchange.record_table import RecordWriter, leaves_of
from farm.interchange.result_file import ResultFile
from farm.interchange.result_survey import ResultSurvey, VectorResults
from farm.outcome import OUTCOME_SCHEMA, Status
from farm.store.directory import SweepDirectory
from farm.store.results import ResultMeta

RESULTS = "results"
"""Kind of the records."""
CARD = "imported"
KIND = "ttnn"
"""Device kind of all imported results: only Tenstorrent cards run the framework they are from."""


@dataclass(frozen=True)
class Imported:
    """What an import of results did.

    Attributes
    ----------
    n_committed, n_open, n_earlier : int
        Vectors in chunks that were committed, that stay open, and that had been committed before.
    counts : dict
        Status -> vectors that were committed.
    """

    n_committed: int
    n_open: int
    n_earlier: int
    counts: dict[str, int]


def import_results(
    directory: SweepDirectory,
    found: ResultSurvey,
    leaves_incomplete_open: bool,
    progress: ReadProgress | None,
) -> Imported:
    """Keep the records and commit the results.

    Parameters
    ----------
    directory : SweepDirectory
        Of the vectors.
    found : ResultSurvey
        Of the files.
    leaves_incomplete_open : bool
        Whether chunks in which a vector has no result stay open.
    progress : ReadProgress or None
        Told what is read.

    Raises
    ------
    StoreAccessError
        If the disk refuses; the same import then goes on.
    """
    _keep_records(directory, found, progress)
    committed = directory.committed()
    n_by_fate = {"committed": 0, "open": 0, "earlier": 0}
    counts: dict[str, int] = {}
    for chunk in directory.chunks():
        results = found.of_vectors(chunk.first_index, chunk.first_index + chunk.n_rows)
        is_covered = (
            results.has_result.all() if leaves_incomplete_open else results.has_result.any()
        )
        if chunk.chunk_id in committed:
            n_by_fate["earlier"] += chunk.n_rows
        elif not is_covered:
            n_by_fate["open"] += chunk.n_rows
        else:
            _commit(directory, chunk, results, found)
            n_by_fate["committed"] += chunk.n_rows
            for status in results.statuses:
                counts[status.value] = counts.get(status.value, 0) + 1
    return Imported(n_by_fate["committed"], n_by_fate["open"], n_by_fate["earlier"], counts)


def _keep_records(
    directory: SweepDirectory, found: ResultSurvey, progress: ReadProgress | None
) -> None:
    contents = "".join(f"{file.name}\n{file.sha256}\n" for file in found.files)
    name = hashlib.sha256(contents.encode()).hexdigest()[:12]
    writer = RecordWriter(
        directory.files, RESULTS, found.generation, name, found.types, found.files
    )
    row = 0
    for source in found.inputs:
        for record in ResultFile(source).records(progress):
            index = int(found.index[row])
            writer.add(source.name, index if index >= 0 else None, leaves_of(record))
            row += 1
    writer.close()


def _commit(
    directory: SweepDirectory, chunk: Chunk, results: VectorResults, found: ResultSurvey
) -> None:
    now = datetime.now(UTC)
    now_us = round(now.timestamp() * 1e6)
    is_failed = np.array([status is not Status.OK for status in results.statuses])
    n = chunk.n_rows
    columns = {
        "vector_id": directory.vectors(chunk.chunk_id)["vector_id"],
        "status": pa.array([status.value for status in results.statuses]).dictionary_encode(),
        "mean_ns": pa.array(results.mean_ns, mask=is_failed),
        "std_ns": pa.array(results.std_ns, mask=is_failed | np.isnan(results.std_ns)),
        "min_ns": pa.nulls(n, pa.float64()),
        "median_ns": pa.nulls(n, pa.float64()),
        "durations_ns": pa.nulls(n, pa.list_(pa.float64())),
        "reason": pa.array(results.reasons, pa.string(), mask=~is_failed),
        "card": pa.array([CARD] * n),
        "attempt": pa.array([1] * n, pa.int32()),
        "started_at": pa.array(
            np.where(results.started_us < 0, now_us, results.started_us),
            pa.timestamp("us", tz="UTC"),
        ),
    }
    (arch, _), (commit, _) = found.arches.most_common(1)[0], found.commits.most_common(1)[0]
    info = DeviceInfo(
        CARD,
        KIND,
        arch,
        software={"tt-metal commit": commit} if commit else {},
        details={"runs": str(found.n_runs)},
    )
    meta = ResultMeta(
        chunk=chunk.chunk_id,
        fingerprint=directory.manifest.fingerprint,
        run_id=f"import-{now:%Y%m%dT%H%M%SZ}",
        card=CARD,
        attempt=1,
        epoch=0,
        device=info.as_json(),
        started_at=now.isoformat(),
        ended_at=now.isoformat(),
        measured_s=0.0,
        counts={},
    )
    directory.commit(pa.table(columns).cast(OUTCOME_SCHEMA), meta)
