"""What a failure text of tt-metal means: one table.

TT-NN raises RuntimeError for everything, and sweep modules return texts, so a status can only be
read from the text.  The first rule that matches decides; a text that none matches means that the
operation failed: OP_ERROR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from farm.errors import (
    CardError,
    OpFailedError,
    OutOfMemoryError,
    UnsupportedVectorError,
)

_MOST_CHARACTERS = 1500
_XFAIL = "xfail"

Failure = CardError | OutOfMemoryError | UnsupportedVectorError | OpFailedError


@dataclass(frozen=True)
class FailureRule:
    """One row of the table.

    Attributes
    ----------
    pattern : re.Pattern
        Found anywhere in the text, whatever the capitals.
    means : type
        Error that it stands for.
    """

    pattern: re.Pattern[str]
    means: type[Failure]


FAILURE_RULES = tuple(
    FailureRule(re.compile(pattern, re.IGNORECASE), means)
    for pattern, means in (
        # The card, its driver or its firmware: nothing that a vector could be blamed for alone.
        (r"\bwatcher\b", CardError),
        (r"DEVICE EXCEPTION", CardError),
        (r"read 0xffffffff", CardError),
        (r"you should reset the board", CardError),
        (r"run_mailbox", CardError),
        (r"ARC core failed to start|ARC startup failed", CardError),
        (r"heartbeat check failed", CardError),
        (r"failed to allocate TLB window|tt_tlb_alloc failed", CardError),
        (r"device timeout|timeout: device|timed out waiting for", CardError),
        # Memory of the card.
        (r"out of memory", OutOfMemoryError),
        (r"not enough space to allocate", OutOfMemoryError),
        (r"beyond max L1 size", OutOfMemoryError),
        (r"clash(es)? with L1 buffers", OutOfMemoryError),
        # What this operation, architecture or build cannot do at all.
        (r"\bunsupported\b|\bnot (yet |currently )?supported\b", UnsupportedVectorError),
        (r"\bnot (yet )?implemented\b", UnsupportedVectorError),
    )
)


def failure_of(text: str, suite: str = "") -> Failure:
    """Return the error that a failure text stands for.

    Parameters
    ----------
    text : str
        What was raised or returned.
    suite : str
        Suite of the vector.  Vectors of a suite ``xfail...`` are meant to fail: the reason says so,
        the status remains what it was.
    """
    means = next((rule.means for rule in FAILURE_RULES if rule.pattern.search(text)), OpFailedError)
    said = _shortened(text.strip() or "it failed without a message")
    if issubclass(means, CardError):
        return means(said)
    return means(f"failed as expected (xfail): {said}" if is_xfail(suite) else said)


def is_xfail(suite: str) -> bool:
    """Whether the vectors of a suite are meant to fail."""
    return suite.lower().startswith(_XFAIL)


def _shortened(text: str) -> str:
    """Leave out the backtrace of compiled code, and what is too long."""
    text = text.partition("\nbacktrace:")[0]
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
