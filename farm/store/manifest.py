"""``sweep.json``: what the sweep is, and a checksum of each shard.

Its appearance ends generation; it never changes afterwards.  One JSON object with these keys:

=================== =============================================================================
key                 value
=================== =============================================================================
``format``          1
``sweep``, ``op``   name of the sweep and of the operation
``source``          built-in name, module name or file path that the sweep was loaded from
``limits``          limits that were applied, as given
``fingerprint``     SHA-256 of the canonical JSON of ``declaration``
``declaration``     see `sweeps.space.Sweep.declaration`
``axes``            list of {name, kind, components}
``features``        names of the feature columns
``size``            name of the size variable (a feature or an integer axis)
``group_by``        axes that name a group
``repeats``         measured launches per vector
``timeout_s``       longest time for one vector
``n_vectors``       rows of all shards
``suites``          list of {name, n_candidates, n_valid, n_vectors, rejected: {reason: count}}
``excluded_suites`` {reason: number of suites}
``shards``          list of {file, rows, chunk_rows, bytes, sha256}
``created``         ISO time, UTC
``checksum``        SHA-256 of the canonical JSON of the object without this key
=================== =============================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from farm.chunk import Chunk
from farm.errors import DamagedStoreError
from farm.store.checksum import sealed, unsealed
from sweeps.axis import format_value

FORMAT = 1
FILE_NAME = "sweep.json"
NO_VALUE = "-"
"""Text of the value that a vector has on an axis which its suite lacks (null)."""


@dataclass(frozen=True)
class AxisInfo:
    """Name, kind and component names of an axis."""

    name: str
    kind: str
    components: tuple[str, ...]

    def format(self, value: Any) -> str:
        """Write a value as text, as `sweeps.axis.Axis.format` does; null as `NO_VALUE`."""
        if value is None:
            return NO_VALUE
        return format_value(tuple(value) if self.components else value)


@dataclass(frozen=True)
class ShardEntry:
    """One shard as listed in sweep.json; every chunk but the last has `chunk_rows` rows."""

    file: str
    rows: int
    chunk_rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of sweep.json; see the module's text for the keys."""

    sweep: str
    op: str
    source: str
    limits: tuple[str, ...]
    fingerprint: str
    declaration: Mapping[str, Any]
    axes: tuple[AxisInfo, ...]
    features: tuple[str, ...]
    size: str
    group_by: tuple[str, ...]
    repeats: int
    timeout_s: float
    n_vectors: int
    suites: tuple[Mapping[str, Any], ...]
    excluded_suites: Mapping[str, int]
    shards: tuple[ShardEntry, ...]
    created: str

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(sealed(content), indent=1, ensure_ascii=False).encode() + b"\n"

    @staticmethod
    def decode(data: bytes, where: str) -> Manifest:
        """Read the bytes of the file.

        Raises
        ------
        DamagedStoreError
            If they are no manifest of this format, or the checksum is wrong.
        """
        try:
            content = json.loads(data)
            if not isinstance(content, dict):
                raise TypeError("it is not a JSON object")
            if content.get("format") != FORMAT:
                raise ValueError(
                    f"its format is {content.get('format')!r}; this version reads {FORMAT}"
                )
            content = unsealed(content)
            known = {field.name: content[field.name] for field in fields(Manifest)}
            known["axes"] = tuple(
                AxisInfo(a["name"], a["kind"], tuple(a["components"])) for a in known["axes"]
            )
            known["shards"] = tuple(ShardEntry(**entry) for entry in known["shards"])
            for name in ("limits", "features", "group_by", "suites"):
                known[name] = tuple(known[name])
            return Manifest(**known)
        except (KeyError, TypeError, ValueError) as error:
            what = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise DamagedStoreError(
                f"{where} is damaged: {what}. Restore it from a copy, or start over with "
                f"--force-clean"
            ) from error

    def chunks(self) -> list[Chunk]:
        """All chunks of the sweep in order."""
        chunks: list[Chunk] = []
        first_index = 0
        for number, shard in enumerate(self.shards):
            for row_group, start in enumerate(range(0, shard.rows, shard.chunk_rows)):
                n_rows = min(shard.chunk_rows, shard.rows - start)
                chunks.append(Chunk(number, row_group, first_index + start, n_rows))
            first_index += shard.rows
        return chunks

    def axis(self, name: str) -> AxisInfo:
        """Return the axis of that name."""
        return next(axis for axis in self.axes if axis.name == name)
