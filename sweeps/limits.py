"""Limits: restrict or replace the values of an axis from text, as given on a command line.

``AXIS=SPEC`` restricts an axis to those of its values that SPEC matches; ``AXIS:=SPEC`` replaces
them.  SPEC is a comma-separated list of

* a value: ``BLOCK``, ``64``, ``2x3``, ``1x1x32x64``;
* a range ``a..b``, both ends included; for grids and shapes every part must lie in its range, so
  ``2x3..2x8`` means x = 2 and y = 3..8;
* for whole numbers and ``:=`` only, ``log(a,b,n)`` with n values evenly spaced in the logarithm.

Where a sweep declares its suites one by one, ``suite=NAME,NAME`` selects some of them.
"""

from __future__ import annotations

import re

from sweeps.axis import Axis, AxisKind, Value, log_spaced
from sweeps.errors import SpecError
from sweeps.space import Sweep

_LOG = re.compile(r"log\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)")
_ASSIGNMENT = re.compile(r"(?P<axis>[A-Za-z_]\w*)(?P<sign>:?=)(?P<spec>.+)", re.DOTALL)
_MOST_REPLACED = 1_000_000


def limited(sweep: Sweep, assignments: list[str]) -> Sweep:
    """Apply limits to a sweep, in order.

    Parameters
    ----------
    sweep : Sweep
        The declared sweep.
    assignments : list of str
        ``AXIS=SPEC`` or ``AXIS:=SPEC``, see the module's text.

    Returns
    -------
    Sweep
        The same sweep over fewer or other values.

    Raises
    ------
    SpecError
        If an axis is unknown, a text is malformed, or no value is left.
    """
    for assignment in assignments:
        match = _ASSIGNMENT.fullmatch(assignment)
        if match is None:
            raise SpecError(
                f"limit {assignment!r}: write AXIS=VALUES, for example "
                f"{sweep.axes[0].name}={sweep.axes[0].format(sweep.axes[0].values[0])}"
            )
        if match["axis"] == "suite" and sweep.own_suites:
            sweep = sweep.with_suites([name.strip() for name in match["spec"].split(",")])
            continue
        axis = sweep.axis(match["axis"])
        change = _replaced if match["sign"] == ":=" else _restricted
        sweep = sweep.with_axis(change(axis, match["spec"]))
    return sweep


def _terms(axis: Axis, spec: str) -> list[str]:
    """Split at the commas that stand in no brackets; a choice may itself hold commas."""
    if spec.strip() in axis.values:
        return [spec.strip()]
    terms, depth = [""], 0
    for character in spec:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            terms.append("")
        else:
            terms[-1] += character
    terms = [term.strip() for term in terms]
    if not all(terms):
        raise SpecError(f"limit {spec!r}: an empty value stands between two commas")
    return terms


def _restricted(axis: Axis, spec: str) -> Axis:
    wanted: set[Value] = set()
    for term in _terms(axis, spec):
        # A choice may be called "a..b"; what is there by that very name is meant.
        exact = term in axis.values
        matching = {v for v in axis.values if (v == term if exact else _matches(axis, v, term))}
        if not matching:
            raise SpecError(
                f"axis {axis.name}: {term!r} matches none of its values, which are "
                f"{_some(axis)}; to use other values write {axis.name}:={term}"
            )
        wanted |= matching
    return axis.with_values(value for value in axis.values if value in wanted)


def _matches(axis: Axis, value: Value, term: str) -> bool:
    low, is_range, high = term.partition("..")
    if not is_range:
        return value == axis.parse(term)
    first, last = axis.parse(low), axis.parse(high)
    match value, first, last:
        case tuple(), tuple(), tuple():
            return all(a <= v <= b for a, v, b in zip(first, value, last, strict=True))
        case ((int() | float()), (int() | float()), (int() | float())):
            return first <= value <= last
        case _:
            raise SpecError(
                f"axis {axis.name}: {term!r} is a range, but the values are of kind "
                f"{axis.kind.value}; list them instead"
            )


def _replaced(axis: Axis, spec: str) -> Axis:
    values: list[Value] = []
    for term in _terms(axis, spec):
        log, (low, is_range, high) = _LOG.fullmatch(term), term.partition("..")
        if term in axis.values:
            values.append(axis.parse(term))
        elif log and axis.kind is AxisKind.INT:
            values += log_spaced(int(log[1]), int(log[2]), int(log[3]))
        elif is_range and axis.kind is AxisKind.INT:
            first, last = axis.parse(low), axis.parse(high)
            if not (isinstance(first, int) and isinstance(last, int) and first <= last):
                raise SpecError(f"axis {axis.name}: range {term!r} is empty")
            if last - first > _MOST_REPLACED:
                raise SpecError(f"axis {axis.name}: range {term!r} has over 10^6 values")
            values += range(first, last + 1)
        elif is_range or log:
            raise SpecError(f"axis {axis.name}: {term!r} works for whole numbers only")
        else:
            values.append(axis.parse(term))
    return axis.with_values(dict.fromkeys(values))


def _some(axis: Axis, n_shown: int = 12) -> str:
    texts = [axis.format(value) for value in axis.values]
    if len(texts) <= n_shown:
        return ", ".join(texts)
    return f"{', '.join(texts[: n_shown - 1])}, ..., {texts[-1]} ({len(texts)} in all)"
