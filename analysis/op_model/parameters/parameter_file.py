"""Parameter files: the weights of every operation of one architecture, in one version.

Format, YAML: operation -> attribute set -> weight -> number.  Numbers are core clock cycles per
whatever the weight counts.  The name of a set says when it holds, see
`analysis.op_model.parameters.attribute_sets`; the order of sets in the file matters to readers that
take the last one that holds, so the most special sets come last.  Weights that stand directly below
an operation, as files of the older schema have them, are those of its base set::

    relu6:
      base:
        ublock_weight: 40.5
        tile_weight: 210.0
      approx/vector_r:
        ublock_weight: 120
        tile_weight: 70.0

A version is never edited: `write_parameters` refuses a name that is taken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from analysis.op_model.descriptors.ops import category
from analysis.op_model.parameters.attribute_sets import BASE, split_set_name
from analysis.op_model.parameters.fit_record import (
    FitRecord,
    read_fit_records,
    records_path,
    records_text,
)
from analysis.op_model.parameters.weights import weights_of
from analysis.op_model.parameters.yaml_mapping import (
    Entry,
    Number,
    number_text,
    parse_mapping,
    read_mapping,
)
from farm.errors import FormatError, UsageError
from farm.store.files import TEMPORARY
from farm.store.local_files import LocalFiles

Sets = Mapping[str, Mapping[str, Number]]
"""Attribute set -> weight -> number, in the order of the file."""

Operations = Mapping[str, Sets]
"""Operation -> its sets."""

Records = Mapping[tuple[str, str], FitRecord]
"""Operation and set -> how its weights were fitted."""

_HEADER = """\
# Weights of op models in core clock cycles: operation -> attribute set -> weight.
# Readers that take the last set that holds rely on the order: the most special sets come last.
# Never edit a version: estimates name the file that they come from.  Write a new one.
"""


@dataclass(frozen=True)
class Parameters:
    """One parameter file.

    Attributes
    ----------
    arch : str
        Architecture.
    version : int
        Version, from 1.
    operations : Mapping
        Operation -> set -> weight -> number.
    source : str
        The file, for messages.
    records : Mapping
        What is known about the fits of its sets; empty where nothing is.
    warnings : tuple of str
        What limits the file's worth.
    """

    arch: str
    version: int
    operations: Operations
    source: str
    records: Records = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()


def read_parameters(path: Path, arch: str, version: int) -> Parameters:
    """Read a parameter file, and the record of its fits where there is one.

    Raises
    ------
    UsageError
        If the file cannot be read.
    FormatError
        If an operation, set or weight is unknown, comes twice or is no number.
    """
    operations = _operations(read_mapping(path))
    warnings = [f"{path}: {shadow}" for shadow in shadowed_sets(operations)]
    records, problem = read_fit_records(path, _digest(path))
    if problem:
        warnings.append(problem)
    return Parameters(arch, version, operations, str(path), records, tuple(warnings))


def parse_parameters(text: str, where: str = "parameters") -> Operations:
    """Read the text of a parameter file.

    Raises
    ------
    FormatError
        As `read_parameters`.
    """
    return _operations(parse_mapping(text, where))


def parameters_text(operations: Operations) -> str:
    """Write parameters as a file has them: order kept, every number exactly as given."""
    lines = [_HEADER]
    for op, sets in operations.items():
        lines.append(f"\n{op}:\n")
        for set_name, weights in sets.items():
            lines.append(f"  {set_name}:\n")
            lines += [f"    {name}: {number_text(value)}\n" for name, value in weights.items()]
    return "".join(lines)


def write_parameters(path: Path, operations: Operations, records: Records | None = None) -> None:
    """Write a new parameter file, and what is known about its fits to ``<name>.fits.json``.

    Raises
    ------
    UsageError
        If the name is taken, or the parameters would not load or hold a set that no reader could
        ever choose.
    StoreAccessError
        If the disk refuses.
    """
    text = parameters_text(operations)
    try:
        _operations(parse_mapping(text, str(path)))
    except FormatError as error:
        raise UsageError(f"these parameters would not load: {error}") from error
    shadows = shadowed_sets(operations)
    if shadows:
        raise UsageError(f"{path}: {shadows[0]}; put the most special sets last")
    content = text.encode()
    _publish(path, content)
    if records:
        _publish(records_path(path), records_text(records, sha256(content).hexdigest()).encode())


def shadowed_sets(operations: Operations) -> list[str]:
    """Name the sets that a reader who takes the last one that holds can never choose."""
    found = []
    for op, sets in operations.items():
        names = list(sets)
        for i, name in enumerate(names):
            needs = set(split_set_name(name)) - {BASE}
            later = [n for n in names[i + 1 :] if set(split_set_name(n)) - {BASE} <= needs]
            if later:
                found.append(f"{op}: the set {name} comes before {later[0]}, which always hides it")
    return found


def _publish(path: Path, content: bytes) -> None:
    # A half-written file never has the name, and of two writers one is refused.
    folder = path.parent
    is_new = LocalFiles(folder).publish(path.name, content)
    with contextlib.suppress(OSError):
        (folder / TEMPORARY).rmdir()
    if not is_new:
        raise UsageError(
            f"{path} exists, and a version of parameters is never changed: choose another name"
        )


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _operations(top: Entry) -> dict[str, dict[str, dict[str, Number]]]:
    operations = {}
    for op, entry in top.mapping("operations").items():
        try:
            category(op)
        except UsageError as error:
            raise FormatError(f"{entry.where}: {error}") from error
        operations[op] = _sets(op, entry)
    if not operations:
        raise FormatError(f"{top.where}: the file names no operation")
    return operations


def _sets(op: str, entry: Entry) -> dict[str, dict[str, Number]]:
    below = entry.mapping("attribute sets")
    bare = {name: item for name, item in below.items() if not isinstance(item.value, dict)}
    sets: dict[str, dict[str, Number]] = {}
    if bare:
        if BASE in below:
            raise FormatError(
                f"{entry.where}: {op} has a base set and weights of its own: which ones hold?"
            )
        sets[BASE] = _weights(op, bare)
    for name, item in below.items():
        if name in bare:
            continue
        try:
            split_set_name(name)
        except ValueError as error:
            raise FormatError(f"{item.where}: {op}: {error}") from error
        sets[name] = _weights(op, item.mapping("weights"))
    return sets


def _weights(op: str, entries: Mapping[str, Entry]) -> dict[str, Number]:
    known = weights_of(op)
    for name, entry in entries.items():
        if name not in known:
            raise FormatError(
                f"{entry.where}: {op} has no weight {name!r}; it may have {', '.join(known)}"
            )
    return {name: entry.number() for name, entry in entries.items()}
