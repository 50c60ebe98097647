"""The driver: the child process of ``farm run`` that has Ray.

Started by `farm.supervisor` as ``python -m farm.driver``, with the settings on standard input and a
pipe for events.  Creates the coordinator, one actor per card and the analysis workers, polls the
coordinator, and reports events as JSON lines.  It may die at any instant; the supervisor starts it
again, and the sweep directory holds everything that matters.
"""

from __future__ import annotations

import json
import logging
import math
import os
import secrets
import signal
import socket
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from farm import logs, plugins, ray_environment, ray_metrics, ray_output
from farm.cluster import connection
from farm.cluster.listeners import listeners, require_loopback
from farm.control.control_watch import ControlWatch
from farm.control.helm import Helm, is_deserted
from farm.errors import FarmError, RunStoppedError
from farm.events import Events
from farm.metrics import RunMetrics
from farm.parent_death import end_with_parent
from farm.settings import RunSettings
from farm.store.control import Request
from farm.store.directory import SweepDirectory
from farm.store.live import EVERY_S, Snapshot
from farm.store.overview import overview
from farm.view.run_state import RunState

OBJECT_STORE_BYTES = 100 << 20
_POLL_S = 0.25
_COORDINATOR_GONE_S = 25.0
"""Longer than Ray takes to restart the coordinator: its head is gone, and the driver gives up."""

_LIVE_FIT_S = 1.0
_WAITING_EVERY_S = 10.0
_FIRST_WAIT_S = 3.0
_STOP_AT_ONCE_S = 5.0

logger = logging.getLogger(__name__)


