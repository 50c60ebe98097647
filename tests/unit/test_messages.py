"""Messages between an actor and its executor."""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa
import pytest

from farm.card.messages import Identity, Message, MessageKind

TABLE = pa.table({"row": pa.array([1, 2], pa.int32()), "status": ["OK", None]})
MESSAGE = Message(
    MessageKind.DONE,
    Identity("run", "00000-00001", 2, 3, 4),
    {"n_foreign": 0, "nested": {"é": [1, None]}},
    TABLE,
)


@pytest.mark.parametrize("kind", MessageKind)
def test_every_kind_survives_without_rows_and_facts(kind: MessageKind) -> None:
    message = Message(kind, Identity())
    decoded = Message.decode(message.encode())
    assert decoded == message
    assert decoded.table.num_rows == 0


def test_rows_facts_and_identity_survive() -> None:
    decoded = Message.decode(MESSAGE.encode())
    assert decoded == MESSAGE
    assert decoded.table.schema.metadata is None


def test_a_table_of_several_parts_survives() -> None:
    table = pa.concat_tables([TABLE, TABLE.slice(1), TABLE.slice(0, 0)])
    decoded = Message.decode(Message(MessageKind.RUN, Identity(), {}, table).encode())
    assert decoded.table.to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"\x80\x05]q\x00.",  # a pickle
        b"\xff\xff\xff\xff\x10\x00\x00\x00",
        MESSAGE.encode()[:-40],
        MESSAGE.encode()[: len(MESSAGE.encode()) // 2],
    ],
)
def test_garbage_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match="no message of the farm"):
        Message.decode(data)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"not JSON",
        b"[]",
        b'{"kind": "sing", "identity": {}, "facts": {}}',
        b'{"kind": "run", "identity": {"planet": 3}, "facts": {}}',
        b'{"kind": "run"}',
    ],
)
def test_a_foreign_arrow_stream_is_no_message(header: bytes | None) -> None:
    metadata = None if header is None else {b"sweepfarm.message": header}
    table = TABLE.replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match="no message of the farm"):
        Message.decode(sink.getvalue().to_pybytes())


def test_no_torn_message_is_taken_for_a_whole_one() -> None:
    whole = MESSAGE.encode()
    for n_bytes in range(len(whole)):
        with suppress(ValueError):
            # Where it is taken, only the mark of the stream's end was missing.
            assert Message.decode(whole[:n_bytes]) == MESSAGE
