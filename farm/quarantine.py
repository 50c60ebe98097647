"""Poison vectors: those that were condemned, and how to deal with them.

The quarantine of a sweep is read from its journals: every vector with a hang or crash on record is
a *suspect*; one whose outcome is HANG or CRASH is *condemned*.  Later runs of the same store do not
run condemned vectors again.  Clearing one is a journal record of its own: earlier strikes no longer
count, and the results of its chunk are set aside, so that the next run measures that chunk anew.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from farm.catalog import source_to_run
from farm.chunk import Chunk, Strike
from farm.errors import UsageError
from farm.store.directory import SweepDirectory
from sweeps.vector import VECTOR_ID_BYTES

STRIKE_KINDS = ("hang", "crash")
CLEARED = "cleared"
_POISON_STATUSES = ("HANG", "CRASH")


@dataclass
class Poison:
    """A vector with strikes on record.

    Attributes
    ----------
    index : int
        In the sweep.
    vector_id : str
        Hexadecimal.
    status : str
        HANG or CRASH if condemned; another status if a second run succeeded; empty if undecided.
    strikes : list of dict
        Journal records, oldest first.
    """

    index: int
    vector_id: str
    status: str = ""
    strikes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_condemned(self) -> bool:
        """Whether the vector ended as HANG or CRASH."""
        return self.status in _POISON_STATUSES

    def as_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {**asdict(self), "is_condemned": self.is_condemned}


def valid_strikes(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Strike records that were not cleared later; `records` by time."""
    strikes: list[dict[str, Any]] = []
    for record in records:
        if record["kind"] in STRIKE_KINDS and "strike_id" in record:
            strikes.append(record)
        elif record["kind"] == CLEARED:
            strikes = [strike for strike in strikes if strike["index"] != record["index"]]
    return strikes


def known_strikes(directory: SweepDirectory) -> list[Strike]:
    """Strikes of earlier runs, as the ledger takes them."""
    return [
        Strike(r["strike_id"], r["index"], r["kind"].upper(), r["card"], r["message"])
        for r in valid_strikes(directory.incidents())
    ]


def poison_vectors(directory: SweepDirectory) -> list[Poison]:
    """Vectors with strikes on record, by index.

    Raises
    ------
    DamagedStoreError
        If a result that is needed is damaged.
    """
    found: dict[int, Poison] = {}
    for strike in valid_strikes(directory.incidents()):
        index = int(strike["index"])
        poison = found.setdefault(index, Poison(index, str(strike.get("vector_id", ""))))
        poison.strikes.append(strike)
    committed = directory.committed()
    chunks = {index: chunk_of(directory, index) for index in found}
    wanted = dict.fromkeys(c.chunk_id for c in chunks.values() if c.chunk_id in committed)
    statuses = {
        chunk_id: outcomes["status"]
        for chunk_id, (outcomes, _) in zip(wanted, directory.results(wanted), strict=True)
    }
    for index, chunk in chunks.items():
        if chunk.chunk_id in statuses:
            row = index - chunk.first_index
            found[index].status = statuses[chunk.chunk_id][row].as_py()
    return [found[index] for index in sorted(found)]


def chunk_of(directory: SweepDirectory, index: int) -> Chunk:
    """Return the chunk of a vector.

    Raises
    ------
    UsageError
        If the sweep has no such vector.
    """
    for chunk in directory.chunks():
        if chunk.first_index <= index < chunk.first_index + chunk.n_rows:
            return chunk
    raise UsageError(
        f"{directory.location} has no vector {index}; it has 0 to "
        f"{directory.manifest.n_vectors - 1}"
    )


def chosen(directory: SweepDirectory, texts: Iterable[str]) -> list[Poison]:
    """Poison vectors named by index or by (the beginning of) their id; all without a name.

    Raises
    ------
    UsageError
        If a name matches none.
    """
    known = poison_vectors(directory)
    wanted = list(texts)
    if not wanted:
        return known
    picked: list[Poison] = []
    for text in wanted:
        matching = [p for p in known if _is_named(p, text)]
        if not matching:
            listed = ", ".join(str(p.index) for p in known) or "none"
            raise UsageError(f"vector {text!r} is not in the quarantine; in it are: {listed}")
        picked += matching
    return picked


def _is_named(poison: Poison, text: str) -> bool:
    if text.isdigit() and len(text) < 2 * VECTOR_ID_BYTES:
        return poison.index == int(text)
    return len(text) >= 6 and poison.vector_id.startswith(text.lower())


def clear(directory: SweepDirectory, poisons: Iterable[Poison]) -> list[str]:
    """Forget strikes and have the chunks measured anew.

    The caller holds the run lock.

    Returns
    -------
    list of str
        The chunks whose results were set aside.

    Raises
    ------
    StoreAccessError
        If the disk refuses.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    journal = directory.journal(f"quarantine-{stamp}-{secrets.token_hex(4)}")
    set_aside: list[str] = []
    try:
        for poison in poisons:
            journal.append(
                CLEARED,
                index=poison.index,
                vector_id=poison.vector_id,
                message="strikes forgotten; the chunk is to be measured anew",
            )
            chunk_id = chunk_of(directory, poison.index).chunk_id
            if directory.set_aside(chunk_id):
                set_aside.append(chunk_id)
    finally:
        journal.close()
    return set_aside


def export(directory: SweepDirectory, poison: Poison) -> dict[str, Any]:
    """Describe a minimal case that reproduces the trouble, as JSON data."""
    manifest = directory.manifest
    chunk = chunk_of(directory, poison.index)
    row = directory.vectors(chunk.chunk_id).slice(poison.index - chunk.first_index, 1)
    vector = row.to_pylist()[0]
    params = {axis.name: vector[axis.name] for axis in manifest.axes}
    texts = {
        axis.name: axis.format(vector[axis.name])
        for axis in manifest.axes
        if vector[axis.name] is not None
    }
    kind = poison.strikes[-1]["card"].rpartition("/")[2].partition(":")[0]
    command = [
        "farm",
        "run",
        source_to_run(manifest.source),
        "--device",
        kind,
        "--out",
        f"case-{poison.index}",
    ]
    command += ["--repeats", str(manifest.repeats), "--timeout", f"{manifest.timeout_s:g}"]
    if "suites" in manifest.declaration:
        command += ["--limit", f"suite={vector['suite']}"]
    for name, text in texts.items():
        command += ["--limit", f"{name}:={text}"]
    return {
        "op": manifest.op,
        "params": params,
        "features": {name: vector[name] for name in manifest.features},
        "vector_id": vector["vector_id"].hex(),
        "index": poison.index,
        "sweep": manifest.sweep,
        "fingerprint": manifest.fingerprint,
        "repeats": manifest.repeats,
        "timeout_s": manifest.timeout_s,
        "status": poison.status,
        "strikes": poison.strikes,
        "reproduce": shlex.join(command),
    }
