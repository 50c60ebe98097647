"""`Files` that die or fail at a chosen step, to try every crash point of a store.

Run the writer once with `CrashFiles` that never fire and look at `CrashFiles.steps`; then run it
again for each of `crash_points`, in a fresh directory each time, catch `Crashed` (or the
`StoreAccessError`), run it once more with plain `Files` and compare.  What is simulated is the
death of the process: what was written before stays, and nothing runs afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import FileIO
from pathlib import Path

from farm.store.local_files import LocalFiles


class Crashed(BaseException):
    """The process died here."""


class When(StrEnum):
    """When during a step it happens."""

    BEFORE = "before"
    HALFWAY = "halfway"
    AFTER = "after"


@dataclass(frozen=True)
class CrashPoint:
    """Where to die or fail.

    Attributes
    ----------
    step : int
        Number of the step, counted from 0.
    when : When
        Before, half-way through (writes only: half of the bytes are there), or after it.
    error : int or None
        Number of the `OSError` that the step raises, once; None: the process dies.
    """

    step: int
    when: When
    error: int | None = None


_DIVISIBLE = ("write", "append")


def crash_points(steps: Sequence[str], error: int | None = None) -> Iterator[CrashPoint]:
    """Every point at which a writer that takes these steps can die, or get an error."""
    for number, name in enumerate(steps):
        for when in When:
            if when is not When.HALFWAY or name in _DIVISIBLE:
                yield CrashPoint(number, when, error)


class CrashFiles(LocalFiles):
    """Durable writes that die or fail at one step.

    Parameters
    ----------
    root : Path
        The sweep directory.
    point : CrashPoint or None
        Where; None: nowhere, to count the steps.

    Attributes
    ----------
    point : CrashPoint or None
        Where; may be changed on the way.
    steps : list of str
        Names of the steps taken so far.
    """

    def __init__(self, root: Path, point: CrashPoint | None = None) -> None:
        super().__init__(root)
        self.point = point
        self._is_dead = False
        self.steps: list[str] = []

    def make_folder(self, folder: Path) -> None:
        self._take("make_folder", lambda: super(CrashFiles, self).make_folder(folder))

    def write(self, path: Path, content: bytes) -> None:
        self._take(
            "write",
            lambda: super(CrashFiles, self).write(path, content),
            lambda: path.write_bytes(content[: len(content) // 2]),
        )

    def append(self, file: FileIO, content: bytes) -> None:
        self._take(
            "append",
            lambda: super(CrashFiles, self).append(file, content),
            lambda: os.write(file.fileno(), content[: len(content) // 2]),
        )

    def truncate(self, file: FileIO, n_bytes: int) -> None:
        self._take("truncate", lambda: super(CrashFiles, self).truncate(file, n_bytes))

    def link(self, source: Path, target: Path) -> None:
        self._take("link", lambda: super(CrashFiles, self).link(source, target))

    def rename_if_free(self, source: Path, target: Path) -> bool:
        answers: list[bool] = []
        self._take(
            "rename_if_free",
            lambda: answers.append(super(CrashFiles, self).rename_if_free(source, target)),
        )
        return answers[0]

    def rename(self, source: Path, target: Path) -> None:
        self._take("rename", lambda: super(CrashFiles, self).rename(source, target))

    def unlink(self, path: Path) -> None:
        self._take("unlink", lambda: super(CrashFiles, self).unlink(path))

    def sync_folder(self, folder: Path) -> None:
        self._take("sync_folder", lambda: super(CrashFiles, self).sync_folder(folder))

    def _take(
        self,
        name: str,
        whole: Callable[[], object],
        half: Callable[[], object] | None = None,
    ) -> None:
        if self._is_dead:
            raise Crashed("a dead process writes nothing")
        number = len(self.steps)
        self.steps.append(name)
        point = self.point if self.point and self.point.step == number else None
        if point is None:
            whole()
            return
        if point.when is When.AFTER:
            whole()
        elif point.when is When.HALFWAY and half is not None:
            half()
        if point.error is None:
            self._is_dead = True
            raise Crashed(f"{point.when} step {number}: {name}")
        raise OSError(point.error, os.strerror(point.error))
