"""Repair a sweep directory: set damaged files aside and regenerate shards.

Nothing is deleted.  A damaged result is moved to ``set-aside/``, so that the next run measures its
chunk anew.  A damaged or missing shard is generated again from the sweep's declaration, and put in
place only if its bytes have the SHA-256 that sweep.json lists.  A damaged journal is moved aside;
its whole frames are written to a journal of their own.  A damaged sweep.json cannot be repaired.
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from farm.catalog import is_imported
from farm.errors import FarmError
from farm.generation import open_or_generate, plan_of
from farm.store.check import ERROR, CheckResult, verify
from farm.store.directory import SweepDirectory
from farm.store.journal import decode_journal, encode_frame
from farm.store.location import LocationLike
from sweeps.errors import SpecError


@dataclass(frozen=True)
class RepairResult:
    """What a repair did.

    Attributes
    ----------
    actions : tuple of str
        One line per file.
    after : CheckResult
        What a check finds now.
    """

    actions: tuple[str, ...]
    after: CheckResult


def repair(place: LocationLike) -> RepairResult:
    """Repair what a check finds damaged; the caller holds the run lock.

    Raises
    ------
    DamagedStoreError
        If sweep.json is broken.
    StoreAccessError
        If the disk refuses.
    """
    directory = SweepDirectory.open(place)
    damaged = dict.fromkeys(f.path for f in verify(place).findings if f.severity == ERROR)
    by_file = {chunk.result_file: chunk.chunk_id for chunk in directory.chunks()}
    actions: list[str] = []
    shards = [file for file in damaged if file.startswith("vectors/")]
    if shards:
        actions += _regenerate(directory, shards)
    for file in damaged:
        if file in by_file and not _is_sound(directory, by_file[file]):
            directory.set_aside(by_file[file])
            actions.append(f"{file}: set aside; its chunk will be measured anew")
        elif file.startswith("journal/"):
            actions.append(_mend_journal(directory, file))
    return RepairResult(tuple(actions), verify(place))


def _is_sound(directory: SweepDirectory, chunk_id: str) -> bool:
    """Whether a result is in order now that the shards are."""
    try:
        outcomes, vectors = directory.outcomes(chunk_id), directory.vectors(chunk_id)
    except FarmError:
        return False
    return bool(outcomes["vector_id"].to_pylist() == vectors["vector_id"].to_pylist())


def _regenerate(directory: SweepDirectory, files: list[str]) -> list[str]:
    manifest = directory.manifest
    listed = {entry.file: entry.sha256 for entry in manifest.shards}
    if is_imported(manifest.source):
        return [f"{file}: cannot be regenerated: import the files again" for file in files]
    try:
        plan = plan_of(manifest)
    except (FarmError, SpecError) as error:
        return [f"{file}: cannot be regenerated: {error}" for file in files]
    actions = []
    with tempfile.TemporaryDirectory() as name:
        for stores_ids in (True, False):
            made = open_or_generate(
                Path(name) / str(stores_ids), replace(plan, stores_ids=stores_ids)
            )
            for entry in made.manifest.shards:
                if entry.file in files and entry.sha256 == listed.get(entry.file):
                    directory.replace(entry.file, made.files.read(entry.file))
                    actions.append(f"{entry.file}: regenerated, the very bytes that were lost")
                    files = [file for file in files if file != entry.file]
            if not files:
                return actions
    return actions + [
        f"{file}: cannot be regenerated: the sweep is not what it was" for file in files
    ]


def _mend_journal(directory: SweepDirectory, file: str) -> str:
    records = decode_journal(directory.files.read(file)).records
    mended = f"journal/{PurePosixPath(file).stem}-mended-{secrets.token_hex(4)}.jsonl"
    directory.files.publish(mended, b"".join(encode_frame(record) for record in records))
    directory.files.set_aside(file)
    return f"{file}: set aside; its {len(records)} whole records are in {mended}"
