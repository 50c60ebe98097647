"""``foreign/<kind>/<import>-<number>.parquet``: records of imported JSON files, as columns.

A sweep directory keeps the records that it was imported from whole, so that they can be written
back exactly, and what this farm has no column for can be analysed.  One row per record, in the
order of the files.  Columns:

========== ==================================================================================
``file``   name of the file, below the path that was imported
``index``  int64: the record's vector, counted over the sweep; null if it has none
``layout`` JSON: paths of the record's leaves in their order, such as ``[["status"], ...]``
``/a/b``   one column per leaf, named by its JSON Pointer (RFC 6901)
========== ==================================================================================

Objects, and lists of at most 64 objects, are taken apart three levels deep; what lies deeper, and
other lists, are leaves.  A column is int64, float64, bool or string if all of its values in the
whole import are of one type or null; otherwise it holds JSON text, and its field has the metadata
``json`` = ``1``.  A leaf that a record lacks is null, and not in its layout.

The footer's key ``sweepfarm.foreign`` holds JSON: ``kind`` (``vectors`` or ``results``),
``generation``, ``number`` and ``n_pieces`` of the import, ``files`` (`FileFacts` of all its files,
in the first piece only) and ``checksum`` (`farm.store.checksum`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from farm.errors import DamagedStoreError
from farm.interchange.json_stream import JsonStyle
from farm.store.checksum import sealed, unsealed
from farm.store.disk_access import StoreAccess
from farm.store.files import Files
from farm.store.parquet_tail import schema_of

FOLDER = "foreign"
PIECE_ROWS = 1 << 13
"""Records per file: what an export holds in memory at a time."""

Path_ = tuple[str | int, ...]
Leaves = dict[Path_, Any]

_FOOTER_KEY = b"sweepfarm.foreign"
_CONTAINERS = frozenset({dict, list})
_MOST_LEVELS = 3
_MOST_ITEMS = 64
_INT64_MAX = 2**63 - 1
_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}


@dataclass(frozen=True)
class FileFacts:
    """An imported file.

    Attributes
    ----------
    name : str
        Below the path that was imported.
    n_records : int
        How many it holds.
    sha256 : str
        Of its bytes.
    style : JsonStyle
        How it is written.
    suites : tuple of str
        Of a vector file, in its order.
    """

    name: str
    n_records: int
    sha256: str
    style: JsonStyle
    suites: tuple[str, ...] = ()


def leaves_of(record: Any) -> Leaves:
    """Take a record apart into its leaves, in order."""
    if type(record) is dict and record and _CONTAINERS.isdisjoint(map(type, record.values())):
        return dict(zip(_flat_layout(tuple(record)), record.values(), strict=True))
    leaves: Leaves = {}
    _collect(record, (), leaves)
    return leaves


@lru_cache(maxsize=1 << 10)
def _flat_layout(names: tuple[str, ...]) -> tuple[Path_, ...]:
    return tuple((name,) for name in names)


def _collect(value: Any, path: Path_, leaves: Leaves) -> None:
    if len(path) < _MOST_LEVELS:
        if type(value) is dict and value:
            for key, item in value.items():
                if type(item) in _CONTAINERS:
                    _collect(item, (*path, key), leaves)
                else:
                    leaves[*path, key] = item
            return
        if type(value) is list and 0 < len(value) <= _MOST_ITEMS and type(value[0]) is dict:
            for i, item in enumerate(value):
                _collect(item, (*path, i), leaves)
            return
    leaves[path] = value


def record_of(layout: Sequence[Path_], values: Iterable[Any]) -> Any:
    """Put a record together from its leaves."""
    root: list[Any] = [None]
    for path, value in zip(layout, values, strict=True):
        container: Any = root
        key: str | int = 0
        for part in path:
            if _lacks(container, key):
                container[key] = [] if isinstance(part, int) else {}
            container, key = container[key], part
            if isinstance(key, int) and len(container) <= key:
                container.append(None)
        container[key] = value
    return root[0]


def _lacks(container: Any, key: str | int) -> bool:
    return (container[key] if isinstance(key, int) else container.get(key)) is None


class LeafTypes:
    """Which types the values of each leaf have over a whole import."""

    def __init__(self) -> None:
        self._types: dict[Path_, set[str]] = {}
        self._pointers: set[str] = set()

    def add(self, leaves: Leaves) -> None:
        """Take in a record.

        Raises
        ------
        ValueError
            If a text, or two keys beside each other, cannot be stored.
        """
        for path, value in leaves.items():
            name = _type_name(value)
            if path not in self._types:
                self._begin(path)
            self._types[path].add(name)

    def _begin(self, path: Path_) -> None:
        if pointer(path) in self._pointers:
            raise ValueError(f"two of its entries are called {pointer(path)}")
        self._pointers.add(pointer(path))
        self._types[path] = set()

    @property
    def schema(self) -> pa.Schema:
        """Schema of the table."""
        return pa.schema(
            [
                pa.field("file", pa.dictionary(pa.int32(), pa.string()), nullable=False),
                pa.field("index", pa.int64()),
                pa.field("layout", pa.dictionary(pa.int32(), pa.string()), nullable=False),
                *(_field(path, types) for path, types in self._types.items()),
            ]
        )

    @property
    def paths(self) -> list[Path_]:
        """The leaves, in the order of the columns."""
        return list(self._types)


def _type_name(value: Any) -> str:
    kind = type(value)
    if kind is str:
        if not value.isascii():
            value.encode()  # half a surrogate pair is a ValueError here, as it is in Arrow
        return "str"
    if kind is int and abs(value) > _INT64_MAX:
        return "json"
    return "" if value is None else kind.__name__


def _field(path: Path_, types: set[str]) -> pa.Field:
    (only, *more) = sorted(types - {""}) or ["str"]
    if more or only not in _TYPES:
        return pa.field(pointer(path), pa.string(), metadata={"json": "1"})
    return pa.field(pointer(path), _TYPES[only])


def pointer(path: Path_) -> str:
    """Return the JSON Pointer of a leaf."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@dataclass
