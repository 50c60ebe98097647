"""What result files say about the vectors of a sweep, found before anything is written."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from farm.errors import FormatError
from farm.interchange.input_files import InputFile, ReadProgress
from farm.interchange.record_table import FileFacts, LeafTypes, leaves_of
from farm.interchange.result_file import Result, ResultFile, generation_of, judge
from farm.interchange.vector_file import MAIN
from farm.interchange.vector_survey import digest_of
from farm.outcome import Status

_MOST_REASON_CHARACTERS = 2000
_STATUSES = list(Status)

_BLOCK = 1 << 16

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with imported results.

    Attributes
    ----------
    n : int
        How many records or vectors.
    what : str
        What is wrong, and what becomes of them.
    example : str
        One of them.
    """

    n: int
    what: str
    example: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.n:,} {self.what} (such as {self.example})"


@dataclass
class ResultSurvey:
    """What a first pass over result files found; one item per record.

    Attributes
    ----------
    inputs : sequence of InputFile
        The files.
    known : ndarray
        Digests of the ids of the vectors of the sweep, in order, shape (n,), uint64.
    generation : str
        Which wrote the first record.
    types : LeafTypes
        Of all records.
    files : list of FileFacts
        What is known of each file.
    reasons : dict
        Each reason, numbered.
    arches, commits : Counter
        Card types, and commits of tt-metal, that the records name.
    """

    inputs: Sequence[InputFile]
    known: npt.NDArray[np.uint64]
    generation: str = ""
    types: LeafTypes = field(default_factory=LeafTypes)
    files: list[FileFacts] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    arches: Counter[str] = field(default_factory=Counter)
    commits: Counter[str] = field(default_factory=Counter)
    _digests: array[int] = field(default_factory=lambda: array("Q"))
    _statuses: array[int] = field(default_factory=lambda: array("b"))
    _means: array[float] = field(default_factory=lambda: array("d"))
    _stds: array[float] = field(default_factory=lambda: array("d"))
    _runs: array[int] = field(default_factory=lambda: array("i"))
    _starts: array[int] = field(default_factory=lambda: array("q"))
    _reasons: array[int] = field(default_factory=lambda: array("i"))
    _lists: array[int] = field(default_factory=lambda: array("b"))
    _untrusted: array[int] = field(default_factory=lambda: array("b"))

    def __len__(self) -> int:
        """Count the records."""
        return len(self._digests)

    def add(self, result: Result) -> None:
        """Take in a record."""
        reason = (result.reason or "")[:_MOST_REASON_CHARACTERS]
        self._digests.append(digest_of(result.key))
        self._statuses.append(_STATUSES.index(result.status))
        self._means.append(result.mean_ns)
        self._stds.append(result.std_ns)
        self._runs.append(result.n_runs)
        if self.generation == MAIN:  # the other one tells no times
            self._starts.append(result.started_us)
        self._reasons.append(self.reasons.setdefault(reason, len(self.reasons)))
        self._lists.append(result.is_list)
        self._untrusted.append(result.is_untrusted)

    @cached_property
    def index(self) -> Ints:
        """Vector of each record, -1 where the sweep has none, shape (records,)."""
        digests = np.frombuffer(self._digests, np.uint64)
        order = np.argsort(self.known, kind="stable").astype(np.int32)
        index = np.empty(len(digests), np.int32)
        for start in range(0, len(digests), _BLOCK):
            block = digests[start : start + _BLOCK]
            at = np.searchsorted(self.known, block, sorter=order)
            found = order[np.minimum(at, len(order) - 1)]
            index[start : start + _BLOCK] = np.where(self.known[found] == block, found, -1)
        return index

    @cached_property
    def n_runs(self) -> int:
        """Launches that most measurements are over; 0 without any."""
        runs = np.frombuffer(self._runs, np.int32)
        values, counts = np.unique(runs[runs > 0], return_counts=True)
        return int(values[np.argmax(counts)]) if len(values) else 0

    @cached_property
    def _is_inconsistent(self) -> npt.NDArray[np.bool_]:
        runs = np.frombuffer(self._runs, np.int32)
        is_inconsistent: npt.NDArray[np.bool_] = (runs > 0) & (runs != self.n_runs)
        return is_inconsistent

    @cached_property
    def last(self) -> Ints:
        """Record that counts for each vector, -1 where there is none, shape (vectors,)."""
        last = np.full(len(self.known), -1, np.int32)
        known = np.flatnonzero(self.index >= 0).astype(np.int32)
        # Of several assignments to one place NumPy keeps the last.
        last[self.index[known]] = known
        return last

    def findings(self) -> list[Finding]:
        """Say what is wrong."""
        index = self.index
        is_known = index >= 0
        is_missing = self.last < 0
        is_superseded = is_known.copy()
        is_superseded[self.last[~is_missing]] = False
        runs = self.n_runs
        checks = [
            (~is_known, "results of vectors that are not in the sweep: kept as records only"),
            (is_superseded, "results of vectors that have a later one: the last counts"),
            (
                self._is_inconsistent,
                f"results over another number of launches than the {runs} of most: launches of "
                f"other vectors are mixed in, so they are NO_RESULT",
            ),
            (
                np.frombuffer(self._untrusted, np.int8) == 1,
                "results that passed without a measurement, or with one that cannot be: NO_RESULT",
            ),
            (
                np.frombuffer(self._lists, np.int8) == 1,
                "results in a list of their own, as written with a chunk size of 1: taken out",
            ),
        ]
        found = [
            Finding(int(mask.sum()), what, self._place(int(np.argmax(mask))))
            for mask, what in checks
            if mask.any()
        ]
        if is_missing.any():
            n = int(is_missing.sum())
            example = f"vector number {int(np.argmax(is_missing)):,}"
            found.append(Finding(n, f"of {len(is_missing):,} vectors have no result", example))
        return found

    def _place(self, record: int) -> str:
        for file in self.files:
            if record < file.n_records:
                return f"{file.name}, record {record:,}"
            record -= file.n_records
        raise IndexError(record)

    def of_vectors(self, start: int, stop: int) -> VectorResults:
        """Return what counts for the vectors ``start..stop``, half-open."""
        record = self.last[start:stop]
        has = record >= 0
        at = np.maximum(record, 0)
        texts = list(self.reasons)
        status = np.frombuffer(self._statuses, np.int8)[at].copy()
        reasons = [texts[i] for i in np.frombuffer(self._reasons, np.int32)[at].tolist()]
        runs = np.frombuffer(self._runs, np.int32)[at]
        no_result = _STATUSES.index(Status.NO_RESULT)
        for row in np.flatnonzero(~has | self._is_inconsistent[at]).tolist():
            status[row] = no_result
            reasons[row] = (
                f"measured over {runs[row]} launches where most results have {self.n_runs}: "
                f"launches of other vectors are mixed in"
                if has[row]
                else "the imported files have no result of it"
            )
        return VectorResults(
            has,
            [_STATUSES[i] for i in status.tolist()],
            reasons,
            np.frombuffer(self._means, np.float64)[at],
            np.frombuffer(self._stds, np.float64)[at],
            np.where(has, self._started_us(at), -1),
        )

    def _started_us(self, records: Ints) -> npt.NDArray[np.int64]:
        if not self._starts:
            return np.full(len(records), -1, np.int64)
        return np.frombuffer(self._starts, np.int64)[records]


