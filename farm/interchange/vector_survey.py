"""What vector files hold, found in a first pass before anything is written."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from farm.errors import FormatError
from farm.interchange.input_files import InputFile, ReadProgress
from farm.interchange.record_table import FileFacts, LeafTypes, leaves_of
from farm.interchange.vector_file import VectorFile, VectorRecord, require_same
from farm.interchange.vector_parameters import VectorParameters


def digest_of(key: str) -> int:
    """Return 64 bits that stand for an id in memory."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


@dataclass
class VectorSurvey:
    """What a first pass over vector files found.

    Attributes
    ----------
    inputs : sequence of InputFile
        The files.
    first : VectorRecord
        The first vector: all are of its module and generation.
    parameters : VectorParameters
        Of the valid vectors.
    types : LeafTypes
        Of all records.
    files : list of FileFacts
        What is known of each file.
    n_by_suite : dict
        Suite -> records, and those of them that are valid.
    rejected : dict
        Suite -> reason -> invalid records.
    digests : array
        Of the ids of the valid vectors, in order.
    n_foreign_ids : int
        Vectors whose id is not what their entries hash to.
    """

    inputs: Sequence[InputFile]
    first: VectorRecord
    parameters: VectorParameters = field(default_factory=VectorParameters)
    types: LeafTypes = field(default_factory=LeafTypes)
    files: list[FileFacts] = field(default_factory=list)
    n_by_suite: dict[str, list[int]] = field(default_factory=dict)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    digests: array[int] = field(default_factory=lambda: array("Q"))
    n_foreign_ids: int = 0

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """Digests of the ids of the vectors, shape (n,)."""
        return np.frombuffer(self.digests, np.uint64)

    def add(self, record: VectorRecord) -> None:
        """Take in a vector.

        Raises
        ------
        ValueError
            If it cannot be a vector here.
        """
        self.types.add(leaves_of(record.entries))
        self.n_foreign_ids += not record.has_own_hash
        counts = self.n_by_suite.setdefault(record.suite, [0, 0])
        counts[0] += 1
        if not record.is_valid:
            reasons = self.rejected.setdefault(record.suite, {})
            reasons[record.invalid_reason] = reasons.get(record.invalid_reason, 0) + 1
            return
        counts[1] += 1
        self.parameters.add(record)
        self.digests.append(digest_of(record.key))


def survey(inputs: Sequence[InputFile], progress: ReadProgress | None) -> VectorSurvey:
    """Read vector files without writing anything.

    Parameters
    ----------
    inputs : Sequence of InputFile
        The files.
    progress : ReadProgress or None
        Told what is read.

    Raises
    ------
    FormatError
        If a file is malformed, of another kind, module or generation, or has a vector that cannot
        be stored; the message names file and position or vector.
    """
    found: VectorSurvey | None = None
    facts: list[FileFacts] = []
    for source in inputs:
        file = VectorFile(source)
        for record in file.records(progress):
            if found is None:
                found = VectorSurvey(inputs, record)
            require_same(record, found.first, source.name)
            try:
                found.add(record)
            except ValueError as error:
                raise FormatError(f"{source.path}: vector {record.key}: {error}") from error
        facts += [file.facts] if file.facts else []
    if found is None or not found.digests:
        raise FormatError(f"{inputs[0].path}: no valid vector is in the files")
    found.files = facts
    _require_distinct(found)
    return found


def _require_distinct(found: VectorSurvey) -> None:
    values, counts = np.unique(found.ids, return_counts=True)
    if len(values) == len(found.ids):
        return
    doubled = int(values[counts > 1][0])
    places = [
        (record.key, source.path)
        for source in found.inputs
        for record in VectorFile(source).records()
        if record.is_valid and digest_of(record.key) == doubled
    ]
    (key, first), (_, second) = places[:2]
    where = f"twice in {first}" if first == second else f"in {first} and in {second}"
    raise FormatError(
        f"vector {key} stands {where}; {int((counts > 1).sum()):,} vectors are doubled. Import "
        f"each vector once"
    )
