"""Workloads: lists of operations, written in YAML.

.. code-block:: yaml

    name: decoder layer, prefill
    precision: bf16                 # of every op that does not say otherwise
    ops:
      - {op: gemm, name: qkv, m: 4096, n: 6144, k: 4096, count: 32}
      - {op: attention, n_heads: 32, n_kv_heads: 8, seq_q: 4096, head_dim: 128, is_causal: true}
      - {op: elementwise, name: residual, n_elements: 16777216, n_inputs: 2}
      - {op: reduction, name: norm, n_rows: 4096, n_columns: 4096}

The keys of an op are the fields of its kind in `analysis.soc.workload.ops`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError
from analysis.soc.workload.ops import OPS, AttentionAlgorithm, Op
from analysis.soc.yaml_file import read_yaml
from farm.errors import FormatError
from sweeps.errors import near_or_known

_KEYS = ("name", "precision", "ops")
_PRECISIONS = ("precision", "weight_precision", "output_precision")


@dataclass(frozen=True)
class Workload:
    """Operations that run one after the other.

    Attributes
    ----------
    name : str
        What tables call it.
    ops : tuple of Op
        At least one, in order.
    """

    name: str
    ops: tuple[Op, ...]

    def __post_init__(self) -> None:
        if not self.ops:
            raise ConfigError(f"workload {self.name!r} has no ops; give at least one")

    def as_json(self) -> dict[str, Any]:
        """Return plain data from which `parse` makes an equal workload."""
        return {"name": self.name, "ops": [{"op": op.kind, **asdict(op)} for op in self.ops]}

    @staticmethod
    def load(path: Path) -> Workload:
        """Read a YAML file.

        Raises
        ------
        FormatError
            If it cannot be read, or is no workload; the message names file, op and key.
        """
        return Workload.parse(read_yaml(path), str(path), path.stem)

    @staticmethod
    def parse(content: object, where: str, default_name: str = "workload") -> Workload:
        """Make a workload of plain data.

        Parameters
        ----------
        content : object
            What the YAML says.
        where : str
            Its origin, for messages.
        default_name : str
            Its name, if it has none.

        Raises
        ------
        FormatError
            If it is no workload.
        """
        if not isinstance(content, Mapping):
            raise FormatError(f"{where}: expected the keys {', '.join(_KEYS)} at the top")
        _require_known(content, _KEYS, where)
        entries = content.get("ops")
        if not isinstance(entries, list) or not entries:
            raise FormatError(f"{where}: ops must be a list of at least one op")
        precision = _precision(content.get("precision", "bf16"), f"{where}: precision")
        ops = tuple(
            _parse_op(entry, precision, f"{where}: ops[{index}]")
            for index, entry in enumerate(entries)
        )
        return Workload(str(content.get("name", default_name)), ops)


def _parse_op(entry: object, default: Precision, where: str) -> Op:
    if not isinstance(entry, Mapping) or "op" not in entry:
        raise FormatError(f"{where}: write {{op: KIND, ...}}; kinds are {', '.join(OPS)}")
    kind = OPS.get(str(entry["op"]))
    if kind is None:
        raise FormatError(f"{where}: there is no op {entry['op']!r}; known are {', '.join(OPS)}")
    where = f"{where} ({kind.kind}{' ' + str(entry['name']) if 'name' in entry else ''})"
    declared = {f.name: f for f in fields(kind)}
    given: dict[str, Any] = {key: value for key, value in entry.items() if key != "op"}
    _require_known(given, tuple(declared), where)
    required = (f.name for f in declared.values() if f.default is MISSING)
    if missing := [name for name in required if name not in given]:
        raise FormatError(f"{where}: {', '.join(missing)} missing")
    values: dict[str, Any] = {"precision": default}
    values |= {key: _value(key, value, where) for key, value in given.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise FormatError(f"{where}: {error}") from error


def _value(key: str, value: object, where: str) -> Any:
    if key in _PRECISIONS:
        return None if value is None else _precision(value, f"{where}: {key}")
    if key == "algorithm":
        if value not in tuple(AttentionAlgorithm):
            known = " or ".join(AttentionAlgorithm)
            raise FormatError(f"{where}: algorithm {value!r}: write {known}")
        return AttentionAlgorithm(str(value))
    if key == "is_causal" and not isinstance(value, bool):
        raise FormatError(f"{where}: is_causal {value!r}: write true or false")
    return str(value) if key == "name" else value


def _precision(value: object, where: str) -> Precision:
    try:
        return Precision.parse(str(value))
    except ConfigError as error:
        raise FormatError(f"{where}: {error}") from error


def _require_known(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise FormatError(f"{where}: no key {key!r}; {near_or_known(str(key), known)}")
