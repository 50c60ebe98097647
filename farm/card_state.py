"""Pure: the words in which a card of a run says what it is doing, and what follows from them.

A card's state is a word, and for some what it is about: ``measuring 00001-00004``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUSY = ("measuring", "trial", "recovering", "draining")
"""It has a chunk in hand."""

IN_TROUBLE = ("recovering", "draining", "retired", "lost", "unfit", "node-failed")
"""Somebody may want to look at it."""

GONE = ("finished", "left", "retired", "lost", "unfit", "node-failed")
"""The run does not hold it any more."""

WORDS = ("starting", "opening", "idle", *BUSY, *GONE)


def word_of(card: Mapping[str, Any]) -> str:
    """First word of a card's state; empty if it has none.

    Examples
    --------
    >>> word_of({"state": "trial of vector 7"})
    'trial'
    """
    return str(card.get("state", "")).partition(" ")[0]


def is_busy(card: Mapping[str, Any]) -> bool:
    """Whether a card has a chunk in hand."""
    return word_of(card) in BUSY


def is_gone(card: Mapping[str, Any]) -> bool:
    """Whether a card has left the run, for whatever reason."""
    return word_of(card) in GONE
