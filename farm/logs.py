"""Logs of the farm's processes: one format, set in one place, with what a line is about.

Quiet unless asked: only warnings are written, or what ``--log-level`` or the variable
``SWEEPFARM_LOG`` says (debug, info, warning, error).  A line looks like this::

    2026-11-21T18:02:11.482Z WARNING farm.card.runner [run=20261121T175216Z card=sim:2
    chunk=00001-00004 attempt=2] hang: running for 2.04 s, budget 2 s

The driver writes to ``driver.log`` of its run, which is cut where a driver begins.  Each card, and
each of its executors, writes to a file on its own node, below the farm's private folder:
``logs/<run>-<sweep>/<card>.log`` and ``<card>.executor.log``.  A file is cut at `MOST_BYTES` and
two earlier ones are kept; folders of earlier runs go after `KEPT_DAYS` days, or when there are more
than `KEPT_RUNS`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path

from farm.card_lock import private_folder
from farm.errors import UsageError

VARIABLE = "SWEEPFARM_LOG"
LEVELS = ("debug", "info", "warning", "error")
DEFAULT_LEVEL = "warning"

MOST_BYTES = 4 << 20
KEPT_DAYS = 14
KEPT_RUNS = 50

_ORDER = ("run", "node", "card", "chunk", "attempt", "batch")
_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s%(about)s %(message)s"

_process: dict[str, str] = {}
_thread: ContextVar[Mapping[str, str] | None] = ContextVar("about", default=None)


def level_of(option: str | None) -> str:
    """Choose a level: the option, else the environment, else warnings.

    Raises
    ------
    UsageError
        If there is no such level.
    """
    name = option or os.environ.get(VARIABLE) or DEFAULT_LEVEL
    if name.lower() not in LEVELS:
        source = "--log-level" if option else VARIABLE
        raise UsageError(f"{source} {name!r}: write one of {', '.join(LEVELS)}")
    return name.lower()


class _AboutFilter(logging.Filter):
    """Gives every record what it is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add ``about`` to a record; lets all of them pass."""
        facts = {**_process, **(_thread.get() or {})}
        names = [*(n for n in _ORDER if facts.get(n)), *sorted(facts.keys() - set(_ORDER))]
        words = " ".join(f"{name}={facts[name]}" for name in names)
        record.about = f" [{words}]" if words else ""
        return True


def configure(level: str, path: Path | None = None, **about: object) -> None:
    """Set up logging in this process; a second call replaces the first.

    Parameters
    ----------
    level : str
        One of `LEVELS`.
    path : Path or None
        File to write to, from the first line on; None: standard error.
    **about : object
        What every line of this process is about, such as ``run`` and ``card``.
    """
    _process.clear()
    _process.update({name: str(value) for name, value in about.items()})
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=2, delay=True)
    formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(_AboutFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for package in ("farm", "analysis", "sweeps"):
        logging.getLogger(package).setLevel(level.upper())


def rotate(path: Path) -> None:
    """Set a file that other processes append to aside if it is long; two earlier ones are kept."""
    if path.exists() and path.stat().st_size >= MOST_BYTES:
        handler = RotatingFileHandler(path, backupCount=2, delay=True)
        handler.doRollover()
        handler.close()


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Say what the lines of this thread are about while a block runs."""
    known = {name: str(value) for name, value in facts.items() if value is not None}
    token = _thread.set({**(_thread.get() or {}), **known})
    try:
        yield
    finally:
        _thread.reset(token)


def card_log(directory: str, run_id: str, card: str) -> Path:
    """Path of a card's log on this node; makes its folder and removes what is too old."""
    scope = hashlib.sha256(directory.encode()).hexdigest()[:8]
    folder = private_folder("logs", f"{run_id}-{scope}")
    prune(folder.parent, folder)
    return folder / f"{card.replace('/', '_').replace(':', '-')}.log"


def configure_card(level: str, directory: str, run_id: str, card: str) -> None:
    """Let this process write the log of a card."""
    configure(level, card_log(directory, run_id, card), run=run_id, card=card)


def path_here() -> Path | None:
    """Path of the file that this process writes its log to, if it does."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RotatingFileHandler):
            return Path(handler.baseFilename)
    return None


def executor_log(path: Path) -> Path:
    """Path of the log of a card's executors, beside the card's own."""
    return path.with_suffix(".executor.log")


def prune(folder: Path, kept: Path | None = None, now_s: float | None = None) -> None:
    """Remove the logs of runs that are too old or too many; never those of `kept`."""
    oldest_s = (time.time() if now_s is None else now_s) - KEPT_DAYS * 24 * 3600
    dated: list[tuple[float, Path]] = []
    for run in folder.iterdir():
        with suppress(OSError):  # another card of this node may be faster
            newest_s = max((f.stat().st_mtime for f in run.iterdir()), default=run.stat().st_mtime)
            dated.append((newest_s, run))
    ranked = sorted(dated, reverse=True)
    for rank, (changed_s, run) in enumerate(ranked):
        if run != kept and (rank >= KEPT_RUNS or changed_s < oldest_s):
            shutil.rmtree(run, ignore_errors=True)
