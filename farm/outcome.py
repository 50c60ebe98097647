"""Outcomes: what became of each vector, as Arrow columns.

`OUTCOME_SCHEMA` is the schema of a results file: one row per vector of the chunk, in the order of
the chunk's rows.  ``durations_ns`` holds every measured launch; the statistics beside it are
derived from it (``std_ns`` is the population standard deviation).  They are null unless ``status``
is OK; ``reason`` is null if and only if it is.  Of an imported result (card ``imported``) only the
mean is sure to be there, since other frameworks keep no single launches; how many launches a mean
is over, the footer's ``device.details.runs`` says.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from farm.errors import (
    InvalidVectorError,
    OpError,
    OutOfMemoryError,
    UnsupportedVectorError,
)
from sweeps.vector import VECTOR_ID_BYTES


class Status(StrEnum):
    """What became of a vector; decided by exception type and by the watchdog only."""

    OK = "OK"
    INVALID = "INVALID"
    OP_ERROR = "OP_ERROR"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    HANG = "HANG"
    CRASH = "CRASH"
    UNSUPPORTED = "UNSUPPORTED"
    NO_RESULT = "NO_RESULT"
    """Of imported results only: there is none, or none that can be trusted."""


OUTCOME_SCHEMA = pa.schema(
    [
        pa.field("vector_id", pa.binary(VECTOR_ID_BYTES), nullable=False),
        pa.field("status", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("mean_ns", pa.float64()),
        pa.field("std_ns", pa.float64()),
        pa.field("min_ns", pa.float64()),
        pa.field("median_ns", pa.float64()),
        pa.field("durations_ns", pa.list_(pa.float64())),
        pa.field("reason", pa.string()),
        pa.field("card", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("started_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


def status_of(error: OpError) -> Status:
    """Map what `Device.execute` raised to a status, by type alone."""
    match error:
        case OutOfMemoryError():
            return Status.OUT_OF_MEMORY
        case UnsupportedVectorError():
            return Status.UNSUPPORTED
        case InvalidVectorError():
            return Status.INVALID
        case _:
            return Status.OP_ERROR
