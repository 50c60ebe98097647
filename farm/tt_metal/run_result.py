"""What a sweep module's ``run`` returned, whatever its shape.

=============================== =========================================================
shape                           meaning
=============================== =========================================================
``[(passed, message), ns]``     with the host's time from call to result, ns
``(passed, message)``           without
``(passed, message, _, _)``     early returns of some collective operations
``[passed, message, ns]``       the first shape, flattened
=============================== =========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from farm.errors import OpFailedError

_SHAPES = "[(passed, message), e2e_ns], (passed, message), or a tuple that begins so"


@dataclass(frozen=True, slots=True)
class RunResult:
    """Whether a run of a vector passed.

    Attributes
    ----------
    passed : bool
        Whether the result was right.
    message : str
        What the module says about it, such as the correlation with the expected values.
    e2e_ns : float or None
        Time from call to result on the host, ns, where the module took it.
    """

    passed: bool
    message: str
    e2e_ns: float | None = None


def read_result(returned: object) -> RunResult:
    """Read what ``run`` returned.

    Raises
    ------
    OpFailedError
        If it has none of the known shapes.
    """
    match returned:
        case [tuple() | list() as verdict, *rest] if len(verdict) >= 2:
            passed, message = verdict[:2]
        case [passed, message, *rest]:
            pass
        case _:
            raise OpFailedError(f"run returned {_short(returned)}; it must return {_SHAPES}")
    if not isinstance(passed, bool | np.bool_):
        raise OpFailedError(f"run returned {_short(returned)}; it must return {_SHAPES}")
    return RunResult(bool(passed), str(message), _duration_ns(rest))


def _duration_ns(rest: list[Any]) -> float | None:
    first = rest[0] if rest else None
    is_number = isinstance(first, Real) and not isinstance(first, bool)
    return float(first) if is_number and first is not None else None


def _short(value: object, width: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= width else text[: width - 3] + "..."
