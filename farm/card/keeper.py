"""Keeping one card open: first opening, recovery, probing, letting go."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from farm import logs
from farm.card.executor import Executor
from farm.card.lifecycle import Budgets
from farm.card.recovery import Ladder
from farm.card.worker import WorkerConfig
from farm.devices import registry
from farm.devices.device import CardSlot
from farm.errors import CardError
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory

MAX_FAULTS_IN_A_ROW = 3
"""Faults of the card without a vector measured in between, after which it is retired."""

NARROWED_FAULTS_PER_FAULT = 5
"""Halving a batch of a thousand vectors takes ten faults to find the one that causes them."""

Incident = Callable[..., None]


class CardKeeper:
    """Owns the executor of a card.

    Parameters
    ----------
    slot : CardSlot
        Which card.
    directory : SweepDirectory
        Of the sweep.
    settings : RunSettings
        Of the run.
    incident : Callable
        Called with (kind, message, **facts) to journal an incident.
    """

    def __init__(
        self,
        slot: CardSlot,
        directory: SweepDirectory,
        settings: RunSettings,
        incident: Incident,
    ) -> None:
        self._slot, self._directory, self._settings = slot, directory, settings
        self._incident = incident
        self._executor: Executor | None = None
        self._epoch = secrets.randbelow(1 << 20)
        self._n_faults_in_a_row = 0
        self.n_dropped = 0
        self.is_recovering = False
        kind = registry.kind(slot.kind)
        scope = directory.location.digest
        # Hardware has one name per host, whoever uses it: a run of its own or a cluster's.
        self._lock_name = f"{slot.card}-{scope}" if kind.is_simulated else slot.place
        self._budgets = Budgets(
            open_s=settings.open_timeout_s,
            vector_s=directory.manifest.timeout_s,
            warm_up_s=directory.manifest.timeout_s,
            read_s=settings.read_timeout_s,
        )
        self._ladder = Ladder(
            kind.control(slot),
            self._new_executor,
            settings.reset_timeout_s,
            settings.resets_shared_cards,
        )

    @property
    def executor(self) -> Executor:
        """The open executor.

        Raises
        ------
        CardError
            If the card is not open.
        """
        if self._executor is None:
            raise CardError("the card is not open")
        return self._executor

    @property
    def epoch(self) -> int:
        """Incarnation of the present or the last executor."""
        return self._epoch

    @property
    def info(self) -> dict[str, Any]:
        """What the open card says about itself."""
        return self._executor.info if self._executor is not None else {}

    def open_first(self) -> None:
        """Open the card and probe it; climb the ladder if that fails.

        Raises
        ------
        CardError
            If no rung helps.
        ChangedSweepError
            If the sweep is not the one that the vectors were generated from.
        """
        try:
            self._executor = self._ladder.open_proven()
        except CardError as error:
            self._incident("open-failed", str(error))
            self.recover()

    def abandon(self) -> None:
        """Kill the executor and everything that it started."""
        executor, self._executor = self._executor, None
        if executor is not None:
            self.n_dropped += executor.n_dropped
            executor.kill()

    def recover(self, since_s: float | None = None) -> None:
        """Get the card back to work.

        Parameters
        ----------
        since_s : float or None
            Monotonic time since which the card did no useful work, for the record.

        Raises
        ------
        CardError
            If no rung of the ladder helps.
        """
        self.is_recovering = True
        try:
            self._executor = self._ladder.climb(
                lambda rung, message: self._incident("recovery-failed", f"{rung}: {message}")
            )
        finally:
            self.is_recovering = False
        if since_s is not None:
            lost_s = round(time.monotonic() - since_s, 3)
            self._incident("recovered", "card reopened and probed", lost_s=lost_s)

    def count_fault(self, message: str, is_narrowed: bool = False) -> None:
        """Note a fault that no vector is to blame for.

        Parameters
        ----------
        message : str
            What happened.
        is_narrowed : bool
            Whether the batch in hand will be smaller next time, until one vector is left that is
            to blame: such a fault weighs less.

        Raises
        ------
        CardError
            If there were too many in a row.
        """
        self._n_faults_in_a_row += 1 if is_narrowed else NARROWED_FAULTS_PER_FAULT
        if self._n_faults_in_a_row >= MAX_FAULTS_IN_A_ROW * NARROWED_FAULTS_PER_FAULT:
            raise CardError(f"too many faults in a row, the last: {message}")

    def count_success(self) -> None:
        """Note that a vector was measured."""
        self._n_faults_in_a_row = 0

    def is_healthy(self) -> bool:
        """Probe the open card."""
        try:
            return self._ladder.passes_probe(self.executor)
        except CardError:
            return False

    def let_go(self, at_once: bool) -> None:
        """Close the card, or kill its executor."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        try:
            if at_once:
                executor.kill()
            else:
                executor.close()
        except CardError as error:
            self._incident("close-failed", str(error))

    def _new_executor(self) -> Executor:
        self._epoch += 1
        manifest, log = self._directory.manifest, logs.path_here()
        config = WorkerConfig(
            slot=self._slot,
            lock_name=self._lock_name,
            source=manifest.source,
            version=str(manifest.declaration.get("version", "")),
            op=manifest.op,
            param_names=tuple(axis.name for axis in manifest.axes),
            tuple_params=tuple(axis.name for axis in manifest.axes if axis.components),
            feature_names=manifest.features,
            epoch=self._epoch,
            log_path="" if log is None else str(logs.executor_log(log)),
            log_level=self._settings.log_level,
            run_id=self._settings.run_id,
        )
        return Executor(config, self._settings.run_id, self._budgets)
