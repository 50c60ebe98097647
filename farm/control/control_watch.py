"""Reads what people ask of a run, now and then, in a thread of its own: a store may be slow."""

from __future__ import annotations

import logging
import threading

from farm.errors import StoreError
from farm.store.control import Wanted, wanted_of
from farm.store.files import Files

EVERY_S = 2.0

logger = logging.getLogger(__name__)


class ControlWatch:
    """Follows ``control.json`` for one run.

    Parameters
    ----------
    files : Files
        Of the sweep directory.
    run_id : str
        The run; requests to others count for nothing.
    every_s : float
        Seconds between two looks.
    """

    def __init__(self, files: Files, run_id: str, every_s: float = EVERY_S) -> None:
        self._files, self._run_id, self._every_s = files, run_id, every_s
        self._wanted = Wanted()
        self._is_over = threading.Event()
        self._has_failed = False
        self._look()
        threading.Thread(target=self._follow, daemon=True, name="control-watch").start()

    @property
    def wanted(self) -> Wanted:
        """What was asked so far."""
        return self._wanted

    def close(self) -> None:
        """Look no more."""
        self._is_over.set()

    def _follow(self) -> None:
        while not self._is_over.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        try:
            self._wanted = wanted_of(self._files, self._run_id)
            self._has_failed = False
        except StoreError as error:
            # What was asked before still holds.
            if not self._has_failed:
                logger.warning("requests to the run cannot be read: %s", error)
            self._has_failed = True
