"""The fleet: as many actors as there is work for, wherever the cluster has cards for them.

Every actor asks Ray for one ``card``.  Those that find no place yet are the demand that an
autoscaler sees; they are gone with the driver, so nothing keeps nodes alive after a run.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

import farm
from farm.actor import call
from farm.card.runner import End
from farm.cluster import device_actor
from farm.cluster.demand import Pace, Starts, Work, wanted_cards
from farm.cluster.device_actor import ClaimingDeviceActor
from farm.cluster.device_work import REFUSED
from farm.cluster.member import Member, Phase, least_needed
from farm.cluster.nodes import Nodes
from farm.errors import NoCardsError
from farm.settings import RunSettings

# A node without Sweepfarm has to be able to say so.
ray.cloudpickle.register_pickle_by_value(device_actor)

NO_FIT_S = 30.0
"""How long a cluster may have no place but where actors are parked, before the run ends."""

RETRY_S = 120.0
"""When a node that could not be used is tried again: somebody may have put it right."""

_CLOSE_S = 15.0
_LONGEST_BACK_OFF_S = 30.0
_SAID_AGAIN_S = 2.0
_BEREFT_S = 60.0

logger = logging.getLogger(__name__)

Incident = Callable[[str, dict[str, Any]], None]


class Fleet:
    """Keeps the actors of a cluster run.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    coordinator : ray.actor.ActorHandle
        Told of cards that are lost or released.
    token : str
        What the sweep directory shows if it is the driver's.
    """

    def __init__(self, settings: RunSettings, coordinator: Any, token: str) -> None:
        self._settings, self._coordinator, self._token = settings, coordinator, token
        self.max_cards = settings.max_cards
        self._members: list[Member] = []
        self._nodes = Nodes()
        self._n_wanted = 0
        self._pace, self._starts = Pace(), Starts()
        self._refused: set[tuple[str, str]] = set()
        self._n_failed_starts, self._next_start_s, self._last_death = 0, 0.0, ""
        self._idle_since_s = self._stuck_since_s = time.monotonic()
        self._said_s = 0.0
        self._bereft: dict[str, tuple[str, float]] = {}

    def tend(self, state: dict[str, Any], is_ending: bool = False) -> None:
        """Look after the actors; to be called several times a second.

        Parameters
        ----------
        state : dict
            What the coordinator tells of the run.
        is_ending : bool
            Whether every card is to finish what it has in hand and leave.

        Raises
        ------
        NoCardsError
            If no node can run the sweep, or no card came for too long.
        """
        now_s = time.monotonic()
        self._look(now_s)
        self._bury(now_s)
        self._n_wanted = 0 if is_ending else wanted_cards(self._work(state, now_s), self._n_wanted)
        self._adjust(state, now_s)
        self._require_progress(now_s)

    def _work(self, state: dict[str, Any], now_s: float) -> Work:
        working = self._in(Phase.WORKING)
        measuring = [m for m in working if _doing(state, m).startswith(("measuring", "trial"))]
        self._pace = self._pace.observed(now_s, len(measuring), int(state["n_chunks_committed"]))
        n_left = int(state["n_chunks"]) - int(state["n_chunks_committed"])
        return Work(
            n_left,
            len(working),
            self._pace.chunk_s,
            self._starts.expected_s,
            self.max_cards,
            int(state["n_second_goes"]),
            # No node is started only to wait.
            self._n_places() if state["is_paused"] else None,
        )

    def _n_places(self) -> int:
        return sum(node.n_cards for node in self._nodes.alive().values())

    def limit(self, n_cards: int | None) -> None:
        """Have no more than so many cards from now on."""
        self.max_cards = n_cards

    def describe(self) -> dict[str, Any]:
        """Describe cards and nodes as JSON data."""
        working = self._in(Phase.WORKING, Phase.LEAVING)
        parked = {member.node_id: member for member in self._in(Phase.PARKED)}
        nodes = [
            {
                "name": _name_of(node.node_id, self._members) or node.host,
                "node_id": node.node_id,
                "host": node.host,
                "n_cards": node.n_cards,
                "n_at_work": sum(member.node_id == node.node_id for member in working),
                "state": "refused" if node.node_id in parked else "alive",
                "reason": parked[node.node_id].reason if node.node_id in parked else "",
            }
            for node in self._nodes.alive().values()
        ]
        return {
            "address": os.environ.get("RAY_ADDRESS", self._settings.address),
            "n_wanted": self._n_wanted,
            "n_max": self.max_cards,
            "n_pending": len(self._in(Phase.PENDING)),
            "n_at_work": len(working),
            "nodes": nodes,
        }

    @property
    def is_at_work(self) -> bool:
        """Whether any card has work in hand or may get some."""
        return bool(self._in(Phase.WORKING, Phase.LEAVING))

    def close(self) -> None:
        """Let every actor finish what it is doing, for a while, and end it."""
        for member in self._in(Phase.PENDING, Phase.PARKED):
            self._drop(member)
        waiting = [member.ended for member in self._in(Phase.WORKING, Phase.LEAVING)]
        waiting = [ended for ended in waiting if ended is not None]
        if waiting:
            ray.wait(waiting, num_returns=len(waiting), timeout=_CLOSE_S)
        for member in self._members:
            ray.kill(member.actor)
        self._members = []

    def _in(self, *phases: Phase) -> list[Member]:
        return [member for member in self._members if member.phase in phases]

    # What became of the actors.

    def _look(self, now_s: float) -> None:
        asked = [ref for m in self._members for ref in (m.claimed, m.ended) if ref is not None]
        if not asked:
            return
        ready = set(ray.wait(asked, num_returns=len(asked), timeout=0)[0])
        for member in list(self._members):
            try:
                if member.claimed in ready:
                    self._place(member, ray.get(member.claimed), now_s)
                if member.ended in ready and member.claimed is None:
                    self._end(member, ray.get(member.ended), now_s)
            except RayActorError as error:
                self._lose(member, error, now_s)
            except RayError as error:
                # Its class could not be loaded there, for one.
                member.claimed = member.ended = None
                self._refuse(member, f"the actor cannot start: {_last_line(error)}", now_s)

    def _place(self, member: Member, claimed: dict[str, Any], now_s: float) -> None:
        member.place(claimed)
        self._n_failed_starts, self._last_death = 0, ""
        if "refusal" in claimed:
            self._refuse(member, str(claimed["refusal"]), now_s)
        else:
            self._starts = self._starts.observed(now_s - member.asked_s)
            logger.info("card %s of host %s is at work", member.card, member.host)

    def _end(self, member: Member, ended: dict[str, Any], now_s: float) -> None:
        member.ended = None
        end, reason = str(ended["end"]), str(ended["reason"])
        # The coordinator has journalled why.
        if end in {End.UNFIT, End.RETIRED}:
            member.park(reason)
        elif end == End.FAILED:
            member.park(reason, now_s + RETRY_S)
        elif end != REFUSED:
            self._drop(member)

    def _refuse(self, member: Member, reason: str, now_s: float) -> None:
        member.park(reason, now_s + RETRY_S)
        cause = member.host, reason
        if cause not in self._refused:
            self._refused.add(cause)
            facts = {"host": member.host, "node": member.node, "message": _on(member, reason)}
            call(lambda: self._coordinator.incident.remote("node-refused", facts))

    def _lose(self, member: Member, error: RayActorError, now_s: float) -> None:
        """Note that an actor is gone which nobody has ended."""
        self._members.remove(member)
        if not member.card:
            # A node takes all that wait for it along: that is one failure, not one each.
            if now_s >= self._next_start_s:
                self._n_failed_starts += 1
                back_off_s = min(_LONGEST_BACK_OFF_S, 0.1 * 2**self._n_failed_starts)
                self._next_start_s = now_s + back_off_s
                self._last_death = _last_line(error)
                logger.warning("an actor died before it had a card: %s", self._last_death)
            return
        if member.phase is Phase.PARKED:
            return
        # Whether its node is gone, too, Ray knows some seconds later.
        self._bereft[member.node_id] = member.node, now_s
        lost, message = [member.incarnation], f"the actor of {member.card} is gone"
        call(lambda: self._coordinator.lost.remote(lost, "actor-lost", message))

    def _bury(self, now_s: float) -> None:
        """Note nodes that Ray has given up: what was on them is lost, heard from or not."""
        self._bereft = {n: b for n, b in self._bereft.items() if now_s - b[1] < _BEREFT_S}
        names = {node_id: name for node_id, (name, _) in self._bereft.items()}
        names |= {m.node_id: m.node for m in self._in(Phase.WORKING, Phase.LEAVING)}
        if names.keys() <= self._nodes.alive().keys():
            return
        for node_id in names.keys() - self._nodes.alive(is_fresh=True).keys():
            self._bereft.pop(node_id, None)
            gone = [member for member in self._members if member.node_id == node_id]
            self._members = [member for member in self._members if member not in gone]
            self._tell_node_lost(names[node_id], [m.incarnation for m in gone if m.card])

    def _tell_node_lost(self, node: str, lost: list[tuple[str, int]]) -> None:
        message = f"node {node} is gone"
        facts = {"node": node, "message": message}
        if lost:
            call(lambda: self._coordinator.lost.remote(lost, "node-lost", message))
        else:
            call(lambda: self._coordinator.incident.remote("node-lost", facts))

    def _drop(self, member: Member) -> None:
        self._members.remove(member)
        ray.kill(member.actor)

    # How many there should be.

    def _adjust(self, state: dict[str, Any], now_s: float) -> None:
        active = self._in(Phase.PENDING, Phase.WORKING)
        n_more = self._n_wanted - len(active)
        if n_more > 0 and now_s >= self._next_start_s:
            self._members += [self._new_member(now_s) for _ in range(n_more)]
        elif n_more < 0:
            idle = {m.card for m in active if _doing(state, m) in {"idle", "opening"}}
            for member in least_needed(active, idle, -n_more):
                if member.phase is Phase.PENDING:
                    self._drop(member)
                else:
                    member.phase = Phase.LEAVING
        # Once nobody is on the way, nobody can be sent there in their place.
        is_all_here = not self._in(Phase.PENDING)
        for member in self._in(Phase.PARKED):
            if is_all_here or now_s > member.retry_s:
                self._drop(member)
        self._release(now_s)

    def _new_member(self, now_s: float) -> Member:
        actor = (
            ray.remote(ClaimingDeviceActor)
            # Never restarted by Ray: the fleet asks for another one where it is still wanted.
            .options(
                num_cpus=0,
                resources={"card": 1},
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=4,
            )
            .remote(farm.__version__, self._settings.to_json(), self._token)
        )
        return Member(actor, actor.claimed.remote(), actor.ended.remote(), now_s)

    def _release(self, now_s: float) -> None:
        """Tell the coordinator whom to let go, again and again: it may be another one by now."""
        leaving = [member.incarnation for member in self._in(Phase.LEAVING)]
        if leaving and now_s - self._said_s >= _SAID_AGAIN_S:
            self._said_s = now_s
            call(lambda: self._coordinator.release.remote(leaving))

    # Whether that leads anywhere.

    def _require_progress(self, now_s: float) -> None:
        if self._in(Phase.WORKING, Phase.LEAVING) or self._n_wanted == 0:
            self._idle_since_s = self._stuck_since_s = now_s
            return
        parked = self._in(Phase.PARKED)
        if not parked or len(parked) < self._n_places():
            self._stuck_since_s = now_s
        why = "; ".join(sorted({_on(member, member.reason) for member in parked}))
        if now_s - self._stuck_since_s > NO_FIT_S:
            raise NoCardsError(f"no card of the cluster can run this sweep: {why}")
        waited_s = now_s - self._idle_since_s
        if waited_s > self._settings.wait_cards_s:
            raise NoCardsError(
                f"no card came within {self._settings.wait_cards_s:g} s (--wait-cards): "
                f"{self.waiting()}" + (f"; {why}" if why else "")
            )

    def waiting(self) -> str:
        """Say what the run is waiting for; empty if a card is at work."""
        if self.is_at_work or self._n_wanted == 0:
            return ""
        nodes = self._nodes.alive().values()
        n_cards = sum(node.n_cards for node in nodes)
        return (
            f"waiting for cards: {self._n_wanted} wanted, {len(self._in(Phase.PENDING))} pending, "
            f"the cluster has {n_cards} on {len(nodes)} nodes"
            + (
                f"; the last actor died at its start: {self._last_death}"
                if self._last_death
                else ""
            )
        )


def _doing(state: dict[str, Any], member: Member) -> str:
    return str(state["cards"].get(member.card, {}).get("state", ""))


def _name_of(node_id: str, members: Sequence[Member]) -> str:
    return next((member.node for member in members if member.node_id == node_id), "")


def _on(member: Member, reason: str) -> str:
    return f"{member.host}: {reason}" if member.host else reason


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
