"""What an operation does to one input: the question that an op model answers.

One input is a tensor of ``t`` slices of ``mblock_m x mblock_n`` blocks ("ublocks") per core; a
block is ``ublock_rt x ublock_ct`` tiles.  Matrix products add up ``mblock_k`` outer steps of
``ublock_kt`` tiles.  `Descriptor` is one question,
`analysis.op_model.descriptors.descriptor_table.Descriptors` are many of them in columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from analysis.op_model.descriptors.formats import DataFormat, Fidelity, VectorMode
from analysis.op_model.descriptors.formats import data_format as read_format
from analysis.op_model.descriptors.formats import fidelity as read_fidelity
from analysis.op_model.descriptors.formats import vector_mode as read_mode
from analysis.op_model.descriptors.ops import Category, category
from farm.errors import UsageError
from sweeps.errors import did_you_mean

LARGEST_SIZE = 2**31 - 1
"""Largest value of a size: beyond it a descriptor is a mistake."""

REDUCE_DIMENSIONS = ("r", "c", "z")
"""Values of `Descriptor.attribute` for ``reduce``."""


class Sizes(NamedTuple):
    """The numbers of a descriptor: one integer each, or one column each.

    Attributes
    ----------
    t : Any
        Slices of the output, at least 1.
    mblock_m, mblock_n : Any
        Rows and columns of blocks per core, at least 1.
    ublock_rt, ublock_ct : Any
        Rows and columns of tiles of a block, at least 1.
    mblock_k, ublock_kt : Any
        Outer steps and tiles per step of the reduction; 0 where the operation has none.
    reduce_z : Any
        Depth of a reduction over z; 0 where there is none.
    nz_tiles, nz_ublocks, nz_strips : Any
        Non-zero tiles, blocks and strips of a sparse operand; 0 tiles: dense; -1: not known.
    """

    t: Any = 1
    mblock_m: Any = 1
    mblock_n: Any = 1
    ublock_rt: Any = 1
    ublock_ct: Any = 1
    mblock_k: Any = 0
    ublock_kt: Any = 0
    reduce_z: Any = 0
    nz_tiles: Any = 0
    nz_ublocks: Any = -1
    nz_strips: Any = -1


class Traits(NamedTuple):
    """Everything of a descriptor that is no size: it decides formula and parameter set.

    Attributes
    ----------
    op : str
        Effective operation: ``matmul`` with non-zero tiles is ``matmul_sparse``, ``reduce`` over z
        is ``reduce_z``.
    arch : str
        Architecture, or empty: whatever the parameters are of.
    input_format, output_format, fidelity, vector_mode : str
        Names as in `analysis.op_model.descriptors.formats`.
    approx, l1_accumulate : bool
        Whether the approximate mode, and accumulation in L1, are on.
    attribute : str
        Dimension of ``reduce``: r, c or z; else empty.
    """

    op: str
    arch: str
    input_format: str
    output_format: str
    fidelity: str
    vector_mode: str
    approx: bool
    l1_accumulate: bool
    attribute: str


LEAST_SIZES = Sizes(1, 1, 1, 1, 1, 0, 0, 0, 0, -1, -1)
"""Least value of each size."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One operation on one input; fields are those of `Sizes` and `Traits`.

    Names of formats and modes are read in any case.  `input_format` is the output's where it is not
    given.

    Raises
    ------
    UsageError
        If a value is unknown, of the wrong type, out of range, or contradicts another.

    Examples
    --------
    >>> Descriptor("add", mblock_m=2, mblock_n=2, ublock_rt=2, ublock_ct=4).sizes.ublock_ct
    4
    """

    op: str
    t: int = 1
    mblock_m: int = 1
    mblock_n: int = 1
    ublock_rt: int = 1
    ublock_ct: int = 1
    mblock_k: int = 0
    ublock_kt: int = 0
    reduce_z: int = 0
    nz_tiles: int = 0
    nz_ublocks: int = -1
    nz_strips: int = -1
    input_format: str = ""
    output_format: str = DataFormat.BFP8_B.value
    fidelity: str = Fidelity.LOFI.value
    vector_mode: str = VectorMode.RC.value
    approx: bool = False
    l1_accumulate: bool = False
    attribute: str = ""
    arch: str = ""

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if type(value) is not kind:
                raise UsageError(f"{name} is {value!r}: it has to be {_KIND_TEXT[kind]}")
        category(self.op)
        self._set("output_format", read_format(self.output_format))
        self._set("input_format", read_format(self.input_format or self.output_format))
        self._set("fidelity", read_fidelity(self.fidelity))
        self._set("vector_mode", read_mode(self.vector_mode))
        for name, value, least in zip(Sizes._fields, self.sizes, LEAST_SIZES, strict=True):
            if not least <= value <= LARGEST_SIZE:
                raise UsageError(f"{name} is {value}: it has to be {least} to {LARGEST_SIZE}")
        reason = contradiction(self.traits, self.sizes)
        if reason:
            raise UsageError(reason)

    def _set(self, name: str, value: str) -> None:
        object.__setattr__(self, name, str(value))

    @property
    def sizes(self) -> Sizes:
        """The numbers."""
        return Sizes(
            self.t,
            self.mblock_m,
            self.mblock_n,
            self.ublock_rt,
            self.ublock_ct,
            self.mblock_k,
            self.ublock_kt,
            self.reduce_z,
            self.nz_tiles,
            self.nz_ublocks,
            self.nz_strips,
        )

    @property
    def traits(self) -> Traits:
        """Everything else, with the effective operation."""
        return Traits(
            effective_op(self.op, self.attribute, self.nz_tiles > 0),
            self.arch,
            self.input_format,
            self.output_format,
            self.fidelity,
            self.vector_mode,
            self.approx,
            self.l1_accumulate,
            self.attribute,
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain data: every field."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object, where: str = "descriptor") -> Descriptor:
        """Read what `as_json` returned; fields that are missing have their defaults.

        Raises
        ------
        UsageError
            If it is no JSON object, a field is unknown, `op` is missing, or a value is bad.
        """
        if not isinstance(data, Mapping):
            raise UsageError(f"{where}: a descriptor is a JSON object of KEY: VALUE")
        for key in data:
            _check_field(str(key), where)
        if "op" not in data:
            raise UsageError(f"{where}: op is missing: which operation?")
        try:
            return cls(**data)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error

    @classmethod
    def parse(cls, assignments: list[str]) -> Descriptor:
        """Read ``KEY=VALUE`` texts, as a command line has them.

        Raises
        ------
        UsageError
            As `from_json`, and if a text is no assignment or a key is given twice.
        """
        given: dict[str, Any] = {}
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals or not key:
                raise UsageError(f"{assignment!r}: write KEY=VALUE, for example mblock_m=4")
            _check_field(key, assignment)
            if key in given:
                raise UsageError(f"{key} is given twice")
            given[key] = _value(key, text)
        return cls.from_json(given)

    @classmethod
    def read(cls, path: Path) -> list[Descriptor]:
        """Read one descriptor, or a list of them, from a JSON file.

        Raises
        ------
        UsageError
            As `from_json`, and if the file cannot be read or is not JSON.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read: {error}") from error
        return cls.loads(text, str(path))

    @classmethod
    def loads(cls, text: str, where: str) -> list[Descriptor]:
        """Read one descriptor, or a list of them, from JSON text.

        Raises
        ------
        UsageError
            As `from_json`, and if the text is not JSON.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"{where}: no JSON: {error}") from error
        if isinstance(data, list):
            return [cls.from_json(item, f"{where}: item {i}") for i, item in enumerate(data)]
        return [cls.from_json(data, where)]


_KINDS: dict[str, type] = {
    f.name: {"str": str, "int": int, "bool": bool}[str(f.type)] for f in fields(Descriptor)
}
_KIND_TEXT = {str: "a text", int: "a whole number", bool: "true or false"}
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def effective_op(op: str, attribute: str, is_sparse: bool) -> str:
    """Name the operation whose formula holds: sparse products and z reductions have their own."""
    if op == "matmul" and is_sparse:
        return "matmul_sparse"
    if op == "reduce" and attribute == "z":
        return "reduce_z"
    return op


def contradiction(traits: Traits, sizes: Sizes) -> str:
    """Say why one descriptor makes no sense as a whole; empty if it does."""
    kind = category(traits.op)
    if kind in {Category.MATMUL, Category.DEPTHWISE} and not (sizes.mblock_k and sizes.ublock_kt):
        return f"{traits.op} needs mblock_k and ublock_kt of at least 1"
    if kind is Category.SPARSE and not (sizes.mblock_k and sizes.nz_tiles):
        return f"{traits.op} needs mblock_k and nz_tiles of at least 1"
    counts = (sizes.nz_ublocks, sizes.nz_strips)
    if kind is Category.SPARSE and 0 in counts:
        return f"{traits.op} has non-zero tiles, so nz_ublocks and nz_strips are 1 or more, or -1"
    if kind is Category.SPARSE and -1 not in counts and not sizes.ublock_kt:
        return f"{traits.op} with nz_ublocks and nz_strips needs ublock_kt of at least 1"
    if kind is not Category.SPARSE and sizes.nz_tiles:
        return f"{traits.op} has nz_tiles={sizes.nz_tiles}: only matrix products are sparse"
    if traits.attribute and kind is not Category.REDUCE:
        return f"{traits.op} has attribute={traits.attribute!r}: only reduce has one"
    if traits.attribute not in {"", *REDUCE_DIMENSIONS}:
        return f"attribute is {traits.attribute!r}: reduce works along r, c or z"
    return ""


def _check_field(key: str, where: str) -> None:
    if key not in _KINDS:
        hint = did_you_mean(key, _KINDS)
        raise UsageError(f"{where}: unknown key {key!r}{hint}; the keys are {', '.join(_KINDS)}")


def _value(key: str, text: str) -> str | int | bool:
    kind = _KINDS[key]
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise UsageError(f"{key}={text!r}: write true or false")
        return _TRUTH[text.lower()]
    if kind is int:
        try:
            return int(text)
        except ValueError as error:
            raise UsageError(f"{key}={text!r} is not a whole number") from error
    return text
