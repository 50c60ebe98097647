"""The coordinator: one process around the pure ledger, with a clock and a journal.

Knows chunks, never vectors.  Everything it holds can be rebuilt from the sweep directory, so it may
be killed and restarted at any time; its methods may be called twice.  It becomes a Ray actor in
`farm.driver`.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

from farm.chunk import Strike
from farm.errors import FarmError
from farm.ledger import Ledger
from farm.port import Answer
from farm.quarantine import known_strikes
from farm.settings import RunSettings
from farm.store.control import wanted_of
from farm.store.directory import SweepDirectory
from farm.store.journal import NOTE_KINDS

_NEW_CARD = {"state": "opening", "n_done": 0, "in_hand": {}, "node": ""}


class Coordinator:
    """Implements `farm.card.runner.CoordinatorPort` for all cards of a run.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    """

    def __init__(self, settings: RunSettings) -> None:
        self._directory = SweepDirectory.open(settings.directory)
        committed = self._directory.committed()
        self._lock = threading.RLock()
        self._ledger = Ledger(
            self._directory.chunks(),
            committed,
            settings.max_strikes,
            settings.lease_s,
            known_strikes(self._directory),
            settings.straggler_s,
        )
        self._directive, self._is_draining = "run", False
        self._noted: dict[str, Any] = {}
        # What was asked of the run outlives this process and the driver.
        wanted = wanted_of(self._directory.files, settings.run_id)
        self.pause(wanted.is_paused)
        if wanted.stop is not None:
            self.drain(wanted.stop.is_at_once, is_patient=True)
        self._journal = self._directory.journal(f"{settings.run_id}-{secrets.token_hex(4)}")
        self._counts: dict[str, int] = {}
        self._counted: set[str] = set()
        for meta in self._directory.result_metas(committed):
            self._count(meta.chunk, dict(meta.counts))
        self._cards: dict[str, dict[str, Any]] = {}
        self._incidents: list[dict[str, Any]] = []
        self._failure: tuple[str, int] | None = None
        self._is_cluster_run = settings.is_cluster_run
        self._declined: set[tuple[str, str]] = set()

    def _count(self, chunk_id: str, counts: dict[str, int]) -> None:
        if chunk_id in self._counted:
            return
        self._counted.add(chunk_id)
        for status, n in counts.items():
            self._counts[status] = self._counts.get(status, 0) + n

    def join(self, card: str, epoch: int, node: str = "") -> None:
        """Announce a card, and the cluster node that it is in."""
        with self._lock:
            self._ledger.join(card, epoch, time.monotonic())
            known = self._cards.setdefault(card, dict(_NEW_CARD))
            known.update(state="opening", n_done=0, in_hand={}, node=node)
            known.update(heard_s=time.monotonic())

    def ask(self, card: str, epoch: int, awaiting: list[int], in_hand: list[str]) -> Answer:
        """Ask for work, and for verdicts on suspected vectors."""
        with self._lock:
            verdicts = self._ledger.verdicts(awaiting)
            return Answer(
                self._ledger.ask(card, epoch, time.monotonic(), awaiting, in_hand), verdicts
            )

    def report(self, card: str, epoch: int, state: dict[str, Any]) -> str:
        """Note a card's state; answers what it is to do."""
        with self._lock:
            if not self._ledger.hear(card, epoch, time.monotonic()):
                return "stop"
            known = self._cards.setdefault(card, dict(_NEW_CARD))
            known.update(state, heard_s=time.monotonic())
            return self._directive

    def committed(self, chunk_id: str, counts: dict[str, int]) -> None:
        """Note a commit; empty `counts` mean that another card was first."""
        with self._lock:
            self._ledger.commit(chunk_id)
            if chunk_id not in self._counted:
                meta = None if counts else self._directory.result_meta(chunk_id)
                self._count(chunk_id, dict(meta.counts) if meta else counts)

    def strike(self, strike: Strike, facts: dict[str, Any]) -> None:
        """Journal a hang or crash and hold it against the vector in flight."""
        with self._lock:
            if not self._ledger.strike(strike):
                return
            self._write(
                strike.kind.lower(),
                {
                    "card": strike.card,
                    "index": strike.index,
                    "message": strike.evidence,
                    "strike_id": strike.strike_id,
                    **facts,
                },
            )

    def end_trial(self, index: int, card: str, outcome: dict[str, Any]) -> None:
        """Note what became of a suspected vector on another card."""
        with self._lock:
            self._ledger.end_trial(index, card, outcome)
            status = outcome.get("status")
            self._write(
                "verdict",
                {
                    "card": card,
                    "index": index,
                    "message": f"run again alone, the vector ended with status {status}",
                },
            )

    def incident(self, kind: str, facts: dict[str, Any]) -> None:
        """Journal an incident."""
        with self._lock:
            self._write(kind, facts)

    def _write(self, kind: str, facts: dict[str, Any]) -> None:
        log = self._cards.get(facts.get("card", ""), {}).get("log")
        if log and kind not in NOTE_KINDS:
            facts = {**facts, "log": log}
        try:
            self._incidents.append(self._journal.append(kind, **facts))
        except FarmError as error:
            self.fail(str(error), error.exit_code)

    def retire(self, card: str, epoch: int, reason: str) -> None:
        """Take a card out of the run."""
        with self._lock:
            if not self._ledger.hear(card, epoch, time.monotonic()):
                return
            self._ledger.retire(card)
            self._cards.setdefault(card, dict(_NEW_CARD))["state"] = "retired"
            self._write("retired", {"card": card, "message": reason})
            # A cluster may have, or start, other nodes: `farm.cluster.fleet` judges that.
            if self._ledger.n_usable_cards == 0 and not self._is_cluster_run:
                self.fail(f"no healthy card is left; the last one, {card}: {reason}", 4)

    def leave(self, card: str, epoch: int) -> None:
        """Note that a card is gone in good order: what it had leased is free at once."""
        with self._lock:
            self._ledger.leave(card, epoch)
            self._cards.setdefault(card, dict(_NEW_CARD)).update(state="left", in_hand={})

    def decline(self, card: str, epoch: int, kind: str, reason: str) -> None:
        """Take a card of a cluster out of the run, which goes on without it; said once per node.

        Parameters
        ----------
        card, epoch : str, int
            The card, and its incarnation.
        kind, reason : str
            For the journal: what is wrong with it, or with its node.
        """
        with self._lock:
            self._ledger.leave(card, epoch)
            known = self._cards.setdefault(card, dict(_NEW_CARD))
            known.update(state=kind, in_hand={})
            node = str(known["node"])
            if (node, reason) not in self._declined:
                self._declined.add((node, reason))
                self._write(kind, {"card": card, "node": node, "message": reason})

    def release(self, cards: list[tuple[str, int]]) -> None:
        """Give cards no more work; they commit what they have in hand and finish."""
        with self._lock:
            for card, epoch in cards:
                self._ledger.release(card, epoch)

    def retired(self) -> list[str]:
        """Cards that could not be healed in this run."""
        with self._lock:
            return self._ledger.retired_cards()

    def lost(self, cards: list[tuple[str, int]], kind: str, message: str) -> None:
        """Note that the actors of cards are gone: what they had leased is free at once.

        Parameters
        ----------
        cards : list of (str, int)
            Cards and their incarnations.
        kind, message : str
            For the journal: what happened.
        """
        with self._lock:
            for card, epoch in cards:
                if self._ledger.lose(card, epoch):
                    known = self._cards.setdefault(card, dict(_NEW_CARD))
                    known.update(state="lost", in_hand={})
                    self._write(kind, {"card": card, "node": known["node"], "message": message})

    def fail(self, message: str, exit_code: int) -> None:
        """End the run because of a fault of the farm."""
        with self._lock:
            self._failure = self._failure or (message, exit_code)
            self._directive = "stop"
            self._ledger.drain()

    def drain(self, at_once: bool = False, is_patient: bool = False) -> None:
        """End the run.

        Parameters
        ----------
        at_once : bool
            Whether the chunks in hand are given up.
        is_patient : bool
            Whether they may take as long as they need, and not only the run's grace.
        """
        with self._lock:
            if at_once:
                self._directive = "stop"
            elif not is_patient and self._directive == "run":
                self._directive = "drain"
            self._is_draining = True
            self._ledger.drain()

    def pause(self, is_paused: bool) -> None:
        """Grant nothing until told otherwise; cards commit what they have and keep their claim."""
        with self._lock:
            self._is_paused = is_paused
            self._ledger.pause(is_paused)

    def note(self, snapshot: dict[str, Any]) -> None:
        """Keep the driver's view of the run, for those who ask the cluster."""
        self._noted = snapshot

    def noted(self) -> dict[str, Any]:
        """Return what was noted last."""
        return self._noted

    def close(self) -> None:
        """Close the journal; for a coordinator that shares its process with others."""
        self._journal.close()

    def progress(self, n_incidents_seen: int = 0) -> dict[str, Any]:
        """Describe the run as JSON data; incidents from number `n_incidents_seen` on."""
        with self._lock:
            n_committed = sum(self._counts.values())
            n_vectors = self._directory.manifest.n_vectors
            return {
                "n_vectors": n_vectors,
                "n_committed": n_committed,
                "n_done": n_committed + self._n_uncommitted(),
                "n_chunks": self._ledger.n_chunks,
                "n_chunks_committed": self._ledger.n_committed,
                "n_second_goes": self._ledger.n_second_goes(time.monotonic()),
                "counts": dict(self._counts),
                "cards": {card: self._described(state) for card, state in self._cards.items()},
                "is_paused": self._is_paused,
                "is_draining": self._is_draining,
                "incidents": self._incidents[n_incidents_seen:],
                "is_complete": self._ledger.is_complete,
                "is_over": self._ledger.all_finished or self._ledger.is_complete,
                "failure": self._failure,
            }

    def _n_uncommitted(self) -> int:
        """Vectors with an outcome in chunks that are not committed; of copies the further one."""
        furthest: dict[str, int] = {}
        for card in self._cards.values():
            for chunk_id, n_settled in card["in_hand"].items():
                if chunk_id not in self._counted:
                    furthest[chunk_id] = max(n_settled, furthest.get(chunk_id, 0))
        return sum(furthest.values())

    @staticmethod
    def _described(state: dict[str, Any]) -> dict[str, Any]:
        heard_s = state.get("heard_s")
        age_s = None if heard_s is None else round(time.monotonic() - heard_s, 1)
        return {key: value for key, value in state.items() if key not in {"heard_s", "in_hand"}} | {
            "age_s": age_s
        }
