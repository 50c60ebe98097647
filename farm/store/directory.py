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
    run.lock                       held (flock) by the run at work
    run.json                       names the cluster run at work (`farm.cluster.claim`)
    driver.log                     what the processes of the last run printed
    live.json                      what the run at work looks like (`farm.store.live`)
    control.json                   what people ask of it (`farm.store.control`)

The commit point of a chunk is the appearance of its file under ``results/``.  Everything else but
``vectors/`` and ``sweep.json`` is a cache or a record.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from farm.chunk import Chunk
from farm.errors import DamagedStoreError, DirectoryBusyError, StoreAccessError
from farm.store import journal, results, shards
from farm.store.files import Files, StoreAccess
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
    "live.json",
    "control.json",
    "report.html",
    "set-aside",
    "foreign",
)
"""What ``--force-clean`` removes."""


class SweepDirectory:
    """Reads and commits to the directory of a generated sweep.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : Manifest
        Its sweep.json.
    files : Files or None
        How it writes; for fault injection.
    """

    def __init__(self, path: Path, manifest: Manifest, files: Files | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self.files = files or Files(path)
        self._chunks = {chunk.chunk_id: chunk for chunk in manifest.chunks()}
        self._verified_shards: set[int] = set()
        self._by_result_file = {c.result_file: c.chunk_id for c in self._chunks.values()}

    @staticmethod
    def open(path: str | Path, files: Files | None = None) -> SweepDirectory:
        """Open an existing sweep directory.

        Raises
        ------
        StoreAccessError
            If there is no generated sweep at `path`, or it cannot be read.
        DamagedStoreError
            If its sweep.json is broken.
        """
        root = Path(path)
        manifest_path = root / FILE_NAME
        with StoreAccess("read", manifest_path):
            if not root.is_dir():
                raise StoreAccessError(f"{root} is not a directory; farm run or generate makes one")
            if not manifest_path.exists():
                raise StoreAccessError(
                    f"{root} has no {FILE_NAME}: it is no sweep directory, or its generation was "
                    f"interrupted (run the same farm command again to go on)"
                )
            manifest = Manifest.decode(manifest_path.read_bytes(), str(manifest_path))
        return SweepDirectory(root, manifest, files)

    @property
    def models_path(self) -> Path:
        """Folder of the fitted models."""
        return self.path / "models"

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
        folder = self.path / "results"
        found: set[str] = set()
        with StoreAccess("list", folder):
            if folder.is_dir():
                for entry in os.scandir(folder):
                    names = os.listdir(entry.path) if entry.is_dir() else []
                    found.update(f"results/{entry.name}/{name}" for name in names)
        return {chunk_id for file, chunk_id in self._by_result_file.items() if file in found}

    def shard_path(self, chunk: Chunk) -> Path:
        """Path of the shard that holds a chunk."""
        return self.path / self.manifest.shards[chunk.shard].file

    def result_path(self, chunk_id: str) -> Path:
        """Path of a chunk's results, present or not."""
        return self.path / self._chunks[chunk_id].result_file

    def vectors(self, chunk_id: str) -> pa.Table:
        """Vectors of a chunk.

        The SHA-256 of its shard is verified at the first use; its pages each time.

        Raises
        ------
        DamagedStoreError
            If the shard is damaged.
        """
        chunk = self._chunks[chunk_id]
        if chunk.shard not in self._verified_shards:
            entry = self.manifest.shards[chunk.shard]
            shards.require_sha256(self.shard_path(chunk), entry.sha256)
            self._verified_shards.add(chunk.shard)
        table = shards.read_chunk(self.shard_path(chunk), chunk.row_group)
        if table.num_rows != chunk.n_rows:
            raise DamagedStoreError(
                f"shard {self.shard_path(chunk)} is damaged: chunk {chunk_id} has "
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
        path = self.result_path(chunk_id)
        table, meta = results.read_result(path)
        if meta.chunk != chunk_id or meta.fingerprint != self.manifest.fingerprint:
            raise DamagedStoreError(
                f"result {path} belongs to chunk {meta.chunk} of sweep {meta.fingerprint[:12]}, "
                f"not to this one. Set it aside with `farm check --repair` and run again"
            )
        return table

    def result_meta(self, chunk_id: str) -> ResultMeta:
        """Footer of a committed chunk."""
        return results.read_meta(self.result_path(chunk_id))

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
            If the disk refuses; the chunk is not committed then.
        """
        chunk = self._chunks[meta.chunk]
        return self.files.publish(chunk.result_file, results.encode_result(outcomes, meta))

    def incidents(self) -> list[dict[str, Any]]:
        """All journalled records by time."""
        return journal.read_journals(self.path)

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


@contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold the right to run in a directory; released by the kernel when the process ends.

    Raises
    ------
    DirectoryBusyError
        If another run holds it.
    """
    lock = path / "run.lock"
    with StoreAccess("lock", lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 64).decode(errors="replace").strip()
            raise DirectoryBusyError(
                f"another run ({holder or 'unknown process'}) is at work in {path}; wait for it, "
                f"stop it, or choose another --out"
            ) from error
        with StoreAccess("write", lock):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def remove_sweep(path: Path) -> None:
    """Remove what the farm wrote in a directory, and nothing else.

    Raises
    ------
    StoreAccessError
        If a file cannot be removed.
    """
    for name in OWN_ENTRIES:
        entry = path / name
        with StoreAccess("remove", entry):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