class RecordWriter:
    """Writes the records of one import, piece by piece.

    Attributes
    ----------
    files : Files
        Of the sweep directory.
    kind, generation, name : str
        What the records are; of which generation; name of the import.
    types : LeafTypes
        Of all records that will come.
    sources : Sequence of FileFacts
        The files that the records are of, in order.
    """

    files: Files
    kind: str
    generation: str
    name: str
    types: LeafTypes
    sources: Sequence[FileFacts]
    _rows: list[tuple[str, int | None, Leaves]] = field(default_factory=list)
    _number: int = 0

    def add(self, file: str, index: int | None, leaves: Leaves) -> None:
        """Add a record."""
        self._rows.append((file, index, leaves))
        if len(self._rows) == PIECE_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._rows or not self._number:
            self._flush()

    def _flush(self) -> None:
        schema = self.types.schema
        files, indexes, leaves = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        columns = [
            pa.array(files, pa.string()).dictionary_encode(),
            pa.array(indexes, pa.int64()),
            pa.array([_layout_text(tuple(one)) for one in leaves], pa.string()).dictionary_encode(),
            *(
                _column(leaves, path, schema.field(3 + i))
                for i, path in enumerate(self.types.paths)
            ),
        ]
        footer = {
            "kind": self.kind,
            "generation": self.generation,
            "number": self._number,
            "n_pieces": -(-sum(file.n_records for file in self.sources) // PIECE_ROWS) or 1,
            "files": [asdict(file) for file in self.sources] if not self._number else [],
        }
        table = pa.Table.from_arrays(columns, schema=schema)
        table = table.replace_schema_metadata({_FOOTER_KEY: json.dumps(sealed(footer)).encode()})
        sink = io.BytesIO()
        pq.write_table(
            table, sink, compression="zstd", write_statistics=False, write_page_checksum=True
        )
        relative = f"{FOLDER}/{self.kind}/{self.name}-{self._number:05d}.parquet"
        self.files.publish(relative, sink.getvalue())
        self._rows, self._number = [], self._number + 1


def _column(rows: Sequence[Leaves], path: Path_, kind: pa.Field) -> pa.Array:
    if kind.metadata:
        texts = [json.dumps(row[path]) if path in row else None for row in rows]
        return pa.array(texts, pa.string())
    return pa.array([row.get(path) for row in rows], kind.type)


@lru_cache(maxsize=1 << 10)
def _layout_text(layout: tuple[Path_, ...]) -> str:
    return json.dumps(layout)


@lru_cache(maxsize=1 << 10)
def _layout_of(text: str) -> tuple[Path_, ...]:
    return tuple(tuple(path) for path in json.loads(text))


@dataclass(frozen=True)
class Piece:
    """One file of records."""

    name: str
    kind: str
    generation: str
    number: int
    n_pieces: int
    files: tuple[FileFacts, ...]


def pieces(files: Files, kind: str) -> list[list[Piece]]:
    """Find the imports of a sweep directory that were finished, and their pieces in order.

    Raises
    ------
    DamagedStoreError
        If a piece is damaged.
    """
    names = [name for name in files.names_in(f"{FOLDER}/{kind}") if name.endswith(".parquet")]
    found = files.each(lambda name: _piece(files, name), names)
    imports = [
        list(one)
        for _, one in groupby(found, key=lambda p: PurePosixPath(p.name).stem.rpartition("-")[0])
    ]
    return [one for one in imports if len(one) == one[0].n_pieces]


def _piece(files: Files, name: str) -> Piece:
    try:
        footer = unsealed(json.loads(schema_of(files, name).metadata[_FOOTER_KEY]))
        facts = tuple(
            FileFacts(
                **{**file, "style": JsonStyle(**file["style"]), "suites": tuple(file["suites"])}
            )
            for file in footer["files"]
        )
        numbers = footer["number"], footer["n_pieces"]
        return Piece(name, footer["kind"], footer["generation"], *numbers, facts)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(files, name, error) from error


def damaged(files: Files, name: str, error: Exception) -> DamagedStoreError:
    """Say that a piece cannot be read."""
    return DamagedStoreError(
        f"{files.location / name} is damaged: {error}. Import the files again into another "
        f"directory"
    )


def read_table(files: Files, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a piece, or some of its columns; those it lacks are left out.

    Raises
    ------
    DamagedStoreError
        If it is damaged.
    """
    try:
        with (
            StoreAccess("read", files.location / name),
            pq.ParquetFile(files.parquet_source(name), page_checksum_verification=True) as f,
        ):
            names = f.schema_arrow.names
            wanted = None if columns is None else [name for name in columns if name in names]
            return f.read(columns=wanted, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(files, name, error) from error


def records(files: Files, piece: str) -> Iterator[tuple[str, Any]]:
    """Yield the records of a piece, each with the name of its file."""
    table = read_table(files, piece)
    readers: dict[str, Callable[[Any], Any]] = {
        f.name: json.loads for f in table.schema if f.metadata
    }
    columns: Mapping[str, list[Any]] = {
        name: table[name].to_pylist() for name in table.column_names
    }
    for row, (file, text) in enumerate(zip(columns["file"], columns["layout"], strict=True)):
        layout = _layout_of(text)
        values = []
        for path_ in layout:
            name = pointer(path_)
            value = columns[name][row]
            values.append(readers[name](value) if name in readers else value)
        yield file, record_of(layout, values)
