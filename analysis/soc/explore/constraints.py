"""Constraints on designs, written as text such as ``total_power_w <= 500``.

::

    constraint = sum  comparison sum  { comparison sum }
    comparison = "<=" | ">=" | "<" | ">" | "==" | "!="
    sum        = product { ("+" | "-") product }
    product    = factor  { ("*" | "/") factor }
    factor     = NUMBER | NAME | "-" factor | "(" sum ")"

Names are metrics and parameters of designs.  A chain such as ``300 <= area_mm2 <= 400`` holds where
each of its comparisons holds.  A comparison with what is not a number never holds.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.soc.explore.evaluation import Floats
from analysis.soc.explore.metrics import require_names
from farm.errors import UsageError

Columns = Mapping[str, Floats]
Expression = Callable[[Columns], Any]
Operation = Callable[[Any, Any], Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign><=|>=|==|!=|[<>+\-*/()]))"
)
_COMPARISONS: dict[str, Operation] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_EXCESS: dict[str, Operation] = {
    "<=": operator.sub,
    "<": operator.sub,
    ">=": lambda left, right: right - left,
    ">": lambda left, right: right - left,
}
_LARGEST_EXCESS = 10.0
_SUMS: dict[str, Operation] = {"+": operator.add, "-": operator.sub}
_PRODUCTS: dict[str, Operation] = {"*": operator.mul, "/": operator.truediv}
_DEEPEST = 50


@dataclass(frozen=True)
class Comparison:
    """Two sides and what must hold between them."""

    left: Expression
    sign: str
    right: Expression

    def holds(self, columns: Columns) -> Any:
        """Whether it holds for each design."""
        return _COMPARISONS[self.sign](self.left(columns), self.right(columns))

    def violation(self, columns: Columns) -> Any:
        """How far each design is from holding it: 0 where it holds, relative to the right side."""
        left, right = self.left(columns), self.right(columns)
        excess = np.float64(1.0)
        if self.sign in _EXCESS:
            excess = _EXCESS[self.sign](left, right) / np.maximum(np.abs(right), 1e-12)
        excess = np.nan_to_num(excess, nan=_LARGEST_EXCESS)
        # A strict bound that is met exactly is broken by next to nothing, but broken.
        broken = np.clip(excess, 1e-9, _LARGEST_EXCESS)
        return np.where(_COMPARISONS[self.sign](left, right), 0.0, broken)


@dataclass(frozen=True)
class Constraint:
    """What a design must fulfil.

    Attributes
    ----------
    text : str
        As it was written, but for spaces.
    names : tuple of str
        Metrics and parameters that it looks at.
    comparisons : tuple of Comparison
        What must hold.
    """

    text: str
    names: tuple[str, ...]
    comparisons: tuple[Comparison, ...]

    @staticmethod
    def parse(text: str) -> Constraint:
        """Read a constraint.

        Raises
        ------
        UsageError
            If the text breaks the grammar, or names what designs do not have.
        """
        reader = _Reader(text)
        constraint = reader.constraint()
        require_names(list(constraint.names))
        return constraint

    def holds(self, columns: Columns, n: int) -> npt.NDArray[np.bool_]:
        """Whether it holds for each of n designs, shape (n,)."""
        held = np.ones(n, np.bool_)
        with np.errstate(all="ignore"):  # 1 / 0 is no number that any bound allows
            for comparison in self.comparisons:
                held &= comparison.holds(columns)
        return held

    def violation(self, columns: Columns, n: int) -> Floats:
        """How far each of n designs is from fulfilling it, shape (n,): 0 where it does."""
        total = np.zeros(n)
        with np.errstate(all="ignore"):
            for comparison in self.comparisons:
                total += comparison.violation(columns)
        return total


class _Reader:
    """Recursive descent over the tokens of one constraint."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0
        self._names: dict[str, None] = {}

    def _split(self) -> Iterator[tuple[str, str]]:
        position, end = 0, len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None:
                shown = self._text[position:].strip()
                raise self._error(f"cannot read it from {shown!r} on")
            kind = str(match.lastgroup)
            yield kind, match[kind]
            position = match.end()

    def _error(self, what: str) -> UsageError:
        return UsageError(
            f"constraint {self._text!r}: {what}; write it like total_power_w<=500 or "
            f"300<=area_mm2<=400"
        )

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _taken(self, signs: Container[str]) -> str:
        """Take the next token if it is one of `signs`; else return an empty text."""
        sign = self._peek()
        if not sign or sign not in signs:
            return ""
        self._next += 1
        return sign

    def constraint(self) -> Constraint:
        sides, signs = [self._chain(_SUMS)], []
        while sign := self._taken(_COMPARISONS):
            signs.append(sign)
            sides.append(self._chain(_SUMS))
        if self._peek():
            raise self._error(f"{self._peek()!r} is not expected there")
        if not signs:
            raise self._error("there is no comparison")
        if not self._names:
            raise self._error("it names nothing of a design")
        comparisons = tuple(map(Comparison, sides[:-1], signs, sides[1:]))
        text = "".join(token for _, token in self._tokens)
        return Constraint(text, tuple(self._names), comparisons)

    def _chain(self, signs: Mapping[str, Operation]) -> Expression:
        """Read a sum, or a product: terms of the next level, joined by `signs` from the left."""

        def term() -> Expression:
            return self._chain(_PRODUCTS) if signs is _SUMS else self._factor()

        expression = term()
        while sign := self._taken(signs):
            expression = _joined(signs[sign], expression, term())
        return expression

    def _factor(self) -> Expression:
        if self._next == len(self._tokens):
            raise self._error("it ends where a number or a name is expected")
        kind, token = self._tokens[self._next]
        self._next += 1
        if kind == "number":
            number = float(token)
            return lambda columns: number
        if kind == "name":
            self._names[token] = None
            return lambda columns: columns[token]
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"it is nested more than {_DEEPEST} deep")
        if token == "-":
            expression = _negated(self._factor())
        elif token == "(":
            expression = self._chain(_SUMS)
            if not self._taken(")"):
                raise self._error("a parenthesis is not closed")
        else:
            raise self._error(f"{token!r} is not expected there")
        self._depth -= 1
        return expression


def _negated(inner: Expression) -> Expression:
    return lambda columns: -inner(columns)


def _joined(operation: Operation, left: Expression, right: Expression) -> Expression:
    return lambda columns: operation(left(columns), right(columns))
