"""The text that names a sweep module in manifests and settings: ``tt-metal:ROOT:MODULE``."""

from __future__ import annotations

from pathlib import Path

from farm.errors import UsageError

PREFIX = "tt-metal:"


def format_source(root: Path, name: str) -> str:
    """Return the source text of a module."""
    return f"{PREFIX}{root.resolve()}:{name}"


def parse_source(source: str) -> tuple[Path, str]:
    """Return root and module name of a source text.

    Raises
    ------
    UsageError
        If it is none.
    """
    root, colon, name = source.removeprefix(PREFIX).rpartition(":")
    if not source.startswith(PREFIX) or not colon or not root or not name:
        raise UsageError(f"sweep {source!r}: write {PREFIX}ROOT:MODULE")
    return Path(root), name
