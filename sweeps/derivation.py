"""What is derived from the parameters of a vector: validity, numbers and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sweeps.columns import Array, Columns
from sweeps.suite import Codes, Suite


@dataclass(frozen=True)
class Rule:
    """A validity rule: candidates for which `is_valid` is false are not part of the sweep.

    Attributes
    ----------
    reason : str
        Why a candidate that fails is invalid; counted per reason in sweep.json.
    is_valid : Callable
        `Columns` -> boolean array that broadcasts to the candidates.
    """

    reason: str
    is_valid: Callable[[Columns], Array]


@dataclass(frozen=True)
class Feature:
    """A number derived from the parameters, stored with every vector.

    Attributes
    ----------
    name : str
        Column name; by convention ``tiles``, ``flops``, ``bytes_moved`` where they apply.
    compute : Callable
        `Columns` -> array that broadcasts to the vectors; whole numbers stay whole.
    """

    name: str
    compute: Callable[[Columns], Array]


@dataclass(frozen=True)
class Label:
    """A text derived from suite and parameters, stored with every vector: such as a foreign id.

    Attributes
    ----------
    name : str
        Column name.
    compute : Callable
        Suite and position of each vector in the values of each axis, shape (n,) -> n texts.
    """

    name: str
    compute: Callable[[Suite, Mapping[str, Codes]], Sequence[str]]
