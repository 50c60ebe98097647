"""Carries out in the driver what people ask of its run, as often as it takes.

Requests are states to be reached: what the coordinator says it is doing is compared with what is
wanted, so that a coordinator that was restarted, or a call that was lost, is made good at the next
look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from farm.card_state import is_gone
from farm.control.control_watch import ControlWatch
from farm.store.control import Request


class Steerable(Protocol):
    """The coordinator, as far as people may ask something of it."""

    def pause(self, is_paused: bool) -> None:
        """Grant nothing until told otherwise."""

    def drain(self, at_once: bool = False, is_patient: bool = False) -> None:
        """End the run."""


class Limited(Protocol):
    """The cards of a run, as far as people may ask something of them."""

    def limit(self, n_cards: int | None) -> None:
        """Have no more than so many."""


class Helm:
    """Compares what is wanted with what is so.

    Parameters
    ----------
    watch : ControlWatch
        What is wanted.
    """

    def __init__(self, watch: ControlWatch) -> None:
        self._watch = watch
        self._is_stopped_at_once = False

    def steer(
        self, state: dict[str, Any], coordinator: Steerable, cards: Limited
    ) -> Request | None:
        """Do what is wanted and not yet so, and note in `state` what has been taken in.

        Parameters
        ----------
        state : dict
            The coordinator's progress; gets ``control``.
        coordinator : Steerable
            Who grants chunks.
        cards : Limited
            Who asks for cards.

        Returns
        -------
        Request or None
            The stop that was asked for, if one was.
        """
        wanted = self._watch.wanted
        if wanted.is_paused != state["is_paused"]:
            coordinator.pause(wanted.is_paused)
            state["is_paused"] = wanted.is_paused
        if wanted.max_cards is not None:
            cards.limit(wanted.max_cards.n_cards)
        stop = wanted.stop
        if stop is not None:
            is_urgent = stop.is_at_once and not self._is_stopped_at_once
            if is_urgent or not state["is_draining"]:
                coordinator.drain(stop.is_at_once, is_patient=True)
            self._is_stopped_at_once = stop.is_at_once
        state["control"] = wanted.as_json()
        return stop


def is_deserted(state: Mapping[str, Any], silence_s: float) -> bool:
    """Whether no card is left that could still commit something.

    Parameters
    ----------
    state : Mapping
        The coordinator's progress.
    silence_s : float
        Age of a card's last report from which it is taken for gone.
    """
    return all(
        is_gone(facts) or float(facts.get("age_s") or 0.0) > silence_s
        for facts in state["cards"].values()
    )
