"""A sweep directory as result files of tt-metal.

If all that was committed was imported from files of the wanted generation, these come back, byte
for byte where a JSON library wrote them.  Otherwise the records are composed of the outcomes;
vectors that are not committed, and those with NO_RESULT, have none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from farm.errors import UsageError
from farm.interchange import reshard_entries
from farm.interchange.file_runs import ChunkTables, FileRuns, file_runs, params_of
from farm.interchange.json_stream import JsonStyle
from farm.interchange.json_writer import array_text
from farm.interchange.kept_records import generations, kept_files
from farm.interchange.result_file import DURATION, XFAIL
from farm.interchange.result_import import CARD, RESULTS
from farm.interchange.vector_export import suite_name, written
from farm.interchange.vector_file import BRANCH
from farm.interchange.vector_keys import keys_of
from farm.interchange.written_file import FileResult, write_text
from farm.outcome import Status
from farm.store.directory import SweepDirectory
from farm.store.results import ResultMeta

_STYLE = JsonStyle()
_NAMES = {
    Status.OK: "pass",
    Status.INVALID: "skipped",
    Status.OP_ERROR: "fail_assert_exception",
    Status.OUT_OF_MEMORY: "fail_l1_out_of_mem",
    Status.HANG: "fail_crash_hang",
    Status.CRASH: "fail_crash_hang",
    Status.UNSUPPORTED: "fail_unsupported_device_perf",
}
"""What our statuses are there; NO_RESULT is no record."""
_INVALID = "INVALID VECTOR"


@dataclass(frozen=True)
class Measured:
    """One vector with its outcome, in tt-metal's words.

    Attributes
    ----------
    key, suite, module : str
        Its id, suite and sweep module there.
    entries : Mapping
        Its entries up to what is hashed.
    outcome : Mapping
        A row of the results.
    meta : ResultMeta
        Footer of its chunk.
    """

    key: str
    suite: str
    module: str
    entries: Mapping[str, Any]
    outcome: Mapping[str, Any]
    meta: ResultMeta

    @property
    def status(self) -> str:
        """Its status there."""
        reason = self.outcome["reason"] or ""
        if self.suite.startswith("xfail"):
            if self.outcome["status"] == Status.OK:
                return "xpass"
            if reason.startswith(XFAIL):
                return "xfail"
        return _NAMES[Status(self.outcome["status"])]

    @property
    def exception(self) -> str | None:
        """Why it failed, as it is written there."""
        reason: str | None = self.outcome["reason"]
        if reason is not None and self.outcome["status"] == Status.INVALID:
            return reason if reason.startswith(_INVALID) else f"{_INVALID}: {reason}"
        return None if reason is None else reason.removeprefix(f"{XFAIL}: ")

    @property
    def n_runs(self) -> int:
        """Launches that the mean is over."""
        durations = self.outcome["durations_ns"]
        return len(durations) if durations else int(self.meta.device["details"].get("runs", 1))

    @property
    def git_hash(self) -> str:
        """Commit of the checkout that was run."""
        return str(self.meta.device.get("software", {}).get("tt-metal commit", "n/a"))[:7]


def export_results(
    directory: SweepDirectory, generation: str, folder: Path
) -> Iterator[FileResult]:
    """Write result files below a folder, and say after each how it went.

    Raises
    ------
    UsageError
        If nothing is committed, or the generation has no such vectors.
    DamagedStoreError
        If a file of the directory is damaged.
    """
    committed = directory.committed()
    chunks = [chunk.chunk_id for chunk in directory.chunks() if chunk.chunk_id in committed]
    if not chunks:
        raise UsageError(f"{directory.location} has no results yet; run it first")
    if _is_all_imported(directory, chunks, generation):
        for file in kept_files(directory.files, RESULTS):
            style = file.facts.style
            text = array_text(file.records(), style)
            yield write_text(folder, file.facts.name, _ended(text, style), file.facts)
        return
    if generation == BRANCH and directory.manifest.op != reshard_entries.OP:
        raise UsageError(
            f"reshard-results are of the sweep reshard, not of {directory.manifest.sweep}; use "
            f"--format tt-metal-results"
        )
    compose = _branch_record if generation == BRANCH else _main_record
    tables = ChunkTables(directory)
    file_of = _file_of(directory, generation, chunks[0])
    for runs in file_runs(directory, chunks, file_of):
        records = (compose(one) for one in _measured(directory, tables, runs))
        yield write_text(folder, runs.name, array_text(records, _STYLE), None)


def _ended(text: Iterator[str], style: JsonStyle) -> Iterator[str]:
    yield from text
    yield style.end


def _is_all_imported(directory: SweepDirectory, chunks: list[str], generation: str) -> bool:
    return generations(directory.files, RESULTS) == {generation} and all(
        meta.card == CARD for meta in directory.result_metas(chunks)
    )


def _file_of(
    directory: SweepDirectory, generation: str, first_chunk: str
) -> Callable[[dict[str, Any]], str]:
    if generation == BRANCH:
        return reshard_entries.file_of
    module = _module_of(directory)
    started = datetime.fromisoformat(directory.result_meta(first_chunk).started_at)
    digest = hashlib.sha256(module.encode()).hexdigest()[:12]
    name = f"{module.partition('.')[0]}_{digest}_{started:%Y%m%d_%H%M%S}.json"
    return lambda _: name


def _module_of(directory: SweepDirectory) -> str:
    op = directory.manifest.op
    return reshard_entries.MODULE if op == reshard_entries.OP else op


def _measured(directory: SweepDirectory, tables: ChunkTables, runs: FileRuns) -> Iterator[Measured]:
    for suite, places in runs.suites.items():
        name = suite_name(directory, suite, runs, tables)
        for run in places:
            found = tables.measured(run)
            rows = found.outcomes.to_pylist()
            keys = keys_of(directory.manifest, found.vectors)
            params = params_of(directory, found.vectors)
            for key, one, outcome in zip(keys, params, rows, strict=True):
                if outcome["status"] != Status.NO_RESULT:
                    entries = written(directory, suite, one)
                    yield Measured(key, name, _module_of(directory), entries, outcome, found.meta)


def _branch_record(one: Measured) -> dict[str, Any]:
    record: dict[str, Any] = {
        "sweep_name": one.module,
        "suite_name": one.suite,
        "vector_id": one.key,
        "input_hash": one.key,
        "status": f"TestStatus.{one.status.upper()}".replace("SKIPPED", "NOT_RUN"),
    }
    if one.exception is None:
        perf = {DURATION: one.outcome["mean_ns"], f"{DURATION}_std": one.outcome["std_ns"]}
        known = {name: value for name, value in perf.items() if value is not None}
        record |= {"message": "", "device_perf": {**known, "runs": one.n_runs}}
    else:
        record |= {"exception": one.exception}
    return {**record, "e2e_perf": "None", "git_hash": one.git_hash}


def _main_record(one: Measured) -> dict[str, Any]:
    first, *_, last = [*one.module.split("."), one.module.split(".")[-1]]
    started: datetime = one.outcome["started_at"]
    spent_ns = sum(one.outcome["durations_ns"] or [one.outcome["mean_ns"] or 0.0])
    error = one.exception
    is_measured = error is None
    metrics = [{"metric_name": f"device_{DURATION}", "metric_value": one.outcome["mean_ns"]}]
    return {
        "github_job_id": None,
        "full_test_name": one.module,
        "test_start_ts": _time(started),
        "test_end_ts": _time(started + timedelta(microseconds=spent_ns / 1000)),
        "test_case_name": one.suite,
        "filepath": one.module,
        "success": one.status in ("pass", "xpass"),
        "skipped": one.status == "skipped",
        "error_message": error,
        "error_hash": hashlib.sha256(error.encode()).hexdigest() if error else None,
        "config": None,
        "frontend": "ttnn.op",
        "model_name": "n/a",
        "op_kind": first,
        "op_name": last,
        "framework_op_name": "sweep",
        "inputs": None,
        "outputs": None,
        "op_params": None,
        "git_sha": one.git_hash,
        "status": one.status,
        "card_type": f"{one.meta.device.get('arch') or one.meta.device.get('kind')} (1 device)",
        "backend": "n/a",
        "data_source": "ttnn op test",
        "input_hash": one.key,
        "message": "" if is_measured else None,
        "exception": error,
        "metrics": metrics if is_measured else [],
        "op_params_set": [
            parameter
            for name, value in _read_back(one).items()
            if name not in ("suite_name", "sweep_name")
            for parameter in _op_params(name, value)
        ],
    }


def _read_back(one: Measured) -> dict[str, Any]:
    """Return the entries as tt-metal reads them: a list that was written as text is a list."""
    is_reshard = one.module == reshard_entries.MODULE and isinstance(one.entries["shape"], str)
    shape = {"shape": json.loads(one.entries["shape"])} if is_reshard else {}
    return {**one.entries, **shape}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def _op_params(name: str, value: Any) -> Iterator[dict[str, Any]]:
    """Write a parameter: objects by dotted names, numbers as floats, lists as JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _op_params(f"{name}.{key}", item)
        return
    is_number = isinstance(value, int | float)
    yield {
        "param_name": name,
        "param_value_numeric": float(value) if is_number else None,
        "param_value_text": None if is_number or isinstance(value, list) else str(value),
        "param_value_json": value if isinstance(value, list) else None,
    }
