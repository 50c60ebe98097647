"""Generate a sweep directory: vectors to shards, then sweep.json.

Streamed: at most one suite's selection and one shard's rows are in memory.  Resumable: the footer
of each shard says where the next begins, so an interrupted generation goes on after the last one.
Deterministic: the shards are the same bytes however often it was interrupted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from farm.catalog import is_imported, load_sweep
from farm.errors import (
    ChangedSweepError,
    DamagedStoreError,
    DifferentSweepError,
    StoreAccessError,
    UsageError,
)
from farm.store.directory import OWN_ENTRIES, SweepDirectory
from farm.store.files import Files, open_files
from farm.store.location import LocationLike
from farm.store.manifest import FILE_NAME, AxisInfo, Manifest, ShardEntry
from farm.store.same_sweep import require_same_sweep
from farm.store.shards import (
    ShardFooter,
    encode_shard,
    read_footer,
    require_sound_pages,
    shard_file,
)
from sweeps.errors import SpecError
from sweeps.generate import SuiteSelection, select, vectors
from sweeps.limits import limited
from sweeps.space import Sweep
from sweeps.suite import OnJudged, Suite, Verdicts

SHARD_ROWS = 1 << 16
"""Vectors per shard, rounded down to whole chunks."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What to generate.

    Attributes
    ----------
    sweep : Sweep
        The sweep after limits and overrides.
    source : str
        Where it was loaded from.
    limits : tuple of str
        The limits as given, for the record.
    stores_ids : bool
        Whether shards hold the ids (16 bytes per vector), or readers derive them.
    """

    sweep: Sweep
    source: str
    limits: tuple[str, ...] = ()
    stores_ids: bool = True


@dataclass
class _Position:
    """Where generation stands: the next suite, the next row of it, and what is behind it."""

    suite: int = 0
    row: int = 0
    first_index: int = 0
    shards: list[ShardEntry] = field(default_factory=list)
    suites: list[dict[str, Any]] = field(default_factory=list)


def open_or_generate(
    place: LocationLike | Files,
    plan: Plan,
    on_progress: Progress | None = None,
    on_judged: OnJudged | None = None,
) -> SweepDirectory:
    """Open the sweep in a directory, generating what is missing of it.

    Parameters
    ----------
    place : str, Path, Location or Files
        The sweep directory; made if it does not exist.
    plan : Plan
        What it must hold.
    on_progress : Callable or None
        Called with (suites done, vectors so far).
    on_judged : Callable or None
        Called with (candidates judged, candidates in all) where a sweep judges them one by one.

    Raises
    ------
    DifferentSweepError
        If the directory holds another sweep.
    StoreAccessError
        If it is not empty and no sweep directory, or the disk refuses.
    UsageError
        If no candidate is valid.
    """
    files = place if isinstance(place, Files) else open_files(place)
    if files.exists(FILE_NAME):
        directory = SweepDirectory.open(files)
        # Of an import the files said which vectors there are; its source alone does not.
        if not (is_imported(plan.source) and plan.source == directory.manifest.source):
            require_same_sweep(directory.manifest, plan.sweep, files.location)
        return directory
    if is_imported(plan.source):
        raise UsageError(f"{plan.source}: imported vectors come from files, by farm import vectors")
    require_usable(files)
    suites = _judged_suites(plan.sweep, on_judged)
    files.create()
    return SweepDirectory(files, _generate(plan, suites, files, on_progress))


def require_usable(place: LocationLike | Files) -> None:
    """Check that a sweep can be generated in a directory.

    Raises
    ------
    StoreAccessError
        If it holds something that is not the farm's, or is none.
    """
    files = place if isinstance(place, Files) else open_files(place)
    foreign = [name for name in files.entries() if name not in OWN_ENTRIES]
    if foreign:
        raise StoreAccessError(
            f"{files.location} is not empty and no sweep directory (it holds "
            f"{', '.join(foreign[:3])}); choose a new or empty directory for --out"
        )


@dataclass(frozen=True)
class _Suites:
    """The suites to generate, what was found out about each, and why others are excluded."""

    included: list[tuple[Suite, Verdicts | None]]
    excluded: dict[str, int]


def _judged_suites(sweep: Sweep, on_judged: OnJudged | None) -> _Suites:
    """Find out all that can fail in the author's code about suites, before anything is written."""
    try:
        suites = list(sweep.suites_with_reasons())
    except Exception as error:
        raise UsageError(f"sweep {sweep.name}: a suite rule failed: {error}") from error
    included = [suite for suite, reason in suites if reason is None]
    verdicts = sweep.judge(included, on_judged) if sweep.judge else [None] * len(included)
    return _Suites(
        list(zip(included, verdicts, strict=True)),
        dict(Counter(reason for _, reason in suites if reason is not None)),
    )


