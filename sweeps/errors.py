"""Errors of a sweep's declaration."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

_MOST_LISTED = 24


class SpecError(ValueError):
    """A sweep, an axis or a limit is declared wrongly; the message says what and where."""


def known_names(what: str, name: str, known: Sequence[str]) -> str:
    """Say which names there are: all of a few, of many those that are like the unknown one.

    Parameters
    ----------
    what : str
        Such as ``its suites``.
    name : str
        The unknown name.
    known : Sequence of str
        The names that there are.
    """
    if len(known) <= _MOST_LISTED:
        return f"{what} are {', '.join(known)}"
    near = get_close_matches(name, known, n=3, cutoff=0.5) or known[:3]
    return f"{what} are {len(known):,}, such as {', '.join(near)}"
