"""The ledger against a model of cards that come, go, hang, lose answers and fall silent."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from farm.chunk import Chunk, Strike
from farm.ledger import Ledger
from farm.orders import Finish, Grant, TrialGrant, Wait
from tests.property.ledger_cards import Card, Job

LEASE_S = 30.0
CARDS = ("sim:0", "sim:1", "sim:2")


class LedgerMachine(RuleBasedStateMachine):
    """Cards take orders from a ledger; anything may go wrong with them."""

    @initialize(
        sizes=st.lists(st.integers(1, 3), min_size=1, max_size=8),
        max_strikes=st.integers(1, 3),
        n_committed=st.integers(0, 2),
        n_cards=st.integers(1, len(CARDS)),
    )
    def start(self, sizes: list[int], max_strikes: int, n_committed: int, n_cards: int) -> None:
        self.chunks = []
        for number, size in enumerate(sizes):
            first = sum(sizes[:number])
            self.chunks.append(Chunk(0, number, first, size))
        self.n_vectors = sum(sizes)
        self.max_strikes = max_strikes
        self.committed = {chunk.chunk_id for chunk in self.chunks[:n_committed]}
        self.strikes: list[Strike] = []
        self.cards = {card: Card() for card in CARDS}
        self.stale: list[str] = []
        self.is_paused = False
        self.now_s = 0.0
        self.measured: set[int] = set()
        self._new_ledger()
        for card in CARDS[:n_cards]:
            self._join(card)

    def _new_ledger(self) -> None:
        self.ledger = Ledger(
            self.chunks, set(self.committed), self.max_strikes, LEASE_S, self.strikes
        )
        self.ledger.pause(self.is_paused)
        self.attempts: dict[str, int] = {}
        self.heard: set[str] = set()

    def _condemned(self, index: int) -> bool:
        return sum(strike.index == index for strike in self.strikes) >= self.max_strikes

    # What the world does.

    @rule(
        card=st.sampled_from(CARDS),
        what=st.sampled_from(
            ["join", "kill", "retire", "release", "lose", "restart the coordinator"]
        ),
        is_so=st.sampled_from([True, False, False]),
    )
    def trouble(self, card: str, what: str, is_so: bool) -> None:
        """Rare, so that the cards get something done in between."""
        known = self.cards[card]
        if what == "join" and (is_so or not known.is_alive):
            self._join(card)
        elif what == "restart the coordinator" and is_so:
            self._new_ledger()
            for other in self.cards.values():
                other.leased.clear()
                other.is_retired = other.is_released = False
        elif what == "release" and is_so and known.is_alive:
            before = self.ledger.leases()
            self.ledger.release(card, known.epoch)
            # A ledger that has not heard of the card has nobody to release.
            known.is_released = known.is_released or card in self.heard
            self.ledger.release(card, known.epoch - 1)
            assert self.ledger.leases() == before
        elif is_so and known.is_alive:
            self._lose_jobs(known)
            known.die()
            if what == "retire":
                known.is_retired = True
                known.leased.clear()
                self._forget_the_silent()
                self.ledger.hear(card, known.epoch, self.now_s)
                self.ledger.retire(card)
                assert card not in {holder for holder, _ in self.ledger.leases().values()}
                assert isinstance(self.ledger.ask(card, known.epoch, self.now_s), Finish)
            if what == "lose":
                self._lose(card)

    def _lose(self, card: str) -> None:
        known = self.cards[card]
        assert not self.ledger.lose(card, known.epoch - 1)
        assert self.ledger.lose(card, known.epoch) == (card in self.heard)
        assert not self.ledger.lose(card, known.epoch)
        assert card not in {holder for holder, _ in self.ledger.leases().values()}
        known.leased.clear()
        if card in self.heard:
            assert not self.ledger.hear(card, known.epoch, self.now_s)
            assert isinstance(self.ledger.ask(card, known.epoch, self.now_s), Finish)

    @rule(is_paused=st.sampled_from([True, False, False]))
    def pause_or_resume(self, is_paused: bool) -> None:
        """Nothing that is under way is touched."""
        before = self.ledger.leases()
        self.is_paused = is_paused
        self.ledger.pause(is_paused)
        assert self.ledger.leases() == before

    @rule(seconds=st.sampled_from([1.0, LEASE_S / 2, LEASE_S + 1]), data=st.data())
    def time_passes(self, seconds: float, data: st.DataObject) -> None:
        self.now_s += seconds
        for card in self._alive():
            if data.draw(st.booleans(), label=f"{card} is heard"):
                self._hear(card)

    @precondition(lambda self: self._alive())
    @rule(data=st.data())
    def join_is_said_twice(self, data: st.DataObject) -> None:
        card = data.draw(st.sampled_from(self._alive()))
        before = self.ledger.leases()
        if card in self.heard:
            self.ledger.join(card, self.cards[card].epoch, self.now_s)
            self.cards[card].heard_s = self.now_s
            assert self.ledger.leases() == before

    @precondition(lambda self: any(c.epoch > 1 for c in self.cards.values()))
    @rule(data=st.data())
    def an_earlier_incarnation_speaks(self, data: st.DataObject) -> None:
        card = data.draw(st.sampled_from([n for n, c in self.cards.items() if c.epoch > 1]))
        known = self.cards[card]
        before = self.ledger.leases()
        if card not in self.heard:
            return
        assert isinstance(self.ledger.ask(card, known.epoch - 1, self.now_s), Finish)
        self.ledger.join(card, known.epoch - 1, self.now_s)
        assert self.ledger.leases() == before

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def late_commit(self, data: st.DataObject) -> None:
        self._commit(self.stale.pop(data.draw(st.integers(0, len(self.stale) - 1))))

    # What a card does.

    @precondition(lambda self: self._idle())
    @rule(data=st.data(), is_lost=st.booleans())
    def ask(self, data: st.DataObject, is_lost: bool) -> None:
        self._ask(data.draw(st.sampled_from(self._idle())), is_lost)

    @precondition(lambda self: self._measuring())
    @rule(data=st.data())
    def measure(self, data: st.DataObject) -> None:
        card = data.draw(st.sampled_from(self._measuring()))
        known = self.cards[card]
        job = next(job for job in known.jobs.values() if not job.is_measured)
        first = job.chunk.first_index
        rows = set(range(first, first + job.chunk.n_rows)) - job.awaiting
        if rows and data.draw(st.booleans(), label="hangs"):
            guilty = data.draw(st.sampled_from(sorted(rows)))
            self._strike(card, guilty)
            job.awaiting.add(guilty)
            return
        job.is_measured = True
        self._commit_if_complete(known, job)

    @precondition(lambda self: self._measuring())
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        card = data.draw(st.sampled_from(self._measuring()))
        known = self.cards[card]
        job = next(job for job in known.jobs.values() if not job.is_measured)
        chunk_id = job.chunk.chunk_id
        holder, attempt = self.ledger.leases().get(chunk_id, ("", 0))
        self.ledger.give_back(chunk_id, attempt - 1)
        assert self.ledger.leases().get(chunk_id, ("", 0)) == (holder, attempt)
        if holder == card:
            self.ledger.give_back(chunk_id, attempt)
            assert chunk_id not in self.ledger.leases()
        del known.jobs[chunk_id]
        known.leased.discard(chunk_id)

    @precondition(lambda self: any(c.trial for c in self.cards.values()))
    @rule(data=st.data(), hangs=st.booleans())
    def end_trial(self, data: st.DataObject, hangs: bool) -> None:
        card = data.draw(st.sampled_from([n for n, c in self.cards.items() if c.trial]))
        self._end_trial(card, hangs)

    # What holds at any time.

    @invariant()
    def leases_are_of_uncommitted_chunks(self) -> None:
        leases = self.ledger.leases()
        assert not leases.keys() & self.committed
        assert self.ledger.n_committed == len(self.committed)
        assert self.ledger.is_complete == (len(self.committed) == len(self.chunks))

    @invariant()
    def only_vectors_with_strikes_have_verdicts(self) -> None:
        struck = {strike.index for strike in self.strikes}
        for verdict in self.ledger.verdicts(range(self.n_vectors)):
            assert verdict.index in struck
            assert (verdict.condemned is not None) == self._condemned(verdict.index)
            assert (verdict.condemned is None) == (verdict.outcome is not None)

    def teardown(self) -> None:
        """As long as one card lives, and none hangs for ever, the sweep is completed."""
        if not hasattr(self, "ledger"):
            return
        if not any(not self.cards[card].is_released for card in self._alive()):
            if self.cards[CARDS[0]].is_retired:
                self._new_ledger()
                for known in self.cards.values():
                    known.is_retired = known.is_released = False
            self._join(CARDS[0])
        self.pause_or_resume(False)
        n_rounds = 20 + 4 * len(self.chunks) + 4 * self.n_vectors * self.max_strikes
        for _ in range(n_rounds):
            if self.ledger.is_complete:
                break
            self.now_s += LEASE_S / 4
            for card in self._alive():
                self._hear(card)
                self._go_on(card)
        assert self.ledger.is_complete
        assert self.committed == {chunk.chunk_id for chunk in self.chunks}
        for card in self._alive():
            known = self.cards[card]
            assert isinstance(self.ledger.ask(card, known.epoch, self.now_s), Finish)

    # How.

    def _join(self, card: str) -> None:
        """A new incarnation; what the earlier one was doing it may still commit."""
        known = self.cards[card]
        self._lose_jobs(known)
        self.cards[card] = Card(known.epoch + 1, is_alive=True, heard_s=self.now_s)
        self.heard.add(card)
        self.ledger.join(card, known.epoch + 1, self.now_s)
        if known.is_retired:
            # Another actor does not heal it.
            self._forget_the_silent()
            assert isinstance(self.ledger.ask(card, known.epoch + 1, self.now_s), Finish)
            self.cards[card].is_alive, self.cards[card].is_retired = False, True

    def _alive(self) -> list[str]:
        return [name for name, card in self.cards.items() if card.is_alive]

    def _idle(self) -> list[str]:
        return [name for name in self._alive() if not self.cards[name].is_busy]

    def _measuring(self) -> list[str]:
        return [
            name
            for name in self._alive()
            if any(not job.is_measured for job in self.cards[name].jobs.values())
        ]

    def _hear(self, card: str) -> None:
        known = self.cards[card]
        assert self.ledger.hear(card, known.epoch, self.now_s)
        self.heard.add(card)
        known.heard_s = self.now_s

    def _lose_jobs(self, known: Card) -> None:
        self.stale += [chunk_id for chunk_id, job in known.jobs.items() if not job.awaiting]
        known.leased.clear()

    def _ask(self, card: str, is_lost: bool = False) -> None:
        known = self.cards[card]
        known.heard_s = self.now_s
        self.heard.add(card)
        self._settle(known)
        self._forget_the_silent()
        known.leased &= known.jobs.keys()
        order = self.ledger.ask(card, known.epoch, self.now_s, known.awaiting)
        assert not (self.is_paused and isinstance(order, Grant | TrialGrant))
        match order:
            case Grant():
                assert not known.is_released
                self._check_grant(order)
                known.leased.add(order.chunk.chunk_id)
                if not is_lost:
                    job = Job(order.chunk, set(order.suspects))
                    known.jobs[order.chunk.chunk_id] = job
            case TrialGrant():
                self._check_trial(card, order)
                known.trial = None if is_lost else order
            case Wait():
                assert not self.ledger.is_complete
            case Finish():
                assert known.is_released or self.ledger.is_complete
                if known.is_released and not self.ledger.is_complete:
                    assert not known.awaiting
                    self._lose_jobs(known)
                    known.die()

    def _forget_the_silent(self) -> None:
        """Whoever asks, the leases of cards that have not been heard of expire."""
        for known in self.cards.values():
            if self.now_s - known.heard_s > LEASE_S:
                known.leased.clear()

    def _settle(self, known: Card) -> None:
        for verdict in self.ledger.verdicts(known.awaiting):
            for job in list(known.jobs.values()):
                if verdict.index in job.awaiting:
                    job.awaiting.remove(verdict.index)
                    self._commit_if_complete(known, job)

    def _check_grant(self, grant: Grant) -> None:
        chunk = grant.chunk
        assert chunk.chunk_id not in self.committed
        assert grant.attempt > self.attempts.get(chunk.chunk_id, 0)
        self.attempts[chunk.chunk_id] = grant.attempt
        assert not [n for n, c in self.cards.items() if chunk.chunk_id in c.leased]
        struck = {strike.index for strike in self.strikes}
        inside = range(chunk.first_index, chunk.first_index + chunk.n_rows)
        assert set(grant.suspects) == struck & set(inside)

    def _check_trial(self, card: str, trial: TrialGrant) -> None:
        strikes = [strike for strike in self.strikes if strike.index == trial.index]
        assert 0 < len(strikes) < self.max_strikes
        assert trial.chunk.chunk_id not in self.committed
        assert 0 <= trial.index - trial.chunk.first_index < trial.chunk.n_rows
        assert not self.ledger.verdicts([trial.index])
        others = [
            name
            for name, known in self.cards.items()
            if name != strikes[-1].card
            and known.is_alive
            and self.now_s - known.heard_s <= LEASE_S
            and name in self.heard
        ]
        assert card != strikes[-1].card or not others

    def _strike(self, card: str, index: int) -> None:
        had_verdict = bool(self.ledger.verdicts([index]))
        strike = Strike(f"{card}/{len(self.strikes)}", index, "HANG", card, "30 s")
        assert self.ledger.strike(strike) != had_verdict
        verdicts = self.ledger.verdicts([index])
        assert not self.ledger.strike(strike)
        assert self.ledger.verdicts([index]) == verdicts
        if not had_verdict:
            self.strikes.append(strike)
        assert bool(self.ledger.verdicts([index])) == (had_verdict or self._condemned(index))

    def _end_trial(self, card: str, hangs: bool) -> None:
        known = self.cards[card]
        assert known.trial is not None
        index, known.trial = known.trial.index, None
        if hangs:
            self._strike(card, index)
        else:
            self.ledger.end_trial(index, card, {"status": "OK"})
            self.ledger.end_trial(index, card, {"status": "OK"})

    def _commit_if_complete(self, known: Card, job: Job) -> None:
        if job.is_measured and not job.awaiting:
            del known.jobs[job.chunk.chunk_id]
            self._commit(job.chunk.chunk_id)

    def _commit(self, chunk_id: str) -> None:
        self.committed.add(chunk_id)
        for known in self.cards.values():
            known.leased.discard(chunk_id)
        self.ledger.commit(chunk_id)
        self.ledger.commit(chunk_id)

    def _go_on(self, card: str) -> None:
        known = self.cards[card]
        if known.trial is not None:
            self._end_trial(card, hangs=known.trial.index % 2 == 0)
        for job in list(known.jobs.values()):
            job.is_measured = True
            self._commit_if_complete(known, job)
        self._ask(card)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=50)
