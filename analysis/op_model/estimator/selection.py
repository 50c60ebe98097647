"""Choose the parameter set of an operation, and say why that one.

*Normal* takes the most special set that holds: the one with the most predicates, of equals the one
that fixes the data format, then the last in the file.  *Parity* takes the last one in the file that
holds, as the original does.  What was asked for and the set does not cover is named in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.op_model.descriptors.descriptor import Traits
from analysis.op_model.descriptors.formats import DataFormat
from analysis.op_model.parameters.attribute_sets import (
    BASE,
    DATA_FORMAT_PREDICATES,
    governing_format,
    predicates_of,
    split_set_name,
)
from analysis.op_model.parameters.fit_record import FitRecord
from analysis.op_model.parameters.parameter_file import Parameters, Sets
from farm.errors import UsageError

FALLBACK_OP = "nop"
"""Whose weights stand in for an operation that a file does not have, if that is asked for."""

_WIDE_FORMATS = frozenset({DataFormat.FLOAT32, DataFormat.TF32, DataFormat.RAW_UINT32})


class Mode(StrEnum):
    """How an estimate is made."""

    NORMAL = "normal"
    PARITY = "parity"


@dataclass(frozen=True)
class Choice:
    """A parameter set, and why it was chosen.

    Attributes
    ----------
    arch, version, source
        Which parameter file.
    op : str
        Operation whose set it is; another one than asked for where the choice fell back.
    set_name : str
        Attribute set.
    reason : str
        Why this one.
    is_fallback : bool
        Whether another operation stands in.
    uncovered : tuple of str
        What was asked for and the set says nothing about.
    weights : dict
        Weight -> number.
    record : FitRecord or None
        How the weights were fitted, where that is known.
    """

    arch: str
    version: int
    source: str
    op: str
    set_name: str
    reason: str
    is_fallback: bool
    uncovered: tuple[str, ...]
    weights: dict[str, float | int]
    record: FitRecord | None


def choose(parameters: Parameters, traits: Traits, mode: Mode, may_fall_back: bool) -> Choice:
    """Choose the set for a descriptor.

    Raises
    ------
    UsageError
        If the file has no set that holds, and no fall-back is asked for or possible.
    """
    if traits.arch and traits.arch != parameters.arch:
        raise UsageError(f"{parameters.source} is of {parameters.arch}, not of {traits.arch}")
    holds = predicates_of(traits)
    problem = _problem(parameters, traits.op, holds)
    op = traits.op
    if problem:
        if not may_fall_back:
            raise UsageError(
                f"{problem}; with --fallback the weights of {FALLBACK_OP} stand in for it"
            )
        if _problem(parameters, FALLBACK_OP, holds):
            raise UsageError(f"{problem}, and none of {FALLBACK_OP} to fall back to")
        op = FALLBACK_OP
    sets = parameters.operations[op]
    candidates = [name for name in sets if set(split_set_name(name)) <= holds]
    name, reason = _pick(candidates, mode)
    if problem:
        reason = f"fall-back to {FALLBACK_OP}: {problem}"
    return Choice(
        arch=parameters.arch,
        version=parameters.version,
        source=parameters.source,
        op=op,
        set_name=name,
        reason=reason,
        is_fallback=bool(problem),
        uncovered=_uncovered(traits, sets, name, holds),
        weights=dict(sets[name]),
        record=None if problem else parameters.records.get((op, name)),
    )


def _problem(parameters: Parameters, op: str, holds: frozenset[str]) -> str:
    sets = parameters.operations.get(op)
    if sets is None:
        return f"{parameters.source} has no parameters of {op}"
    if not any(set(split_set_name(name)) <= holds for name in sets):
        return f"{parameters.source} has no set of {op} that holds, only {', '.join(sets)}"
    return ""


def _pick(candidates: list[str], mode: Mode) -> tuple[str, str]:
    if mode is Mode.PARITY:
        return candidates[-1], "the last in the file that holds"
    best = max(enumerate(candidates), key=lambda item: (*_speciality(item[1]), item[0]))[1]
    if len(candidates) == 1:
        return best, "the only one that holds"
    return best, f"most special of {len(candidates)} that hold"


def _speciality(name: str) -> tuple[int, bool]:
    predicates = set(split_set_name(name)) - {BASE}
    return len(predicates), bool(predicates & set(DATA_FORMAT_PREDICATES))


def _uncovered(traits: Traits, sets: Sets, name: str, holds: frozenset[str]) -> tuple[str, ...]:
    missing = set(holds) - set(split_set_name(name)) - {BASE}
    if not any("df_bfp" in split_set_name(other) for other in sets):
        # Such base sets were fitted on block floats too.
        missing.discard("df_bfp")
    data_format = governing_format(traits)
    if data_format in _WIDE_FORMATS:
        missing.add(f"data format {data_format}")
    return tuple(sorted(missing))
