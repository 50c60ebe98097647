"""What faulty cards remember across processes: empty files of ``fault_dir``.

Every change is the creation (``O_EXCL``) or removal of one file, which exactly one of several
processes succeeds at.  Use a new directory for every run that is to behave alike.

================== ==============================================================
file               says
================== ==============================================================
fired-KIND-WHERE.N a fault fired for the (N+1)th time for a vector or for a slot
count-NAME.N       something happened for the (N+1)th time
is-NAME            a state, such as a card that waits for a reset
child-PID          a process that a faulty vector left running
================== ==============================================================
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from farm.errors import CardError


class FaultMemory:
    """Counters and states that all processes of a run share.

    Parameters
    ----------
    directory : Path
        Made when first needed.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def fires(self, kind: str, where: int, times: int) -> bool:
        """Count a firing, unless there were `times` of them.

        Raises
        ------
        CardError
            If it cannot be counted.
        """
        prefix = f"fired-{kind}-{where}"
        return any(self._create(f"{prefix}.{n}") for n in range(times))

    def count(self, name: str) -> int:
        """Return how often this was called for a name before.

        Raises
        ------
        CardError
            If it cannot be counted.
        """
        n = 0
        while not self._create(f"count-{name}.{n}"):
            n += 1
        return n

    def enter(self, state: str) -> bool:
        """Set a state; False if it was set already.

        Raises
        ------
        CardError
            If it cannot be set.
        """
        return self._create(f"is-{state}")

    def leave(self, state: str) -> bool:
        """End a state; False if it was not set.

        Raises
        ------
        CardError
            If it cannot be ended.
        """
        try:
            (self.directory / f"is-{state}").unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CardError(f"a faulty card cannot forget {state}: {error}") from error
        return True

    def is_in(self, state: str) -> bool:
        """Whether a state is set."""
        return (self.directory / f"is-{state}").exists()

    def note_children(self, pids: Iterable[int]) -> None:
        """Note processes that a faulty vector started.

        Raises
        ------
        CardError
            If they cannot be noted.
        """
        for pid in pids:
            self._create(f"child-{pid}")

    def children(self) -> list[int]:
        """Process ids of all processes that faulty vectors started."""
        return sorted(int(path.name.removeprefix("child-")) for path in self._files("child-*"))

    def fired(self) -> Counter[str]:
        """How often each kind of counted fault fired, over all vectors, cards and processes."""
        names = (path.name.removeprefix("fired-") for path in self._files("fired-*"))
        return Counter(name.rpartition("-")[0] for name in names)

    def _files(self, pattern: str) -> Iterable[Path]:
        return self.directory.glob(pattern)

    def _create(self, name: str) -> bool:
        path = self.directory / name
        try:
            os.close(self._open_new(path))
        except FileExistsError:
            return False
        except OSError as error:
            raise CardError(f"a fault cannot be counted in {self.directory}: {error}") from error
        return True

    def _open_new(self, path: Path) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self.directory.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags, 0o600)
