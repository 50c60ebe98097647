"""A sweep directory as a whole.

::

    sweep.json                     what the sweep is (`farm.store.manifest`)
    vectors/00000.parquet ...      its vectors (`farm.store.shards`)
    results/<nn>/<chunk>.parquet   one file per committed chunk (`farm.store.results`)
    journal/<writer>.jsonl         incidents (`farm.store.journal`)
    models/                        what the analysis wrote
    foreign/                       records of imported files (`farm.interchange.record_table`)
    tmp/                           files being written
    set-aside/                     files that a repair took out of use
    run.lock                       held by the run at work: flock, or a lease in a bucket
    run.json                       names the cluster run at work (`farm.cluster.claim`)
    driver.log                     what the processes of the last run printed (folders only)
    live.json                      what the run at work looks like (`farm.store.live`)
    control.json                   what people ask of it (`farm.store.control`)

The commit point of a chunk is the appearance of its file under ``results/``.  Everything else but
``vectors/`` and ``sweep.json`` is a cache or a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from farm.chunk import Chunk
from farm.errors import DamagedStoreError, StoreAccessError
from farm.store import journal, results, shards
from farm.store.files import Files, RunLock, open_files
from farm.store.journal import JournalWriter
from farm.store.location import Location, LocationLike
from farm.store.manifest import FILE_NAME, Manifest
from farm.store.results import ResultMeta
from sweeps.generate import VECTOR_ID_FIELD
from sweeps.vector import vector_ids_of_columns

OWN_ENTRIES = (
    FILE_NAME,
    "vectors",
    "results",
    "journal",
    "models",
    "tmp",
    "run.lock",
    "run.json",
    "driver.log",
    "driver.log.1",
    "driver.log.2",
    "live.json",
    "control.json",
    "report.html",
    "set-aside",
    "foreign",
)
"""What ``--force-clean`` removes."""


class SweepDirectory:
    """Reads and commits to the directory of a generated sweep, wherever that is.

    Parameters
    ----------
    files : Files
        Its files.
    manifest : Manifest
        Its sweep.json.
    """

    def __init__(self, files: Files, manifest: Manifest) -> None:
        self.files = files
        self.manifest = manifest
        self._chunks = {chunk.chunk_id: chunk for chunk in manifest.chunks()}
        self._verified_shards: set[int] = set()
        self._by_result_file = {c.result_file: c.chunk_id for c in self._chunks.values()}

    @staticmethod
    def open(place: LocationLike | Files) -> SweepDirectory:
        """Open an existing sweep directory.

        Parameters
        ----------
        place : str, Path, Location or Files
            Where it is; its files themselves for fault injection.

        Raises
        ------
        UsageError
            If that is no location.
        StoreAccessError
            If there is no generated sweep, or it cannot be read.
        DamagedStoreError
            If its sweep.json is broken.
        """
        files = place if isinstance(place, Files) else open_files(place)
        content = files.read_if_exists(FILE_NAME)
        if content is None:
            raise _no_sweep(files)
        return SweepDirectory(files, Manifest.decode(content, str(files.location / FILE_NAME)))

    @property
    def location(self) -> Location:
        """Where it is."""
        return self.files.location

    @property
    def path(self) -> Path:
        """Its folder.

        Raises
        ------
        UsageError
            If it is in a bucket.
        """
        return self.location.path

    def chunks(self) -> list[Chunk]:
        """All chunks of the sweep in order."""
        return list(self._chunks.values())

    def chunk(self, chunk_id: str) -> Chunk:
        """One chunk by its name."""
        return self._chunks[chunk_id]

    def committed(self) -> set[str]:
        """Names of the chunks whose results are there: a listing, no file is opened.

        Raises
        ------
        StoreAccessError
            If the listing fails.
        """
        known = self._by_result_file
        return {known[name] for name in self.files.names_in("results") if name in known}

    def result_path(self, chunk_id: str) -> Path:
        """Path of a chunk's results in a folder, present or not.

        Raises
        ------
        UsageError
            If the sweep directory is in a bucket.
        """
        return self.path / self._chunks[chunk_id].result_file

    def shard_path(self, number: int) -> Path:
        """Path on this host of a shard, verified at its first use.

        Raises
        ------
        DamagedStoreError
            If it is not, to the byte, the one that was generated.
        StoreAccessError
            If it cannot be read.
        """
        entry = self.manifest.shards[number]
        path = self.files.local_copy(entry.file, entry.sha256)
        if number not in self._verified_shards:
            shards.require_sha256(path, entry.sha256)
            self._verified_shards.add(number)
        return path

    def verify_shard(self, number: int) -> None:
        """Read a shard anew from where it is stored, copy or not.

        Raises
        ------
        DamagedStoreError
            If it is not the one that was generated.
        StoreAccessError
            If it cannot be read.
        """
        entry = self.manifest.shards[number]
        self._verified_shards.discard(number)
        self.files.local_copy(entry.file, entry.sha256, is_fresh=True)
        self.shard_path(number)

    def vectors(self, chunk_id: str) -> pa.Table:
        """Vectors of a chunk.

        The SHA-256 of its shard is verified at the first use; its pages each time.

        Raises
        ------
        DamagedStoreError
            If the shard is damaged.
        """
        chunk = self._chunks[chunk_id]
        path = self.shard_path(chunk.shard)
        table = shards.read_chunk(path, chunk.row_group)
        if table.num_rows != chunk.n_rows:
            raise DamagedStoreError(
                f"shard {path} is damaged: chunk {chunk_id} has "
                f"{table.num_rows} rows, sweep.json says {chunk.n_rows}"
            )
        if "vector_id" not in table.column_names:
            params = table.select([axis.name for axis in self.manifest.axes])
            ids = vector_ids_of_columns(self.manifest.op, params)
            table = table.add_column(0, VECTOR_ID_FIELD, pa.array(ids, VECTOR_ID_FIELD.type))
        return table

    def outcomes(self, chunk_id: str) -> pa.Table:
        """Outcomes of a committed chunk, in the order of its vectors.

        Raises
        ------
        DamagedStoreError
            If the file is damaged or belongs to another sweep.
        """
        return self.result(chunk_id)[0]

    def result(self, chunk_id: str) -> tuple[pa.Table, ResultMeta]:
        """Outcomes of a committed chunk, and what its footer says.

        Raises
        ------
        DamagedStoreError
            If the file is damaged or belongs to another sweep.
        """
        file = self._chunks[chunk_id].result_file
        table, meta = results.read_result(self.files, file)
        if meta.chunk != chunk_id or meta.fingerprint != self.manifest.fingerprint:
            raise DamagedStoreError(
                f"result {self.location / file} belongs to chunk {meta.chunk} of sweep "
                f"{meta.fingerprint[:12]}, not to this one. Set it aside with `farm check "
                f"--repair` and run again"
            )
        return table, meta

    def results(self, chunk_ids: Iterable[str]) -> Iterator[tuple[pa.Table, ResultMeta]]:
        """Read `result` of many chunks, in order; several at a time from far away."""
        return self.files.each(self.result, chunk_ids)

    def result_meta(self, chunk_id: str) -> ResultMeta:
        """Footer of a committed chunk."""
        return results.read_meta(self.files, self._chunks[chunk_id].result_file)

    def result_metas(self, chunk_ids: Iterable[str]) -> Iterator[ResultMeta]:
        """Read `result_meta` of many chunks, in order; several at a time from far away."""
        return self.files.each(self.result_meta, chunk_ids)

    def commit(self, outcomes: pa.Table, meta: ResultMeta) -> bool:
        """Publish the outcomes of a chunk.

        Returns
        -------
        bool
            True if this was the first commit; False if the chunk had been committed before, in
            which case nothing changes.

        Raises
        ------
        StoreAccessError
            If the store refuses; the chunk is not committed then, as far as can be found out.
        """
        chunk = self._chunks[meta.chunk]
        return self.files.publish(chunk.result_file, results.encode_result(outcomes, meta))

    def incidents(self) -> list[dict[str, Any]]:
        """All journalled records by time."""
        return journal.read_journals(self.files)

    def journal(self, writer: str) -> JournalWriter:
        """Open a journal; no other process writes one of that name."""
        return JournalWriter(self.files, writer)

    def set_aside(self, chunk_id: str) -> bool:
        """Move a chunk's results out of the way, so that the chunk is measured anew.

        Returns
        -------
        bool
            Whether there were any.
        """
        return self.files.set_aside(self._chunks[chunk_id].result_file)

    def replace(self, relative_path: str, content: bytes) -> None:
        """Write a cache file, such as a model, atomically."""
        self.files.replace(relative_path, content)


def _no_sweep(files: Files) -> StoreAccessError:
    place = files.location
    if place.is_local and not place.path.is_dir():
        return StoreAccessError(f"{place} is not a directory; farm run or generate makes one")
    return StoreAccessError(
        f"{place} has no {FILE_NAME}: it is no sweep directory, or its generation was "
        f"interrupted (run the same farm command again to go on)"
    )


def holds_sweep(place: LocationLike) -> bool:
    """Whether there is a generated sweep.

    Raises
    ------
    StoreAccessError
        If that cannot be found out.
    """
    return open_files(place).exists(FILE_NAME)


def run_lock(place: LocationLike) -> AbstractContextManager[RunLock]:
    """Hold the right to run in a directory; see `farm.store.files.Files.lock`.

    Raises
    ------
    DirectoryBusyError
        If another run holds it.
    """
    return open_files(place).lock()


def remove_sweep(place: LocationLike) -> None:
    """Remove what the farm wrote in a directory, and nothing else.

    Raises
    ------
    StoreAccessError
        If a file cannot be removed.
    """
    open_files(place).remove(OWN_ENTRIES)