def _generate(plan: Plan, suites: _Suites, files: Files, on_progress: Progress | None) -> Manifest:
    writer = _ShardWriter(plan, files)
    at = writer.at
    for number in range(at.suite, len(suites.included)):
        try:
            selection = select(plan.sweep, *suites.included[number])
            writer.add(selection)
        except SpecError as error:
            raise UsageError(str(error)) from error
        writer.end_suite(selection.summary())
        if on_progress is not None:
            on_progress(number + 1, at.first_index + writer.n_buffered)
    writer.close()
    return _publish_manifest(plan, files, at, suites.excluded)


class _ShardWriter:
    """Buffers vectors and publishes a shard whenever it is full."""

    def __init__(self, plan: Plan, files: Files) -> None:
        self.at = _resume_position(files, plan.sweep)
        self.n_buffered = 0
        self._plan, self._files = plan, files
        chunk_rows = plan.sweep.chunk_rows
        self._shard_rows = max(1, SHARD_ROWS // chunk_rows) * chunk_rows
        self._tables: list[pa.Table] = []
        self._ended: list[dict[str, Any]] = []

    def add(self, selection: SuiteSelection) -> None:
        """Add the vectors of a suite from the present row on."""
        at = self.at
        while at.row < len(selection.kept):
            if self.n_buffered == self._shard_rows:
                self._flush()
            stop = min(len(selection.kept), at.row + self._shard_rows - self.n_buffered)
            self._tables.append(vectors(self._plan.sweep, selection, at.row, stop))
            self.n_buffered += stop - at.row
            at.row = stop

    def end_suite(self, summary: dict[str, Any]) -> None:
        """Go on to the next suite."""
        self.at.suite, self.at.row = self.at.suite + 1, 0
        self._ended.append(summary)

    def close(self) -> None:
        """Publish what is buffered."""
        if self.n_buffered:
            self._flush()
        self.at.suites += self._ended

    def _flush(self) -> None:
        at, sweep = self.at, self._plan.sweep
        table = pa.concat_tables(self._tables)
        if not self._plan.stores_ids:
            table = table.drop_columns("vector_id")
        footer = ShardFooter(
            sweep.fingerprint, len(at.shards), at.first_index, at.suite, at.row, tuple(self._ended)
        )
        content = encode_shard(table, footer, sweep.chunk_rows)
        file = shard_file(footer.number)
        if not self._files.publish(file, content):
            raise DifferentSweepError(
                f"{self._files.location}: another process is generating a sweep here"
            )
        digest = hashlib.sha256(content).hexdigest()
        at.shards.append(ShardEntry(file, table.num_rows, sweep.chunk_rows, len(content), digest))
        at.first_index += table.num_rows
        at.suites += self._ended
        self._tables, self._ended, self.n_buffered = [], [], 0


def _resume_position(files: Files, sweep: Sweep) -> _Position:
    at = _Position()
    while (content := files.read_if_exists(shard_file(len(at.shards)))) is not None:
        where = str(files.location / shard_file(len(at.shards)))
        footer = read_footer(content, where)
        if footer.fingerprint != sweep.fingerprint:
            raise DifferentSweepError(
                f"{files.location} holds the beginning of another sweep (fingerprint "
                f"{footer.fingerprint[:12]}, not {sweep.fingerprint[:12]}). Use another --out, or "
                f"start over with --force-clean"
            )
        if (footer.number, footer.first_index) != (len(at.shards), at.first_index):
            raise DamagedStoreError(f"shard {where} is out of place; start over with --force-clean")
        # What is listed in sweep.json from here on must be what was written.
        require_sound_pages(content, where)
        digest = hashlib.sha256(content).hexdigest()
        file = shard_file(footer.number)
        at.shards.append(ShardEntry(file, footer.rows, sweep.chunk_rows, len(content), digest))
        at.first_index += footer.rows
        at.suite, at.row = footer.next_suite, footer.next_row
        at.suites += footer.suites
    return at


def _publish_manifest(
    plan: Plan, files: Files, at: _Position, excluded: dict[str, int]
) -> Manifest:
    sweep = plan.sweep
    if at.first_index == 0:
        counts: dict[str, int] = dict(excluded)
        for suite in at.suites:
            for reason, n in suite["rejected"].items():
                counts[reason] = counts.get(reason, 0) + n
        reasons = "; ".join(f"{reason} ({n})" for reason, n in counts.items() if n)
        raise UsageError(f"sweep {sweep.name}: no candidate is valid: {reasons or 'no suites'}")
    manifest = Manifest(
        sweep=sweep.name,
        op=sweep.op,
        source=plan.source,
        limits=plan.limits,
        fingerprint=sweep.fingerprint,
        declaration=sweep.declaration(),
        axes=tuple(AxisInfo(a.name, a.kind.value, a.components) for a in sweep.axes),
        features=tuple(feature.name for feature in sweep.features),
        size=sweep.size,
        group_by=sweep.group_by,
        repeats=sweep.repeats,
        timeout_s=sweep.timeout_s,
        n_vectors=at.first_index,
        suites=tuple(at.suites),
        excluded_suites=excluded,
        shards=tuple(at.shards),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if not files.publish(FILE_NAME, manifest.encode()):
        raise DifferentSweepError(
            f"{files.location}: another process has just generated a sweep here"
        )
    return manifest


def plan_of(manifest: Manifest, timeout_s: float | None = None) -> Plan:
    """Return the plan that a generated sweep was made from, ids stored or not.

    Parameters
    ----------
    manifest : Manifest
        Of the sweep.
    timeout_s : float or None
        Another timeout; it does not change which sweep it is.

    Raises
    ------
    FarmError
        If the sweep cannot be loaded any more, or has no longer what it was limited to.
    """
    declared = load_sweep(manifest.source)
    try:
        sweep = limited(declared, list(manifest.limits))
    except SpecError as error:
        raise ChangedSweepError(
            f"the code of {declared.name} was changed after its vectors were generated: {error}. "
            f"Restore it, or generate the sweep anew in another --out"
        ) from error
    chunk_rows = int(manifest.declaration["chunk_rows"])
    sweep = overridden(sweep, manifest.repeats, timeout_s or manifest.timeout_s, chunk_rows)
    return Plan(sweep, manifest.source, tuple(manifest.limits))


def overridden(
    sweep: Sweep, repeats: int | None, timeout_s: float | None, chunk_rows: int | None
) -> Sweep:
    """Apply the command line's overrides to a sweep.

    Raises
    ------
    UsageError
        If one is not positive.
    """
    try:
        return replace(
            sweep,
            repeats=repeats if repeats is not None else sweep.repeats,
            timeout_s=timeout_s if timeout_s is not None else sweep.timeout_s,
            chunk_rows=chunk_rows if chunk_rows is not None else sweep.chunk_rows,
        )
    except SpecError as error:
        raise UsageError(str(error)) from error
