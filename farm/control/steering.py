"""Steering a run from outside, through the files of its sweep directory.

A request is written to ``control.json``; that the run has taken it in is seen in ``live.json``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from farm.errors import NoAnswerError, NoRunError
from farm.store.control import Request, Wanted, ask, read_control
from farm.store.files import Files
from farm.store.live import Liveness, Snapshot, Watch, read_live
from farm.view.run_state import duration

ANSWER_S = 20.0
"""How long a run may take to answer; it looks every two seconds, and a driver's start takes ten."""

_POLL_S = 0.5


class Steering:
    """Asks the run at work in a directory for something, and waits for its answer.

    Parameters
    ----------
    files : Files
        Of the sweep directory.
    clock, sleep : Callable
        Monotonic time, seconds; waiting.
    """

    def __init__(
        self,
        files: Files,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._files, self._clock, self._sleep = files, clock, sleep
        self._watch = Watch()

    def run_at_work(self) -> Snapshot:
        """Find the run at work; waits for a second snapshot where one is not enough to know.

        Raises
        ------
        NoRunError
            If no run is at work.
        """
        while True:
            liveness = self._look()
            snapshot = self._watch.latest
            if snapshot is not None and liveness is Liveness.LIVE:
                return snapshot
            if liveness is not Liveness.UNSURE:
                raise NoRunError(f"{self._no_run(snapshot)}; nothing was asked of it")
            self._sleep(_POLL_S)

    def ask(self, action: str, answer_s: float = ANSWER_S, **more: Any) -> tuple[Request, Snapshot]:
        """Ask for something and wait until the run has taken it in.

        Parameters
        ----------
        action : str
            ``stop``, ``pause``, ``resume`` or ``max_cards``.
        answer_s : float
            How long to wait.
        **more : Any
            See `farm.store.control.ask`.

        Returns
        -------
        tuple
            The request, and the snapshot that names it or in which the run has ended.

        Raises
        ------
        NoRunError
            If no run is at work, or it dies meanwhile.
        NoAnswerError
            If the run does not answer in time; the request stands.
        """
        run_id = self.run_at_work().run_id
        request = ask(self._files, run_id, action, **more)
        deadline = self._clock() + answer_s
        while self._clock() < deadline:
            self._sleep(_POLL_S)
            snapshot = self._of_run(run_id)
            if request.token in snapshot.control.tokens or snapshot.end is not None:
                return request, snapshot
            if not self._stands(request):
                request = ask(self._files, run_id, action, **more)
        raise NoAnswerError(
            f"run {run_id} has not answered in {answer_s:g} s; the request stands and holds as "
            f"soon as the run reads it (see farm status --watch)"
        )

    def wait_for_end(self, run_id: str, on_look: Callable[[Snapshot], None]) -> Snapshot:
        """Wait until a run has ended.

        Parameters
        ----------
        run_id : str
            Which.
        on_look : Callable
            Called with every snapshot that was read.

        Raises
        ------
        NoRunError
            If its process has died without saying how it ended.
        """
        while True:
            snapshot = self._of_run(run_id)
            on_look(snapshot)
            if snapshot.end is not None:
                return snapshot
            self._sleep(_POLL_S)

    def _look(self) -> Liveness:
        now_s = self._clock()
        self._watch.see(read_live(self._files), now_s)
        return self._watch.liveness(now_s)

    def _of_run(self, run_id: str) -> Snapshot:
        liveness = self._look()
        snapshot = self._watch.latest
        if snapshot is None or snapshot.run_id != run_id or liveness is Liveness.LOST:
            raise NoRunError(
                f"run {run_id} is gone: its process died or its host is cut off. What was "
                f"committed is safe; farm run {self._files.location} goes on"
            )
        return snapshot

    def _stands(self, request: Request) -> bool:
        """Whether nobody has written over a request under the same number."""
        return request in read_control(self._files).requests

    def _no_run(self, snapshot: Snapshot | None) -> str:
        where = f"no run is at work in {self._files.location}"
        if snapshot is None:
            return where
        if snapshot.end is not None:
            return f"{where}: run {snapshot.run_id} has {snapshot.end.state}"
        age = duration(self._watch.age_s(self._clock()))
        return f"{where}: run {snapshot.run_id} on {snapshot.host} was last heard of {age} ago"


def cards_line(control: Wanted) -> str:
    """Say how many cards a run may have."""
    request = control.max_cards
    if request is None or request.n_cards is None:
        return "as many cards as it can use"
    return f"at most {request.n_cards} cards"
