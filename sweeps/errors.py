"""Errors of a sweep's declaration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    near = _near(name, known, 3) or known[:3]
    return f"{what} are {len(known):,}, such as {', '.join(near)}"


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Ask for the names that were probably meant, as a remark; empty where none is like it.

    Examples
    --------
    >>> did_you_mean("reshrad", ["matmul", "reshard"])
    ' (did you mean reshard?)'
    """
    near = _near(name, known, most)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def near_or_known(name: str, known: Iterable[str]) -> str:
    """Ask for the names that were probably meant, or else say which there are.

    Examples
    --------
    >>> near_or_known("x", ["matmul", "reshard"])
    'known are matmul, reshard'
    """
    known = list(known)
    near = _near(name, known, 3)
    return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"


def _near(name: str, known: Iterable[str], most: int) -> list[str]:
    return get_close_matches(name, list(known), n=most, cutoff=0.5)
