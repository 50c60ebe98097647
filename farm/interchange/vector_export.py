"""A sweep directory as vector files of tt-metal.

Imported vectors go back into the files that they came from, byte for byte where a JSON library
wrote these.  Others are written as the framework would have: those of ``reshard`` as the
reshard-modelling branch does, one file per pair of grids; those of a sweep module as tt-metal's
main line does, one file per module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from farm.interchange import reshard_entries
from farm.interchange.file_runs import ChunkTables, FileRuns, file_runs, params_of
from farm.interchange.json_stream import JsonStyle
from farm.interchange.json_writer import object_text, record_text
from farm.interchange.kept_records import KeptFile, kept_files
from farm.interchange.vector_import import VECTORS
from farm.interchange.vector_keys import keys_of
from farm.interchange.written_file import FileResult, write_text
from farm.store.directory import SweepDirectory
from farm.tt_metal.bookkeeping import entries
from farm.tt_metal.parameters import parameter_name
from farm.tt_metal.serialisation import value_of
from sweeps.axis import AxisKind

_STYLE = JsonStyle()


def export_vectors(directory: SweepDirectory, folder: Path) -> Iterator[FileResult]:
    """Write vector files below a folder, and say after each how it went.

    Raises
    ------
    UsageError
        If tt-metal has no ids for such vectors.
    DamagedStoreError
        If a file of the directory is damaged.
    """
    kept = list(kept_files(directory.files, VECTORS))
    if kept:
        for file in kept:
            yield write_text(folder, file.facts.name, _kept_text(file), file.facts)
        return
    chunks = [chunk.chunk_id for chunk in directory.chunks()]
    tables = ChunkTables(directory)
    for runs in file_runs(directory, chunks, lambda params: _file_of(directory, params)):
        yield write_text(folder, runs.name, _text(directory, tables, runs), None)


def _kept_text(file: KeptFile) -> Iterator[str]:
    style = file.facts.style
    by_suite = groupby(file.records(), key=lambda record: record["suite_name"])
    here = next(by_suite, None)

    def members() -> Iterator[tuple[str, Iterator[str]]]:
        nonlocal here
        for suite in file.facts.suites:
            if here is None or here[0] != suite:
                yield suite, iter(["{}"])
                continue
            records = ((r["input_hash"], iter([record_text(r, style, 2)])) for r in here[1])
            yield suite, object_text(records, style, 1)
            here = next(by_suite, None)

    yield from object_text(members(), style)
    yield style.end


def _file_of(directory: SweepDirectory, params: Mapping[str, Any]) -> str:
    if directory.manifest.op == reshard_entries.OP:
        return reshard_entries.file_of(params)
    return f"{directory.manifest.op}.json"


def _text(directory: SweepDirectory, tables: ChunkTables, runs: FileRuns) -> Iterator[str]:
    def vectors(suite: str) -> Iterator[tuple[str, Iterator[str]]]:
        for run in runs.suites[suite]:
            table = tables.vectors(run)
            keys = keys_of(directory.manifest, table)
            for key, params in zip(keys, params_of(directory, table), strict=True):
                vector = {**written(directory, suite, params), **_stamp(directory, key)}
                yield key, iter([record_text(vector, _STYLE, 2)])

    members = (
        (suite_name(directory, suite, runs, tables), object_text(vectors(suite), _STYLE, 1))
        for suite in runs.suites
    )
    yield from object_text(members, _STYLE)


def suite_name(directory: SweepDirectory, suite: str, runs: FileRuns, tables: ChunkTables) -> str:
    """Return what tt-metal calls a suite."""
    if directory.manifest.op != reshard_entries.OP:
        return suite
    table = tables.vectors(runs.suites[suite][0])
    return reshard_entries.suite_of(params_of(directory, table.slice(0, 1))[0])


def written(directory: SweepDirectory, suite: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a vector up to what is hashed."""
    manifest = directory.manifest
    if manifest.op == reshard_entries.OP:
        branch_suite = reshard_entries.suite_of(params)
        return {**reshard_entries.entries_of(params), **reshard_entries.bookkeeping(branch_suite)}
    texts = {axis.name for axis in manifest.axes if axis.kind == AxisKind.STR}
    values = {
        parameter_name(name): value_of(value) if name in texts else value
        for name, value in params.items()
    }
    return {**values, **entries(suite, manifest.op)}


def _stamp(directory: SweepDirectory, key: str) -> dict[str, str | None]:
    created = datetime.fromisoformat(directory.manifest.created)
    return {"timestamp": f"{created:%Y-%m-%d_%H-%M-%S}", "input_hash": key, "tag": None}
