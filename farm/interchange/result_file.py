"""Result files of tt-metal: a list of records, one per run of a vector.

Two generations are read.  ``branch``, of the reshard-modelling branch: ``device_perf`` holds mean
and standard deviation over ``runs`` launches.  ``main``, of tt-metal's main line (OpTest): metrics
of one run.  What a record says is judged in one table each for statuses and for durations; nothing
is guessed from texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from farm.errors import FormatError
from farm.interchange.input_files import InputFile
from farm.interchange.json_stream import JsonStream, OnRead
from farm.interchange.record_table import FileFacts
from farm.interchange.vector_file import BRANCH, MAIN
from farm.outcome import Status

DURATION = "DEVICE KERNEL DURATION [ns]"
_STD = f"{DURATION}_std"
_METRICS = tuple(f"device_{DURATION}{suffix}" for suffix in ("", "_cached", "_uncached"))
"""Where a main-line record may have the duration; the first that it has counts."""

STATUSES = {
    "pass": Status.OK,
    "success": Status.OK,
    "xpass": Status.OK,
    "fail_assert_exception": Status.OP_ERROR,
    "fail_non_deterministic": Status.OP_ERROR,
    "xfail": Status.OP_ERROR,
    "error": Status.OP_ERROR,
    "compile_failed": Status.OP_ERROR,
    "run_failed": Status.OP_ERROR,
    "golden_failed": Status.OP_ERROR,
    "fail_l1_out_of_mem": Status.OUT_OF_MEMORY,
    "fail_crash_hang": Status.HANG,
    "fail_watcher": Status.CRASH,
    "fail_unsupported_device_perf": Status.UNSUPPORTED,
    "not_run": Status.NO_RESULT,
    "skipped": Status.NO_RESULT,
}
"""What their statuses are here; ``TestStatus.`` and case do not count."""

XFAIL = "failed as expected (xfail)"


@dataclass(frozen=True, slots=True)
class Result:
    """What a record says about its vector.

    Attributes
    ----------
    key : str
        Id of the vector.
    status : Status
        What became of it.
    reason : str or None
        Why it is not OK.
    mean_ns, std_ns : float
        Over the launches; NaN where unknown.
    n_runs : int
        Launches; 0 without a measurement.
    started_us : int
        Microseconds since 1970, -1 where unknown.
    is_list : bool
        Whether its measurement stood in a list of its own.
    is_untrusted : bool
        Whether the record passed without a measurement, or with one that cannot be.
    """

    key: str
    status: Status
    reason: str | None = None
    mean_ns: float = math.nan
    std_ns: float = math.nan
    n_runs: int = 0
    started_us: int = -1
    is_list: bool = False
    is_untrusted: bool = False


class ResultFile:
    """Reads one result file.

    Parameters
    ----------
    file : InputFile
        Which.
    """

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.facts: FileFacts | None = None

    def records(self, on_read: OnRead | None = None) -> Iterator[Any]:
        """Yield the records in order; `facts` is known afterwards.

        Raises
        ------
        FormatError
            If it is no result file, with position.
        """
        n = 0
        with JsonStream(self.file.path, on_read) as stream:
            if stream.peek() == "{":
                raise stream.refused("no list: that may be a vector file; give it by --vectors")
            for _ in stream.array():
                record = stream.value()
                if not isinstance(record, dict) or "status" not in record:
                    raise stream.refused(f"record {n} is no result: it has no status")
                yield record
                n += 1
            stream.end()
            self.facts = FileFacts(self.file.name, n, stream.sha256, stream.style)


def generation_of(record: Mapping[str, Any]) -> str:
    """Return the generation that wrote a record."""
    return MAIN if "metrics" in record or "full_test_name" in record else BRANCH


def judge(record: Mapping[str, Any], where: str) -> Result:
    """Say what a record means.

    Parameters
    ----------
    record : Mapping
        As read.
    where : str
        File and number, for errors.

    Raises
    ------
    FormatError
        If it names no vector, or an unknown status.
    """
    key = record.get("input_hash") or record.get("vector_id")
    if not isinstance(key, str):
        raise FormatError(f"{where}: neither input_hash nor vector_id names its vector")
    written = str(record["status"])
    name = written.removeprefix("TestStatus.").lower()
    if name not in STATUSES:
        raise FormatError(f"{where}, vector {key}: unknown status {written!r}")
    status = STATUSES[name]
    result = Result(key, status, started_us=_started_us(record.get("test_start_ts")))
    if status is not Status.OK:
        said = record.get("exception") or record.get("error_message") or written
        said = f"{XFAIL}: {said}" if name == "xfail" else str(said)
        if said.startswith("INVALID VECTOR"):
            return replace(result, status=Status.INVALID, reason=said)
        return replace(result, reason=said)
    is_main = generation_of(record) == MAIN
    return _measured(result, *(_of_metrics(record) if is_main else _of_device_perf(record)))


def _measured(result: Result, mean_ns: Any, std_ns: Any, n_runs: Any, is_list: bool) -> Result:
    """Take in a measurement, if it can be one."""
    if mean_ns is None:
        reason = "passed, without a kernel duration of the card"
        return replace(result, status=Status.NO_RESULT, reason=reason, is_untrusted=True)
    is_number = all(type(value) in (int, float) for value in (mean_ns, std_ns, n_runs))
    if not is_number or not (0 < mean_ns < math.inf) or std_ns < 0 or n_runs < 1:
        reason = f"passed with the measurement {mean_ns!r} +- {std_ns!r} ns of {n_runs!r} launches"
        return replace(result, status=Status.NO_RESULT, reason=reason, is_untrusted=True)
    return replace(
        result, mean_ns=float(mean_ns), std_ns=float(std_ns), n_runs=int(n_runs), is_list=is_list
    )


def _of_device_perf(record: Mapping[str, Any]) -> tuple[Any, Any, Any, bool]:
    perf = record.get("device_perf")
    is_list = isinstance(perf, list)
    if isinstance(perf, list):
        perf = perf[0] if len(perf) == 1 else {DURATION: f"{len(perf)} measurements"}
    if not isinstance(perf, dict):
        return None, None, None, is_list
    n_runs = perf.get("runs", 1)
    return perf.get(DURATION), perf.get(_STD, math.nan), n_runs, is_list


def _of_metrics(record: Mapping[str, Any]) -> tuple[Any, Any, Any, bool]:
    metrics = record.get("metrics") or []
    values = {metric.get("metric_name"): metric.get("metric_value") for metric in metrics}
    mean_ns = next((values[name] for name in _METRICS if values.get(name) is not None), None)
    return mean_ns, math.nan, 1, False


def _started_us(text: Any) -> int:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return -1
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1e6)
