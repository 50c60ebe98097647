"""Vector files of tt-metal: ``{suite: {id: vector}}``.

Two generations are read.  ``branch``: the reshard-modelling branch, where every value is text and
an id is the SHA-224 of the text of a Python dictionary.  ``main``: tt-metal's main line, where
numbers and lists are themselves and objects are ``{"type": ..., "data": ...}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from farm.errors import FormatError
from farm.interchange import reshard_entries
from farm.interchange.input_files import InputFile
from farm.interchange.json_stream import JsonStream, OnRead
from farm.interchange.record_table import FileFacts
from farm.tt_metal.bookkeeping import NEVER_ARGUMENTS
from farm.tt_metal.input_hash import branch_input_hash, input_hash

BRANCH, MAIN = "branch", "main"
_NOT_HASHED = ("timestamp", "input_hash", "tag")
_NOT_PARAMETERS = NEVER_ARGUMENTS - {"device"}
_OBJECTS = ("MemoryConfig", "ShardSpec", "CoreRangeSet", "CoreRange", "CoreCoord")
KNOWN_TYPES = frozenset(
    prefix + name for prefix in ("", "ttnn.", "ttnn._ttnn.tensor.") for name in _OBJECTS
)
"""Types of objects that tt-metal reads back from a vector file."""


@dataclass(frozen=True)
class VectorRecord:
    """One vector as a file holds it.

    Attributes
    ----------
    suite, key : str
        Where it stands.
    entries : Mapping
        Parameters and bookkeeping.
    generation : str
        ``branch`` or ``main``.
    is_reshard : bool
        Whether it is a vector of the sweep ``reshard``.
    """

    suite: str
    key: str
    entries: Mapping[str, Any]
    generation: str
    is_reshard: bool

    @staticmethod
    def of(suite: str, key: str, entries: Mapping[str, Any]) -> VectorRecord:
        """Make a vector, finding out its generation."""
        kinds = {type(value) for name, value in entries.items() if name != "tag"}
        is_branch = kinds == {str} and entries.get("validity", "").startswith("VectorValidity.")
        is_reshard = is_branch and reshard_entries.is_reshard(entries)
        return VectorRecord(suite, key, entries, BRANCH if is_branch else MAIN, is_reshard)

    @property
    def module(self) -> str:
        """Dotted name of its sweep module."""
        return str(self.entries["sweep_name"])

    @property
    def is_valid(self) -> bool:
        """Whether it is to be run."""
        return not str(self.entries.get("validity", "VALID")).endswith("INVALID")

    @property
    def invalid_reason(self) -> str:
        """Why it is not to be run."""
        return str(self.entries.get("invalid_reason") or "invalid")

    @property
    def parameters(self) -> dict[str, Any]:
        """What ``run`` is called with, serialised."""
        return {k: v for k, v in self.entries.items() if k not in _NOT_PARAMETERS}

    @property
    def has_own_hash(self) -> bool:
        """Whether its id is what its entries hash to."""
        hashed = {k: v for k, v in self.entries.items() if k not in _NOT_HASHED}
        make = branch_input_hash if self.generation == BRANCH else input_hash
        return make(hashed) == self.key


class VectorFile:
    """Reads one vector file.

    Parameters
    ----------
    file : InputFile
        Which.
    """

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.facts: FileFacts | None = None

    def records(self, on_read: OnRead | None = None) -> Iterator[VectorRecord]:
        """Yield the vectors in order; `facts` is known afterwards.

        Raises
        ------
        FormatError
            If it is no vector file, with position or vector.
        """
        n, suites = 0, []
        with JsonStream(self.file.path, on_read) as stream:
            if stream.peek() == "[":
                raise stream.refused("a list: that is a result file; use farm import results")
            for suite in stream.members():
                if suite in suites:
                    raise stream.refused(f"suite {suite!r} stands twice in the file")
                suites.append(suite)
                if stream.peek() != "{":
                    raise stream.refused(
                        f"{suite!r} holds no vectors; a vector file is {{suite: {{id: vector}}}}"
                    )
                for key in stream.members():
                    yield self._checked(suite, key, stream.value(), stream)
                    n += 1
            stream.end()
            style = stream.style
            self.facts = FileFacts(self.file.name, n, stream.sha256, style, tuple(suites))

    def _checked(self, suite: str, key: str, entries: Any, stream: JsonStream) -> VectorRecord:
        if not isinstance(entries, dict) or "sweep_name" not in entries:
            raise stream.refused(f"{key!r} of {suite!r} is no vector: it has no sweep_name")
        for name, place in (("suite_name", suite), ("input_hash", key)):
            if entries.get(name) != place:
                said = repr(entries[name]) if name in entries else "missing"
                raise stream.refused(
                    f"vector {key} stands under {place!r}, but its {name} is {said}"
                )
        record = VectorRecord.of(suite, key, entries)
        for name, value in entries.items() if record.generation == MAIN else ():
            unknown = _unknown_type(value)
            if unknown is not None:
                raise stream.refused(
                    f"vector {key}, {name}: unknown type {unknown!r}; known are "
                    f"{', '.join(_OBJECTS)}"
                )
        return record


def _unknown_type(value: Any) -> str | None:
    """Return the type of an object that tt-metal itself could not read back."""
    if isinstance(value, dict):
        if set(value) == {"type", "data"}:
            return None if value["type"] in KNOWN_TYPES else str(value["type"])
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _unknown_type(item)) is not None), None)
    return None


def require_same(record: VectorRecord, first: VectorRecord, name: str) -> None:
    """Check that a vector is of the module and generation of the first one.

    Raises
    ------
    FormatError
        If not.
    """
    if record.module != first.module:
        raise FormatError(
            f"{name}: vector {record.key} is of module {record.module}, the first one of "
            f"{first.module}; import each module into a directory of its own"
        )
    if record.generation != first.generation or record.is_reshard != first.is_reshard:
        raise FormatError(
            f"{name}: vector {record.key} was written by another generation of the sweep framework "
            f"than the first one ({first.key}); import the generations apart"
        )
