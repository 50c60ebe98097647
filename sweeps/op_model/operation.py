"""Operations of a sweep: what each is run on, from lists of values or from a list in JSON."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeps.axis import Value
from sweeps.errors import SpecError, did_you_mean
from sweeps.op_model import formats, sparsity
from sweeps.op_model.op_types import ALIASES, BLOCK_VARIABLES, OP_TYPES, OpType, Variables

SHAPE_PARTS = (*BLOCK_VARIABLES.values(), "nz_strips", "nz_ublocks", "nz_tiles")
"""Parts of a shape; those that an operation does not have are 0."""

MOST_BLOCK_TILES, MOST_INTEGER_BLOCK_TILES = 8, 4
"""Tiles of an output block that fit the destination register of the math unit."""

OUTPUT_BUFFER_BYTES = 557_056
"""L1 memory of one core that the output's two buffers may take."""

MOST = 1 << 20
"""Largest value of a size."""

Shape = tuple[int, ...]

_SUFFIXES = re.compile(r"(_(int8|int32|approx|l1_acc|nz_counts))+$")
_CODES: Mapping[str, Mapping[int, Any]] = {
    "math_fidelity": formats.FIDELITY_OF_CODE,
    "input0_df": formats.FORMAT_OF_CODE,
    "output_df": formats.FORMAT_OF_CODE,
    "vector_mode": formats.VECTOR_MODE_OF_CODE,
    "approximate_mode": formats.FLAG_OF_CODE,
    "l1_acc": formats.FLAG_OF_CODE,
}
_KEYS = (
    "op_type",
    "op_name",
    "data_file",
    "config_overrides",
    "random_seed",
)


@dataclass(frozen=True)
class Operation:
    """One operation of a sweep.

    Attributes
    ----------
    op_type : str
        Name of its `sweeps.op_model.op_types.OpType`.
    op_name : str
        Names it in the sweep: the operation, perhaps with ``_int8``, ``_int32``, ``_approx``,
        ``_l1_acc`` or ``_nz_counts`` behind it.
    overrides : Mapping
        Variables with other values than the type's.
    data_file : str
        Name of its CSV file; empty for the usual one.
    random_seed : int
        Seed of what is drawn at random.

    Raises
    ------
    SpecError
        If the type or operation is unknown, or a variable is unknown or has impossible values.
    """

    op_type: str
    op_name: str
    overrides: Variables = field(default_factory=dict)
    data_file: str = ""
    random_seed: int = 0

    def __post_init__(self) -> None:
        _known("op_type", self.op_type, OP_TYPES, self.op_name)
        _known("operation", self.op, self.type.ops, self.op_name)
        for name, values in self.overrides.items():
            _known("variable", name, {**self.type.variables, "output_df": ()}, self.op_name)
            _require_values(self.op_name, name, values)
        if not self.data_file:
            ending = "-op-performance.csv"
            name = self.op if self.op == "matmul_sparse" else self.op_name
            object.__setattr__(self, "data_file", name.replace("_", "-") + ending)
        if "/" in self.data_file or not self.data_file.endswith(".csv"):
            raise SpecError(
                f"{self.op_name}: data_file {self.data_file!r} is no name of a CSV file"
            )

    @property
    def type(self) -> OpType:
        """Its op type."""
        return OP_TYPES[self.op_type]

    @property
    def op(self) -> str:
        """The operation as parameter files name it."""
        return plain_op(self.op_name)

    @property
    def variables(self) -> Variables:
        """Every variable with its values."""
        return {**self.type.variables, **self.overrides}

    def _decoded(self, name: str, default: int) -> tuple[Any, ...]:
        return tuple(_CODES[name][code] for code in self.variables.get(name, (default,)))

    @property
    def formats(self) -> tuple[tuple[str, str], ...]:
        """Pairs of input and output format."""
        inputs: tuple[str, ...] = self._decoded("input0_df", 2)
        if "output_df" in self.variables:
            return tuple(itertools.product(inputs, self._decoded("output_df", 2)))
        return tuple((name, self.type.output_format(self.op, name)) for name in inputs)

    @property
    def fidelities(self) -> tuple[str, ...]:
        """Math fidelities."""
        return self._decoded("math_fidelity", 1)

    def shapes(self) -> tuple[Shape, ...]:
        """Block shapes, parts as in `SHAPE_PARTS`; those that no format has memory for, too."""
        axes = {part: self.variables.get(name, (0,)) for name, part in BLOCK_VARIABLES.items()}
        if "nz_draws" in self.variables:
            (n,) = self.variables["nz_draws"]
            drawn = sparsity.draws(axes, n, self.random_seed, self._is_for_every_format)
            return tuple(tuple(shape[part] for part in SHAPE_PARTS) for shape in drawn)
        none = (0,) * (len(SHAPE_PARTS) - len(axes))
        return tuple((*shape, *none) for shape in itertools.product(*axes.values()))

    def _is_for_every_format(self, shape: Mapping[str, int]) -> bool:
        tiles = shape["ublock_rt"] * shape["ublock_ct"]
        n_bytes = max(formats.TILE_BYTES[output] for _, output in self.formats)
        output_bytes = 2 * n_bytes * tiles * shape["mblock_m"] * shape["mblock_n"]
        return tiles <= MOST_BLOCK_TILES and output_bytes <= OUTPUT_BUFFER_BYTES

    def values(self) -> dict[str, Sequence[Value]]:
        """Axis of the sweep -> values that this operation has of it."""
        return {
            "input_format": tuple(dict.fromkeys(pair[0] for pair in self.formats)),
            "output_format": tuple(dict.fromkeys(pair[1] for pair in self.formats)),
            "fidelity": self.fidelities,
            "vector_mode": self._decoded("vector_mode", 1),
            "approx": self._decoded("approximate_mode", 0),
            "l1_accumulate": self._decoded("l1_acc", 0),
            "shape": self.shapes(),
        }

    def as_json(self) -> dict[str, Any]:
        """Return plain data, which `from_json` reads."""
        return {
            "op_type": self.op_type,
            "op_name": self.op_name,
            "data_file": self.data_file,
            "config_overrides": {name: list(values) for name, values in self.overrides.items()},
            "random_seed": self.random_seed,
        }

    @staticmethod
    def from_json(item: object, where: str) -> Operation:
        """Read one item of an operation list.

        Raises
        ------
        SpecError
            If it is no such item; the message begins with `where`.
        """
        if not isinstance(item, Mapping):
            raise SpecError(f"{where}: an operation is a JSON object, not {item!r:.60}")
        for key in item:
            _known("key", str(key), _KEYS, where)
        for key in ("op_type", "op_name"):
            if not isinstance(item.get(key), str):
                raise SpecError(f"{where}: {key} is missing, or no text")
        overrides = item.get("config_overrides", {})
        data_file, seed = item.get("data_file", ""), item.get("random_seed", 0)
        if not isinstance(overrides, Mapping):
            raise SpecError(f"{where}: config_overrides is a JSON object of VARIABLE: [VALUES]")
        if not isinstance(data_file, str) or type(seed) is not int:
            raise SpecError(f"{where}: data_file is a text, and random_seed a whole number")
        try:
            return Operation(
                item["op_type"], item["op_name"], _variables(overrides), data_file, seed
            )
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from error


