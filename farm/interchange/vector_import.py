"""Vector files become a sweep directory.

Two passes: the first finds everything that is wrong, before anything is written, and what the
columns are; the second writes shards and records.  Both hold a few thousand vectors at a time, and
eight bytes for each id.  A second import of the same files goes on where the first was stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from farm.catalog import IMPORTED
from farm.errors import DifferentSweepError
from farm.generation import SHARD_ROWS, overridden, require_usable
from farm.interchange.imported_sweep import VectorRun, declaration, frame
from farm.interchange.input_files import InputFile, ReadProgress
from farm.interchange.record_table import FileFacts, RecordWriter, leaves_of
from farm.interchange.vector_file import VectorFile
from farm.interchange.vector_parameters import texts_of
from farm.interchange.vector_survey import VectorSurvey
from farm.store.directory import SweepDirectory
from farm.store.files import Files, open_files
from farm.store.location import LocationLike
from farm.store.manifest import FILE_NAME, AxisInfo, Manifest, ShardEntry
from farm.store.shards import ShardFooter, encode_shard, shard_file
from farm.tt_metal.module_process import describe_apart
from farm.tt_metal.source import format_source
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Sweep
from sweeps.vector import canonical_json

VECTORS = "vectors"
"""Kind of the records."""

_MOST_ROWS_IN_HAND = 1 << 13


@dataclass(frozen=True)
class VectorImport:
    """Writes a sweep directory.

    Attributes
    ----------
    found : VectorSurvey
        Of the files.
    root : Path or None
        Checkout with the sweep module, if it is at hand.
    repeats, timeout_s, chunk_rows : int, float, int, or None
        How the vectors are measured, if not as the sweep says.
    """

    found: VectorSurvey
    root: Path | None = None
    repeats: int | None = None
    timeout_s: float | None = None
    chunk_rows: int | None = None

    def write(self, place: LocationLike, progress: ReadProgress | None) -> SweepDirectory:
        """Write it, or go on with it.

        Raises
        ------
        DifferentSweepError
            If the directory holds another sweep, or a file has changed meanwhile.
        StoreAccessError
            If it is not empty and no sweep directory, or the disk refuses.
        """
        sweep = self._sweep
        declared = declaration(sweep, self.found.first.generation, self.found.files)
        fingerprint = hashlib.sha256(canonical_json(declared)).hexdigest()
        files = open_files(place)
        if files.exists(FILE_NAME):
            directory = SweepDirectory.open(files)
            there = directory.manifest
            if there.fingerprint != fingerprint:
                raise DifferentSweepError(
                    f"{files.location} holds another sweep, or one of other files, repeats or "
                    f"chunks ({there.sweep}, {there.n_vectors:,} vectors); choose another --out"
                )
            return directory
        require_usable(files)
        sink = _ShardSink(files, fingerprint, sweep.chunk_rows)
        writer = self._record_writer(files, fingerprint)
        first_index = 0
        for source, facts in zip(self.found.inputs, self.found.files, strict=True):
            for run in self._runs(source, facts, first_index, writer, progress):
                first_index += len(run.rows)
                sink.add(run.table(sweep, self.found.parameters.axes))
            # No chunk has vectors of two files, since results come file by file.
            sink.end_shard()
        writer.close()
        manifest = self._manifest(sweep, declared, fingerprint, sink.entries)
        files.publish(FILE_NAME, manifest.encode())
        return SweepDirectory.open(files)

    @property
    def _sweep(self) -> Sweep:
        found = self.found
        if found.first.is_reshard:
            sweep = frame(found.first.module, found.parameters, True)
        else:
            module = describe_apart(self._source) if self._source else None
            found.parameters.known_kinds = module.kinds if module else {}
            sweep = frame(found.first.module, found.parameters, False)
            sweep = replace(sweep, timeout_s=module.timeout_s) if module else sweep
        return overridden(sweep, self.repeats, self.timeout_s, self.chunk_rows)

    @property
    def _source(self) -> str:
        """Source of the sweep that devices run the vectors with; empty where there is none."""
        if self.found.first.is_reshard:
            return RESHARD.name
        return format_source(self.root, self.found.first.module) if self.root else ""

    def _record_writer(self, files: Files, fingerprint: str) -> RecordWriter:
        found = self.found
        return RecordWriter(
            files, VECTORS, found.first.generation, fingerprint[:12], found.types, found.files
        )

    def _runs(
        self,
        source: InputFile,
        facts: FileFacts,
        index: int,
        writer: RecordWriter,
        progress: ReadProgress | None,
    ) -> Iterator[VectorRun]:
        """Read a file again: keep each record, and yield the valid vectors from `index` on."""
        run: VectorRun | None = None
        file = VectorFile(source)
        for record in file.records(progress):
            position = index if record.is_valid else None
            writer.add(facts.name, position, leaves_of(record.entries))
            if position is None:
                continue
            index += 1
            params = texts_of(record)
            kind = (record.suite, tuple(params))
            is_full = run is not None and len(run.rows) == _MOST_ROWS_IN_HAND
            if run is not None and ((run.suite, run.names) != kind or is_full):
                yield run
                run = None
            run = run or VectorRun(*kind, [], [])
            run.rows.append(tuple(params.values()))
            run.hashes.append(record.key)
        if file.facts != facts:
            raise DifferentSweepError(f"{source.path} was changed while it was imported")
        if run is not None:
            yield run

    def _manifest(
        self, sweep: Sweep, declared: Mapping[str, Any], fingerprint: str, shards: list[ShardEntry]
    ) -> Manifest:
        found = self.found
        return Manifest(
            sweep=sweep.name,
            op=sweep.op,
            source=f"{IMPORTED}{self._source}",
            limits=(),
            fingerprint=fingerprint,
            declaration=declared,
            axes=tuple(AxisInfo(a.name, a.kind.value, a.components) for a in sweep.axes),
            features=tuple(feature.name for feature in sweep.features),
            size=sweep.size,
            group_by=sweep.group_by,
            repeats=sweep.repeats,
            timeout_s=sweep.timeout_s,
            n_vectors=len(found.digests),
            suites=tuple(
                {
                    "name": name,
                    "n_candidates": n_records,
                    "n_valid": n_valid,
                    "n_vectors": n_valid,
                    "rejected": found.rejected.get(name, {}),
                }
                for name, (n_records, n_valid) in found.n_by_suite.items()
            ),
            excluded_suites={},
            shards=tuple(shards),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )


class _ShardSink:
    """Buffers vectors and publishes a shard whenever it is full."""

    def __init__(self, files: Files, fingerprint: str, chunk_rows: int) -> None:
        self._files, self._fingerprint, self._chunk_rows = files, fingerprint, chunk_rows
        self._rows = max(1, SHARD_ROWS // chunk_rows) * chunk_rows
        self._tables: list[pa.Table] = []
        self._n_buffered, self._first_index = 0, 0
        self.entries: list[ShardEntry] = []

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        self._n_buffered += table.num_rows
        while self._n_buffered >= self._rows:
            self._flush(self._rows)

    def end_shard(self) -> None:
        if self._n_buffered:
            self._flush(self._n_buffered)

    def _flush(self, n_rows: int) -> None:
        table = pa.concat_tables(self._tables)
        number = len(self.entries)
        next_row = self._first_index + n_rows
        footer = ShardFooter(self._fingerprint, number, self._first_index, 0, next_row, ())
        content = encode_shard(table.slice(0, n_rows), footer, self._chunk_rows)
        digest = hashlib.sha256(content).hexdigest()
        file = shard_file(number)
        if not self._files.publish(file, content):
            self._require_equal(file, digest)
        self.entries.append(ShardEntry(file, n_rows, self._chunk_rows, len(content), digest))
        self._tables = [table.slice(n_rows)]
        self._n_buffered -= n_rows
        self._first_index = next_row

    def _require_equal(self, file: str, digest: str) -> None:
        if hashlib.sha256(self._files.read(file)).hexdigest() != digest:
            raise DifferentSweepError(
                f"{self._files.location / file} is of another sweep whose generation was "
                f"interrupted; choose another --out"
            )
