"""What failure texts of tt-metal mean."""

from __future__ import annotations

import pytest

from farm.devices.ttnn_failures import failure_of, is_xfail
from farm.errors import CardError, OpError, OpFailedError, OutOfMemoryError, UnsupportedVectorError
from farm.outcome import Status, status_of


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (
            "RuntimeError: TT_FATAL @ bank_manager.cpp:140: address.has_value()\ninfo:\nOut of "
            "Memory: Not enough space to allocate 1048576 B L1 buffer across 4 banks",
            Status.OUT_OF_MEMORY,
        ),
        (
            "RuntimeError: Statically allocated circular buffers on core range [(x=0,y=0) - "
            "(x=7,y=7)] grow to 1601536 B which is beyond max L1 size of 1499136 B",
            Status.OUT_OF_MEMORY,
        ),
        (
            "Statically allocated circular buffers in program 5 clash with L1 buffers on core "
            "range [(x=0,y=0) - (x=0,y=0)].",
            Status.OUT_OF_MEMORY,
        ),
        ("TT_THROW: Unsupported data type", Status.UNSUPPORTED),
        ("Sharding over DRAM is not currently supported", Status.UNSUPPORTED),
        ("Tensor.pad is not implemented for this rank", Status.UNSUPPORTED),
        ("0.981 is below the expected correlation 0.999", Status.OP_ERROR),
        ("AssertionError: ", Status.OP_ERROR),
        ("", Status.OP_ERROR),
    ],
)
def test_a_vectors_failure_has_a_status(text: str, status: Status) -> None:
    failure = failure_of(text)
    assert isinstance(failure, OpError)
    assert status_of(failure) is status
    assert str(failure)


@pytest.mark.parametrize(
    "text",
    [
        "TT_METAL_WATCHER: Watcher detected NOC error and stopped device",
        "Read 0xffffffff from ARC scratch[6]: you should reset the board.",
        "Read unexpected run_mailbox value from core (1,2)",
        "TIMEOUT: device timeout, potential hang detected",
        "tt_tlb_alloc failed ... error code -12",
    ],
)
def test_a_cards_failure_is_no_vectors(text: str) -> None:
    assert isinstance(failure_of(text), CardError)
    assert isinstance(failure_of(text, "xfail"), CardError)


def test_the_card_is_asked_first() -> None:
    assert isinstance(failure_of("watcher stopped the card: out of memory"), CardError)


def test_a_failure_that_is_expected_says_so_and_keeps_its_status() -> None:
    assert type(failure_of("PCC 0.1", "xfail_bfloat4")) is OpFailedError
    assert str(failure_of("PCC 0.1", "xfail_bfloat4")) == "failed as expected (xfail): PCC 0.1"
    assert type(failure_of("Out of Memory", "XFAIL")) is OutOfMemoryError
    assert type(failure_of("unsupported", "nightly")) is UnsupportedVectorError
    assert str(failure_of("unsupported", "nightly")) == "unsupported"
    assert is_xfail("xfail")
    assert not is_xfail("nightly_xfail")


def test_backtraces_and_long_texts_are_cut() -> None:
    text = "TT_FATAL: bad shape\nbacktrace:\n --- ttnn::add"
    assert str(failure_of(text)) == "TT_FATAL: bad shape"
    assert len(str(failure_of("x" * 10_000))) < 2000
