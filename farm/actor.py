"""The Ray edge of a card: an actor that is one `farm.card.runner.CardRunner` in a thread.

The actor drives itself, so there is no long call to lose: it starts working when it is created, and
starts again when Ray restarts it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from farm import logs
from farm.card.runner import CardRunner
from farm.chunk import Strike
from farm.devices.device import CardSlot
from farm.errors import RunStoppedError
from farm.port import Answer, Sink
from farm.ray_environment import restore_home
from farm.settings import RunSettings
from farm.store.directory import SweepDirectory
from farm.store.measured import Measured

COORDINATOR = "coordinator"
"""Name of the coordinator's actor."""

MOST_PUSHES_IN_FLIGHT = 8
_CALL_TIMEOUT_S = 10.0
_GIVE_UP_S = 60.0


def analysis_name(number: int) -> str:
    """Name of an analysis worker's actor."""
    return f"analysis-{number}"


def call(method: Callable[[], Any], give_up_s: float = _GIVE_UP_S) -> Any:
    """Call an idempotent method of an actor that may be restarting.

    Raises
    ------
    RunStoppedError
        If it cannot be reached for `give_up_s` seconds.
    """
    deadline = time.monotonic() + give_up_s
    while True:
        try:
            return ray.get(method(), timeout=_CALL_TIMEOUT_S)
        except (RayActorError, GetTimeoutError) as error:
            if time.monotonic() > deadline:
                raise RunStoppedError(f"the coordinator cannot be reached: {error}") from error
            time.sleep(0.2)


class RemoteCoordinator:
    """`farm.card.runner.CoordinatorPort` over a Ray actor handle.

    Parameters
    ----------
    handle : ray.actor.ActorHandle
        The coordinator.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def join(self, card: str, epoch: int, node: str = "") -> None:
        """Announce a card, and the cluster node that it is in."""
        call(lambda: self._handle.join.remote(card, epoch, node))

    def ask(self, card: str, epoch: int, awaiting: list[int], in_hand: list[str]) -> Answer:
        """Ask for work, and for verdicts on suspected vectors."""
        answer: Answer = call(lambda: self._handle.ask.remote(card, epoch, awaiting, in_hand))
        return answer

    def report(self, card: str, epoch: int, state: dict[str, Any]) -> str:
        """Tell that the card lives."""
        return str(call(lambda: self._handle.report.remote(card, epoch, state)))

    def committed(self, chunk_id: str, counts: dict[str, int]) -> None:
        """Tell that a chunk is committed."""
        call(lambda: self._handle.committed.remote(chunk_id, counts))

    def strike(self, strike: Strike, facts: dict[str, Any]) -> None:
        """Tell that a vector was in flight when its executor hung or died."""
        call(lambda: self._handle.strike.remote(strike, facts))

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Tell what became of a suspected vector."""
        call(lambda: self._handle.end_trial.remote(index, card, outcome))

    def incident(self, kind: str, facts: dict[str, Any]) -> None:
        """Have an incident journalled."""
        call(lambda: self._handle.incident.remote(kind, facts))

    def retire(self, card: str, epoch: int, reason: str) -> None:
        """Tell that a card cannot be healed."""
        call(lambda: self._handle.retire.remote(card, epoch, reason))

    def leave(self, card: str, epoch: int) -> None:
        """Tell that a card is gone from the run in good order."""
        call(lambda: self._handle.leave.remote(card, epoch))

    def decline(self, card: str, epoch: int, kind: str, reason: str) -> None:
        """Tell that a card of a cluster is of no use to the run, which goes on without it."""
        call(lambda: self._handle.decline.remote(card, epoch, kind, reason))

    def retired(self) -> list[str]:
        """Ask which cards could not be healed in this run."""
        cards: list[str] = call(self._handle.retired.remote)
        return cards

    def fail(self, message: str, exit_code: int) -> None:
        """Tell of a fault of the farm that ends the run."""
        call(lambda: self._handle.fail.remote(message, exit_code))

    def pause(self, is_paused: bool) -> None:
        """Let it grant nothing until told otherwise."""
        call(lambda: self._handle.pause.remote(is_paused))

    def drain(self, at_once: bool = False, is_patient: bool = False) -> None:
        """Let it end the run."""
        call(lambda: self._handle.drain.remote(at_once, is_patient))


class AnalysisSink:
    """Streams committed data to analysis workers, with back-pressure.

    What is lost on the way does not matter: the workers reconcile with the directory at the end.

    Parameters
    ----------
    workers : Sequence
        Actor handles; worker i takes the groups whose id is i modulo their number.
    """

    def __init__(self, workers: Sequence[Any]) -> None:
        self._workers = workers
        self._in_flight: list[Any] = []

    def __call__(self, chunk_id: str, data: Measured) -> None:
        """Hand over one committed chunk."""
        for worker in self._workers:
            self._in_flight.append(worker.push.remote(chunk_id, data.rows, data.groups))
        if len(self._in_flight) > MOST_PUSHES_IN_FLIGHT:
            _, self._in_flight = ray.wait(
                self._in_flight, num_returns=len(self._workers), timeout=_CALL_TIMEOUT_S
            )


class DeviceActor:
    """One card; made a Ray actor by `farm.driver`.

    Parameters
    ----------
    slot : CardSlot
        Which card.
    settings : str
        `RunSettings` as JSON.  The coordinator and the analysis workers are found by name, because
        handles among the arguments would make a restart depend on the object store.
    """

    def __init__(self, slot: CardSlot, settings: str) -> None:
        restore_home()
        known = RunSettings.from_json(settings)
        logs.configure_card(known.log_level, known.directory, known.run_id, slot.card)
        coordinator = RemoteCoordinator(ray.get_actor(COORDINATOR))
        workers = [ray.get_actor(analysis_name(i)) for i in range(known.n_analysis_workers)]
        sink: Sink = AnalysisSink(workers)
        directory = SweepDirectory.open(known.directory)
        self._runner = CardRunner(slot, directory, known, coordinator, sink)
        self._thread = threading.Thread(target=self._runner.run, name="runner", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the runner to let go of its card; returns whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()