class Driver:
    """One attempt at a run.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    events : Events
        Where to report.
    """

    def __init__(self, settings: RunSettings, events: Events) -> None:
        self._settings, self._events = settings, events
        self._n_interrupts = 0
        self._n_drains_sent = 0
        self._n_incidents = 0
        self._fits: dict[str, Any] = {}
        self._metrics: RunMetrics | None = None
        self._state, self._next_note_s = RunState(), 0.0
        self._base = Snapshot(
            run_id=settings.run_id,
            directory=settings.directory,
            device=settings.device_kind,
            host=socket.gethostname(),
            pid=os.getppid(),
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        self._stop_s: float | None = None
        self._waiting_said_s = time.monotonic() - _WAITING_EVERY_S + _FIRST_WAIT_S

    def run(self) -> int:
        """Run until the sweep is complete, stopped or failed; returns the exit code."""
        import ray

        directory = SweepDirectory.open(self._settings.directory)
        # A damaged footer would kill the coordinator at every start; find it here.
        overview(directory)
        if self._settings.is_cluster_run:
            self._tell("starting", message=f"joining the cluster {self._settings.address}")
            connection.join(self._settings)
        else:
            self._tell("starting", message="starting Ray")
            self._start_ray(ray)
        ray_output.quiet(logger.info)
        ray_environment.restore_home()
        # After ray.init, which installs handlers of its own.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._interrupt)
        manifest = directory.manifest
        self._base = replace(self._base, sweep=manifest.sweep)
        self._metrics = RunMetrics(ray_metrics.RayMeter(), self._settings.run_id, manifest.sweep)
        self._tell("metrics", addresses=ray_metrics.addresses())
        try:
            return self._run_actors(ray, directory)
        finally:
            ray.shutdown()

    def _start_ray(self, ray: Any) -> None:
        """Start a Ray of our own: on loopback, without a dashboard, with a small object store.

        Only control messages and committed rows pass through that.
        """
        sessions = ray_environment.session_folder()
        ray_environment.prune_sessions(sessions)
        ray.init(
            num_cpus=1,
            resources={"card": len(self._settings.slots)},
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            namespace="sweepfarm",
            _metrics_export_port=self._settings.metrics_port,
            _temp_dir=str(sessions),
        )
        require_loopback(listeners(os.getpid()))

    def _interrupt(self, number: int, frame: object) -> None:
        del number, frame
        self._n_interrupts += 1

    def _run_actors(self, ray: Any, directory: SweepDirectory) -> int:
        from farm.actor import COORDINATOR, analysis_name, call
        from farm.coordinator import Coordinator

        settings = self._settings
        # Restarted for ever; their methods may be called twice.
        lasting: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        if settings.is_cluster_run:
            lasting["resources"] = connection.ON_HEAD
        coordinator = (
            ray.remote(Coordinator)
            .options(**lasting, name=COORDINATOR, max_concurrency=4)
            .remote(settings)
        )
        fitter = plugins.load(plugins.ANALYSIS, "linear")
        n_workers = settings.n_analysis_workers
        analysis = [
            ray.remote(fitter)
            .options(**lasting, name=analysis_name(i))
            .remote(settings.directory, settings.fit_over, i, n_workers)
            for i in range(n_workers)
        ]
        # The coordinator must be up: it reads the directory, and may find it damaged.
        self._poll(call(coordinator.progress.remote), {})
        cards = _cards(settings, coordinator, directory)
        try:
            helm = Helm(ControlWatch(directory.files, settings.run_id))
            exit_code = self._watch(ray, call, coordinator, analysis, cards, helm)
        finally:
            cards.close()
        if exit_code in {0, 130}:
            self._publish(ray, fitter, analysis)
        return exit_code

    def _watch(
        self, ray: Any, call: Any, coordinator: Any, analysis: list[Any], cards: Cards, helm: Helm
    ) -> int:
        from farm.actor import RemoteCoordinator

        asked: list[Any] = []
        steered = RemoteCoordinator(coordinator)
        next_fit_s = 0.0
        while True:
            state = call(
                lambda: coordinator.progress.remote(self._n_incidents), _COORDINATOR_GONE_S
            )
            if asked and len(ray.wait(asked, num_returns=len(asked), timeout=0)[1]) == 0:
                self._fits = _merged(_results(ray, asked))
                asked = []
            elif not asked and time.monotonic() > next_fit_s:
                asked = [worker.live.remote() for worker in analysis]
                next_fit_s = time.monotonic() + _LIVE_FIT_S
            if not state["failure"]:
                cards.tend(state, is_ending=self._stop_s is not None)
            self._obey(helm.steer(state, steered, cards))
            self._poll(state, cards.describe())
            self._note(coordinator)
            self._say_waiting(cards.waiting())
            exit_code = self._exit_code(state, cards)
            if exit_code is not None:
                return exit_code
            if self._n_interrupts > self._n_drains_sent:
                self._n_drains_sent = self._n_interrupts
                at_once = self._n_interrupts > 1
                call(lambda at_once=at_once: coordinator.drain.remote(at_once))
                wait_s = _STOP_AT_ONCE_S if at_once else self._settings.grace_s + 5.0
                self._stop_s = time.monotonic() + wait_s
            time.sleep(_POLL_S)

    def _obey(self, stop: Request | None) -> None:
        """Note that the run is to end: when its cards have finished, or soon."""
        if stop is None:
            return
        if self._stop_s is None:
            self._stop_s = math.inf
        if stop.is_at_once:
            self._stop_s = min(self._stop_s, time.monotonic() + _STOP_AT_ONCE_S)

    def _tell(self, event: str, **facts: Any) -> None:
        self._events.send(event, **facts)
        self._state.feed({"event": event, **facts})

    def _note(self, coordinator: Any) -> None:
        """Hand the view of the run to its coordinator now and then; nobody waits for the answer."""
        if self._settings.is_cluster_run and time.monotonic() >= self._next_note_s:
            self._next_note_s = time.monotonic() + EVERY_S
            written_at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._base = replace(
                self._base, n_written=self._base.n_written + 1, written_at=written_at
            )
            coordinator.note.remote(self._state.snapshot(self._base).as_json())

    def _exit_code(self, state: dict[str, Any], cards: Cards) -> int | None:
        """Say how the run has ended, if it has."""
        if state["failure"]:
            message, exit_code = state["failure"]
            self._tell("error", message=message, exit_code=exit_code)
            return int(exit_code)
        if state["is_complete"]:
            return 0
        if self._stop_s is None:
            return None
        is_over = state["is_over"] or not cards.is_at_work
        is_over = is_over or is_deserted(state, self._settings.lease_s)
        return 130 if is_over or time.monotonic() > self._stop_s else None

    def _poll(self, state: dict[str, Any], cluster: dict[str, Any]) -> None:
        incidents = state.pop("incidents")
        self._n_incidents += len(incidents)
        for incident in incidents:
            self._tell("incident", **incident)
        if cluster:
            state["cluster"] = cluster
        if self._metrics is not None:
            self._metrics.progress(state)
            self._metrics.incidents(incidents)
        self._tell("progress", fits=self._fits, **state)

    def _say_waiting(self, message: str) -> None:
        """Tell what the run waits for, when that changes, and every now and then."""
        now_s = time.monotonic()
        if message and now_s - self._waiting_said_s >= _WAITING_EVERY_S:
            self._waiting_said_s = now_s
            self._tell("waiting", message=message)

    def _publish(self, ray: Any, fitter: Any, analysis: list[Any]) -> None:
        self._tell("fitting", message="writing models")
        tables = ray.get([worker.fits.remote() for worker in analysis])
        summary = fitter.publish(self._settings.directory, self._settings.fit_over, tables)
        self._tell("fitted", **summary)


class Cards(Protocol):
    """The cards of a run, on this machine or in a cluster."""

    def tend(self, state: dict[str, Any], is_ending: bool) -> None:
        """Look after them."""

    def limit(self, n_cards: int | None) -> None:
        """Have no more than so many."""

    def describe(self) -> dict[str, Any]:
        """Describe the cluster, if there is one."""

    def waiting(self) -> str:
        """Say what is waited for."""

    @property
    def is_at_work(self) -> bool:
        """Whether a card may have work in hand."""

    def close(self) -> None:
        """Let go of them."""


def _cards(settings: RunSettings, coordinator: Any, directory: SweepDirectory) -> Cards:
    from farm.crew import Crew

    if not settings.is_cluster_run:
        return Crew(settings)
    from farm.cluster.claim import MARKER
    from farm.cluster.fleet import Fleet

    token = secrets.token_hex(16)
    said = {"run_id": settings.run_id, "host": socket.gethostname(), "token": token}
    directory.files.replace(MARKER, json.dumps(said).encode())
    return Fleet(settings, coordinator, token)


def _results(ray: Any, references: list[Any]) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = ray.get(references)
    except ray.exceptions.RayError as error:
        logger.warning("live fits are not to be had at the moment: %s", error)
        return []
    return found


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Combine the live figures of all analysis workers; the median is that of the largest."""
    if not parts:
        return {}
    largest = max(parts, key=lambda part: int(part["n_fitted"]))
    return {
        "n_groups": sum(int(part["n_groups"]) for part in parts),
        "n_fitted": sum(int(part["n_fitted"]) for part in parts),
        "median_r2": largest["median_r2"],
    }


def main() -> int:
    """Entry point: ``python -m farm.driver EVENTS_FD PARENT_PID``; returns the exit code."""
    end_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = Events(os.fdopen(int(sys.argv[1]), "wb"))
    settings = RunSettings.from_json(sys.stdin.readline())
    logs.configure(settings.log_level, run=settings.run_id)
    try:
        return Driver(settings, events).run()
    except RunStoppedError as error:
        logger.exception("the driver gives up")
        events.send("lost", message=str(error))
        return 75
    except FarmError as error:
        kind = type(error).__name__
        events.send("error", message=str(error), exit_code=error.exit_code, kind=kind)
        return error.exit_code
    except Exception as error:
        logger.exception("the driver failed")
        cause = _farm_error_in(error)
        if cause is not None:
            events.send("error", message=str(cause), exit_code=cause.exit_code)
            return cause.exit_code
        events.send("lost", message=f"{type(error).__name__}: {error}")
        return 75


def _farm_error_in(error: BaseException | None) -> FarmError | None:
    """Find a farm error that Ray wrapped in its own."""
    while error is not None:
        if isinstance(error, FarmError):
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None


if __name__ == "__main__":
    sys.exit(main())
