"""The recovery ladder: reopen, warm reset, cold reset, retire.

Each rung is bounded in time and attempts, and is believed only after a probe: a small known-good
run whose records are judged.  What a reset tool says is worth nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from farm.card.executor import Executor
from farm.devices.device import CardControl, ResetLevel
from farm.errors import CardError


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Attributes
    ----------
    level : ResetLevel or None
        What to reset; None opens the card again without a reset.
    attempts : int
        How often to try.
    """

    level: ResetLevel | None
    attempts: int

    @property
    def name(self) -> str:
        """Name for the journal."""
        return f"{self.level.value} reset" if self.level else "reopen"


LADDER = (Rung(None, 2), Rung(ResetLevel.WARM, 2), Rung(ResetLevel.COLD, 2))

Report = Callable[[str, str], None]


@dataclass(frozen=True)
class Ladder:
    """How to get a card back to work.

    Attributes
    ----------
    control : CardControl
        Care of the card.
    open_executor : Callable
        Makes a new executor, not yet open.
    reset_timeout_s : float
        Longest time of one reset.
    resets_shared : bool
        Whether a card that other processes use may be reset.
    rungs : tuple of Rung
        The steps, gentlest first.
    """

    control: CardControl
    open_executor: Callable[[], Executor]
    reset_timeout_s: float
    resets_shared: bool = False
    rungs: tuple[Rung, ...] = LADDER

    def climb(self, report: Report) -> Executor:
        """Go up the ladder until the card passes its probe.

        Parameters
        ----------
        report : Callable
            Called with (rung, what went wrong) for every failed attempt.

        Returns
        -------
        Executor
            Open and proven.

        Raises
        ------
        CardError
            If no rung helps: the card is to be retired.
        """
        last = "no rung was tried"
        for rung in self.rungs:
            retrying = Retrying(
                stop=stop_after_attempt(rung.attempts),
                wait=wait_exponential(multiplier=0.2, max=5.0),
                retry=retry_if_exception_type(CardError),
            )
            try:
                return retrying(self._attempt, rung, report)
            except RetryError as error:
                last = str(error.last_attempt.exception())
        raise CardError(f"no rung of the recovery ladder helped; last: {last}")

    def _attempt(self, rung: Rung, report: Report) -> Executor:
        try:
            if rung.level is not None:
                self._reset(rung.level)
            return self.open_proven()
        except CardError as error:
            report(rung.name, str(error))
            raise

    def open_proven(self) -> Executor:
        """Open the card and probe it.

        Raises
        ------
        CardError
            If it does not open, or the probe fails.
        """
        executor = self.open_executor()
        try:
            executor.wait_open()
            if not self.passes_probe(executor):
                raise CardError("the probe's records are wrong")
        except BaseException:
            executor.kill()
            raise
        return executor

    def passes_probe(self, executor: Executor) -> bool:
        """Run the probe on an open card and judge it.

        Raises
        ------
        CardError
            If it fails, hangs or dies.
        """
        vectors = self.control.probe_vectors()
        return not vectors or self.control.probe_is_healthy(executor.probe(vectors))

    def _reset(self, level: ResetLevel) -> None:
        users = self.control.in_use_by_others()
        if users and not self.resets_shared:
            listed = ", ".join(f"{user.pid} ({user.command})" for user in users)
            raise CardError(
                f"the card is in use by other processes, not reset (see --reset-shared): {listed}"
            )
        failures: list[Exception] = []

        def reset() -> None:
            try:
                self.control.reset(level)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=reset, daemon=True, name="reset")
        thread.start()
        thread.join(self.reset_timeout_s)
        if thread.is_alive():
            raise CardError(f"{level.value} reset did not end within {self.reset_timeout_s:g} s")
        if failures:
            raise CardError(f"{level.value} reset failed: {failures[0]}") from failures[0]