def plain_op(op_name: str) -> str:
    """Name an operation as parameter files do.

    Examples
    --------
    >>> plain_op("gelu_derivative_approx"), plain_op("matmul_sparse_nz_counts")
    ('gelu_derivative', 'matmul_sparse')
    """
    return _SUFFIXES.sub("", op_name)


def operations_of(data: object, where: str) -> list[Operation]:
    """Read a list of operations from JSON data.

    Raises
    ------
    SpecError
        If it is no such list; the message begins with `where`.
    """
    if not isinstance(data, list) or not data:
        raise SpecError(f"{where}: write a JSON list of operations, with one at least")
    return [Operation.from_json(item, f"{where}: operation {i}") for i, item in enumerate(data)]


def _variables(overrides: Mapping[str, Any]) -> Variables:
    """Bring variables to their canonical names, and names of formats and such to codes."""
    found: dict[str, tuple[int, ...]] = {}
    for alias, values in overrides.items():
        name = ALIASES.get(alias, alias)
        if name in found:
            raise SpecError(f"variable {name} is given twice")
        listed: list[Any] = values if isinstance(values, list) else [values]
        code_of: dict[str, Any] = {
            str(value).lower(): code for code, value in _CODES.get(name, {}).items()
        }
        found[name] = tuple(code_of.get(str(value).lower(), value) for value in listed)
    return found


def _known(what: str, name: str, known: Collection[str], where: str) -> None:
    if name not in known:
        hint = did_you_mean(name, known)
        raise SpecError(f"{where}: unknown {what} {name!r}{hint}; known are {', '.join(known)}")


def _require_values(where: str, name: str, values: Sequence[object]) -> None:
    codes = _CODES.get(name)
    for value in values:
        if codes is not None and not (type(value) is int and value in codes):
            known = ", ".join(f"{code} {text}" for code, text in codes.items())
            raise SpecError(f"{where}: variable {name} has {value!r}, which is none of {known}")
        if type(value) is not int or (codes is None and not 1 <= value <= MOST):
            raise SpecError(
                f"{where}: variable {name} has {value!r}, which is no whole number from 1 to {MOST}"
            )
    if not values or len(set(values)) < len(values):
        raise SpecError(f"{where}: variable {name} needs distinct values, one at least")
    if name == "nz_draws" and len(values) > 1:
        raise SpecError(f"{where}: variable {name} is one number")
