"""Verify a sweep directory; reports, and changes nothing.

Checked: sweep.json (format, checksum); every shard (SHA-256, rows, page checksums; ids and groups
recomputed from the parameters); every result (page checksums, digest, rows, ids equal to its
chunk's, footer, sweep); every journal frame; what does not belong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from farm.errors import DamagedStoreError, StoreAccessError
from farm.store.directory import SweepDirectory
from farm.store.files import TEMPORARY, Files
from farm.store.journal import decode_journal, journal_files
from farm.store.location import LocationLike
from farm.store.manifest import FILE_NAME
from sweeps.vector import vector_ids_of_columns

ERROR, NOTE = "damaged", "note"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    severity : str
        ``damaged`` or ``note``; a note needs no action.
    path : str
        Where, below the sweep directory.
    message : str
        What is wrong.
    """

    severity: str
    path: str
    message: str


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes
    ----------
    findings : tuple of Finding
        In the order in which they were found.
    n_vectors, n_chunks, n_committed : int
        What was verified.
    """

    findings: tuple[Finding, ...]
    n_vectors: int
    n_chunks: int
    n_committed: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return all(finding.severity != ERROR for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line for people."""
        n_damaged = sum(finding.severity == ERROR for finding in self.findings)
        state = "sound" if self.is_sound else f"DAMAGED in {n_damaged} places"
        return (
            f"{state}: {self.n_vectors:,} vectors in {self.n_chunks:,} chunks, "
            f"{self.n_committed:,} committed"
        )

    def as_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {"is_sound": self.is_sound, **asdict(self)}


def verify(place: LocationLike | Files) -> CheckResult:
    """Verify a sweep directory.

    Raises
    ------
    StoreAccessError
        If it is no sweep directory or cannot be read.
    DamagedStoreError
        If sweep.json is broken: nothing else can be verified then.
    """
    directory = SweepDirectory.open(place)
    manifest = directory.manifest
    findings = [
        *_check_shards(directory),
        *_check_results(directory),
        *_check_journals(directory.files),
        *_check_strangers(directory),
    ]
    return CheckResult(
        tuple(findings),
        manifest.n_vectors,
        len(directory.chunks()),
        len(directory.committed()),
    )


def _check_shards(directory: SweepDirectory) -> Iterator[Finding]:
    manifest = directory.manifest
    if sum(entry.rows for entry in manifest.shards) != manifest.n_vectors:
        yield Finding(ERROR, FILE_NAME, "n_vectors is not the sum of the shards' rows")
    damaged: set[int] = set()
    fetched: set[int] = set()
    for chunk in directory.chunks():
        if chunk.shard in damaged:
            continue
        file = manifest.shards[chunk.shard].file
        try:
            if chunk.shard not in fetched:
                directory.verify_shard(chunk.shard)
                fetched.add(chunk.shard)
            problem = _problem_of_vectors(directory, chunk.chunk_id)
        except (DamagedStoreError, StoreAccessError) as error:
            # One finding says it for all chunks of the shard.
            damaged.add(chunk.shard)
            problem = str(error)
        if problem:
            yield Finding(ERROR, file, problem)


def _problem_of_vectors(directory: SweepDirectory, chunk_id: str) -> str | None:
    manifest = directory.manifest
    table = directory.vectors(chunk_id)
    params = table.select([axis.name for axis in manifest.axes])
    if vector_ids_of_columns(manifest.op, params) != table["vector_id"].to_pylist():
        return f"chunk {chunk_id}: ids do not match the parameters"
    return None


def _check_results(directory: SweepDirectory) -> Iterator[Finding]:
    committed = sorted(directory.committed())

    def outcomes_of(chunk_id: str) -> pa.Table | str:
        try:
            return directory.outcomes(chunk_id)
        except (DamagedStoreError, StoreAccessError) as error:
            return str(error)

    found = directory.files.each(outcomes_of, committed)
    for chunk_id, outcomes in zip(committed, found, strict=True):
        file = directory.chunk(chunk_id).result_file
        if isinstance(outcomes, str):
            yield Finding(ERROR, file, outcomes)
            continue
        try:
            ids = directory.vectors(chunk_id)["vector_id"].to_pylist()
        except (DamagedStoreError, StoreAccessError):
            # The shard's fault, and reported there; the result itself is whole.
            ids = outcomes["vector_id"].to_pylist()
        if outcomes["vector_id"].to_pylist() != ids:
            yield Finding(ERROR, file, "its vector ids are not those of its chunk")
        is_ok = [status == "OK" for status in outcomes["status"].to_pylist()]
        has_mean = [mean is not None for mean in outcomes["mean_ns"].to_pylist()]
        has_reason = [reason is not None for reason in outcomes["reason"].to_pylist()]
        if is_ok != has_mean or any(a == b for a, b in zip(is_ok, has_reason, strict=True)):
            yield Finding(ERROR, file, "an outcome has neither a measurement nor a reason, or both")


def _check_journals(files: Files) -> Iterator[Finding]:
    names = journal_files(files)
    for name, data in zip(names, files.each(files.read, names), strict=True):
        content = decode_journal(data)
        if content.n_bad:
            yield Finding(ERROR, name, f"{content.n_bad} frames have a wrong checksum")
        if content.is_torn:
            yield Finding(NOTE, name, "its last frame is torn: its writer was killed")


def _check_strangers(directory: SweepDirectory) -> Iterator[Finding]:
    known = {chunk.result_file for chunk in directory.chunks()}
    for name in directory.files.names_in("results"):
        if name not in known:
            yield Finding(NOTE, name, "no chunk of this sweep has such a result; it is ignored")
    n_temporary = len(directory.files.names_in(TEMPORARY))
    if n_temporary:
        yield Finding(NOTE, TEMPORARY, f"{n_temporary} files of writers that died, or are at work")
