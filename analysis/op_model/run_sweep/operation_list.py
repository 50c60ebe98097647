"""Which operations to sweep: the default ones or those of a file, and a choice of them.

The file is a JSON list.  Each item has ``op_type`` and ``op_name``, and may have

======================== ========================================================================
``data_file``            name of the CSV file; default: the name, ``-op-performance.csv``
``config_overrides``     variable -> its values, see `sweeps.op_model.op_types`
``op_config_file``       JSON file of such variables, relative to the list; overrides win
``additional_arguments`` {"default": text}: ``--random-seed N`` counts; what tells how the original
                         program runs a test has no meaning here and is warned about
======================== ========================================================================
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farm.errors import UsageError
from sweeps.errors import SpecError, did_you_mean
from sweeps.op_model.operation import Operation

_SEED = "--random-seed"


def read_operations(path: Path) -> tuple[list[Operation], list[str]]:
    """Read a list of operations.

    Returns
    -------
    tuple
        The operations, and what was passed over.

    Raises
    ------
    UsageError
        If the file cannot be read, or is no such list; the message names the item.
    """
    items = _json(path)
    if not isinstance(items, list) or not items:
        raise UsageError(f"{path}: write a JSON list of operations, with one at least")
    warnings: list[str] = []
    operations = []
    for i, item in enumerate(items):
        where = f"{path}: operation {i}"
        is_object = isinstance(item, dict)
        own = _resolved(item, path.parent, where, warnings) if is_object else item
        try:
            operations.append(Operation.from_json(own, where))
        except SpecError as error:
            raise UsageError(str(error)) from error
    for role in ("op_name", "data_file"):
        names = [getattr(operation, role) for operation in operations]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise UsageError(
                    f"{path}: operations {names.index(name)} and {i} both have the {role} {name!r}"
                )
    return operations, warnings


def _resolved(
    item: dict[str, Any], folder: Path, where: str, warnings: list[str]
) -> dict[str, Any]:
    """Replace what refers to another file, or to the command line of another program."""
    own = dict(item)
    config_file = own.pop("op_config_file", None)
    arguments = own.pop("additional_arguments", None)
    if config_file is not None:
        if not isinstance(config_file, str):
            raise UsageError(f"{where}: op_config_file is the name of a file, not {config_file!r}")
        variables, overrides = _json(folder / config_file), own.get("config_overrides", {})
        if not isinstance(variables, dict):
            raise UsageError(f"{folder / config_file}: write a JSON object of VARIABLE: [VALUES]")
        if isinstance(overrides, dict):
            own["config_overrides"] = {**variables, **overrides}
    if arguments is not None:
        text = arguments.get("default") if isinstance(arguments, dict) else None
        if not isinstance(text, str):
            raise UsageError(f'{where}: additional_arguments is {{"default": "--random-seed 7"}}')
        own |= _seed(text, where, warnings)
    return own


def _seed(text: str, where: str, warnings: list[str]) -> dict[str, int]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{where}: additional_arguments {text!r}: {error}") from error
    found: dict[str, int] = {}
    if _SEED in words:
        i = words.index(_SEED)
        if not (i + 1 < len(words) and words[i + 1].isascii() and words[i + 1].isdigit()):
            raise UsageError(f"{where}: additional_arguments: {_SEED} needs a whole number")
        found["random_seed"] = int(words[i + 1])
        del words[i : i + 2]
    if words:
        warnings.append(f"{where}: {shlex.join(words)} has no meaning here and is passed over")
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}: no JSON: {error}") from error


def chosen(
    operations: Sequence[Operation], op_types: Sequence[str], op_names: Sequence[str]
) -> list[Operation]:
    """Choose operations by type and name; both have to fit, and none given fits all.

    Raises
    ------
    UsageError
        If a type or name is not there, or nothing is both.
    """
    _require("--op-type", op_types, [operation.op_type for operation in operations])
    _require("--op-name", op_names, [operation.op_name for operation in operations])
    for name in op_names:
        kind = next(o.op_type for o in operations if o.op_name == name)
        if op_types and kind not in op_types:
            raise UsageError(
                f"--op-name {name} with --op-type {' or '.join(op_types)}: {name} is of type {kind}"
            )
    return [
        operation
        for operation in operations
        if (not op_types or operation.op_type in op_types)
        and (not op_names or operation.op_name in op_names)
    ]


def _require(option: str, wanted: Sequence[str], there: Sequence[str]) -> None:
    known = list(dict.fromkeys(there))
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name.lower().replace("-", "_"), known, most=3)
            raise UsageError(f"{option} {name!r} is not there{hint}; there are {', '.join(known)}")
