"""`ObjectFiles` with a mishap at a chosen request; as `farm.testing.crash_files` for folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from obstore.exceptions import GenericError

from farm.store.location import Location
from farm.store.object_access import REFUSALS
from farm.store.object_files import ObjectFiles
from farm.testing.crash_files import Crashed

T = TypeVar("T")


class Mishap(StrEnum):
    """What happens to a request."""

    DEATH_BEFORE = "the process dies before it"
    DEATH_AFTER = "the process dies after it"
    REFUSED = "it fails"
    ANSWER_LOST = "it is done, and fails"


@dataclass(frozen=True)
class MishapPoint:
    """Which request, counted from 0, and what happens to it."""

    request: int
    mishap: Mishap


def mishap_points(requests: Sequence[str]) -> Iterator[MishapPoint]:
    """Every mishap that can befall a writer that sends these requests."""
    for number in range(len(requests)):
        for mishap in Mishap:
            # Death before a request is death after the one before it.
            if mishap is not Mishap.DEATH_BEFORE or number == 0:
                yield MishapPoint(number, mishap)


class CrashObjects(ObjectFiles):
    """Objects of a store that fail once.

    Parameters
    ----------
    location : Location
        Names the place in messages.
    store : obstore.store.ObjectStore
        Where they are.
    point : MishapPoint or None
        Where; None: nowhere, to count the requests.

    Attributes
    ----------
    requests : list of str
        Kinds of the requests sent so far.
    """

    def __init__(self, location: Location, store: Any, point: MishapPoint | None = None) -> None:
        super().__init__(location, store)
        self.point = point
        self.requests: list[str] = []
        self._is_dead = False

    def request(self, kind: str, call: Callable[[], T]) -> T:
        """Send one request, or have the mishap."""
        if self._is_dead:
            raise Crashed("a dead process sends nothing")
        number = len(self.requests)
        self.requests.append(kind)
        if self.point is None or self.point.request != number:
            return call()
        mishap = self.point.mishap
        if mishap in {Mishap.DEATH_AFTER, Mishap.ANSWER_LOST}:
            with suppress(*REFUSALS):
                call()
        if mishap in {Mishap.DEATH_BEFORE, Mishap.DEATH_AFTER}:
            self._is_dead = True
            raise Crashed(f"request {number}, {kind}: {mishap}")
        raise GenericError(f"request {number}, {kind}: {mishap}")
