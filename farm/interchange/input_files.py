"""Which files an import reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.errors import UsageError
from farm.store.disk_access import StoreAccess

NOT_RECORDS = ("generation_manifest.json", "export_manifest.json")
"""Files of tt-metal that list vector files."""
RUN_PREFIX = "oprun_"
"""Begin of the names of files that repeat the results of a run."""

OnProgress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


@dataclass(frozen=True)
class InputFile:
    """A file to import, and its name in the sweep directory."""

    path: Path
    name: str


def input_files(paths: Sequence[Path]) -> list[InputFile]:
    """List files, and those below folders by name.

    Raises
    ------
    UsageError
        If a path does not exist, or there is no JSON file, or two have the same name.
    """
    found: list[InputFile] = []
    for path in paths:
        with StoreAccess("read", path):
            if path.is_dir():
                found += [
                    InputFile(file, file.relative_to(path).as_posix())
                    for file in sorted(path.rglob("*.json"))
                    if file.name not in NOT_RECORDS and not file.name.startswith(RUN_PREFIX)
                ]
            elif path.is_file():
                found.append(InputFile(path, path.name))
            else:
                raise UsageError(f"{path}: there is no such file or folder")
    if not found:
        raise UsageError(f"{', '.join(map(str, paths))}: no .json file to import is there")
    first: dict[str, Path] = {}
    for file in found:
        other = first.setdefault(file.name, file.path)
        if other is not file.path:
            raise UsageError(
                f"{other} and {file.path} have the same name below what was given; import the "
                f"folder that holds both"
            )
    return found


class ReadProgress:
    """Adds up what is read of files, over several passes.

    Parameters
    ----------
    files : Sequence of InputFile
        What is read.
    n_passes : int
        How often.
    report : Callable or None
        Told how far it is.
    """

    def __init__(
        self, files: Sequence[InputFile], n_passes: int, report: OnProgress | None
    ) -> None:
        self._n_bytes = n_passes * sum(file.path.stat().st_size for file in files)
        self._report, self._n_read = report, 0

    def __call__(self, n_bytes: int) -> None:
        """Count bytes that were read."""
        self._n_read += n_bytes
        if self._report is not None:
            self._report(self._n_read, self._n_bytes)