@dataclass(frozen=True)
class VectorResults:
    """What became of some vectors, one item each.

    Attributes
    ----------
    has_result : ndarray
        Whether the files have one, shape (n,), bool.
    statuses, reasons : list
        `Status`, and why it is not OK.
    mean_ns, std_ns : ndarray
        Shape (n,), float64, NaN where unknown.
    started_us : ndarray
        Microseconds since 1970, -1 where unknown, shape (n,), int64.
    """

    has_result: npt.NDArray[np.bool_]
    statuses: list[Status]
    reasons: list[str]
    mean_ns: Floats
    std_ns: Floats
    started_us: npt.NDArray[np.int64]


def survey(
    inputs: Sequence[InputFile],
    known: npt.NDArray[np.uint64],
    progress: ReadProgress | None,
) -> ResultSurvey:
    """Read result files without writing anything.

    Parameters
    ----------
    inputs : Sequence of InputFile
        The files.
    known : ndarray
        Digests of the ids of the vectors of the sweep.
    progress : ReadProgress or None
        Told what is read.

    Raises
    ------
    FormatError
        If a file is malformed or of mixed generations, or has a record that cannot be stored; or
        if no record belongs to a vector of the sweep.
    """
    found = ResultSurvey(inputs, known)
    for source in inputs:
        file = ResultFile(source)
        for n, record in enumerate(file.records(progress)):
            where = f"{source.path}, record {n}"
            generation = generation_of(record)
            found.generation = found.generation or generation
            if generation != found.generation:
                raise FormatError(
                    f"{where}: written by the {generation} generation of the sweep framework, the "
                    f"first record by {found.generation}; import the generations apart"
                )
            try:
                found.types.add(leaves_of(record))
            except ValueError as error:
                raise FormatError(f"{where}: {error}") from error
            found.add(judge(record, where))
            found.arches[str(record.get("card_type") or "")] += 1
            found.commits[str(record.get("git_hash") or record.get("git_sha") or "")] += 1
        found.files += [file.facts] if file.facts else []
    if len(found) and not (found.index >= 0).any():
        raise FormatError(
            f"{inputs[0].path}: none of the {len(found):,} results belongs to a vector of the "
            f"sweep; are these the vectors that were run?"
        )
    return found
