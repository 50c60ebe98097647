"""Messages between an actor and its executor: one Arrow IPC stream each.

A message is a table plus a JSON header in the schema's metadata.  Every message names the run,
chunk, attempt, executor epoch and batch that it belongs to; the receiver drops what is foreign.
Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa

_HEADER_KEY = b"sweepfarm.message"


def _nothing() -> pa.Table:
    return pa.table({})


class MessageKind(StrEnum):
    """What a message is for."""

    RUN = "run"
    PROBE = "probe"
    CLOSE = "close"
    OPENED = "opened"
    DONE = "done"
    PROFILE = "profile"
    FAULT = "fault"
    CLOSED = "closed"
    REFUSED = "refused"
    """The executor's sweep is not that of the vectors: no card can measure them."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a message belongs to.

    Attributes
    ----------
    run_id, chunk_id : str
        The run and the chunk; empty for messages about the executor as a whole.
    attempt, epoch, batch : int
        Fencing token of the lease, incarnation of the executor, number of the batch in it.
    """

    run_id: str = ""
    chunk_id: str = ""
    attempt: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes
    ----------
    kind : MessageKind
        What it is for.
    identity : Identity
        What it belongs to.
    facts : Mapping
        JSON data.
    table : pyarrow.Table
        Rows, where the kind has any.
    """

    kind: MessageKind
    identity: Identity
    facts: Mapping[str, Any] = field(default_factory=dict)
    table: pa.Table = field(default_factory=_nothing)

    def encode(self) -> bytes:
        """Return the bytes to send."""
        header = json.dumps(
            {
                "kind": self.kind.value,
                "identity": asdict(self.identity),
                "facts": dict(self.facts),
                "n_rows": self.table.num_rows,
            }
        )
        table = self.table.replace_schema_metadata({_HEADER_KEY: header.encode()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    @staticmethod
    def decode(data: bytes) -> Message:
        """Read what `encode` wrote.

        Raises
        ------
        ValueError
            If the bytes are no message.
        """
        try:
            with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
                table = reader.read_all()
            header = json.loads(table.schema.metadata[_HEADER_KEY])
            # Arrow takes a stream that ends between two batches for a whole one.
            if header["n_rows"] != table.num_rows:
                raise ValueError(f"{table.num_rows} of {header['n_rows']} rows arrived")
            return Message(
                MessageKind(header["kind"]),
                Identity(**header["identity"]),
                header["facts"],
                table.replace_schema_metadata(None),
            )
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no message of the farm: {error}") from error
