"""The ledger, one situation at a time."""

from __future__ import annotations

import pytest

from farm.chunk import Chunk, Strike
from farm.ledger import Ledger
from farm.orders import Finish, Grant, TrialGrant, Verdict, Wait

CHUNKS = [Chunk(0, number, 10 * number, 10) for number in range(3)]
A, B, C = "sim:0", "sim:1", "sim:2"


def ledger(n_chunks: int = 3, cards: tuple[str, ...] = (A, B), **more: object) -> Ledger:
    made = Ledger(CHUNKS[:n_chunks], set(), **more)  # type: ignore[arg-type]
    for card in cards:
        made.join(card, 1, 0.0)
    return made


def strike(index: int, card: str, number: int = 0) -> Strike:
    return Strike(f"{card}/{number}", index, "HANG", card, "30 s, budget 2 s")


def grant(ledger: Ledger, card: str, now_s: float = 0.0, awaiting: tuple[int, ...] = ()) -> Grant:
    order = ledger.ask(card, 1, now_s, awaiting)
    assert isinstance(order, Grant)
    return order


def test_chunks_are_granted_in_order_and_once() -> None:
    farm = ledger()
    assert grant(farm, A) == Grant(CHUNKS[0], 1)
    assert grant(farm, B) == Grant(CHUNKS[1], 1)
    assert farm.leases() == {"00000-00000": (A, 1), "00000-00001": (B, 1)}
    farm.commit("00000-00000")
    assert grant(farm, A) == Grant(CHUNKS[2], 1)
    farm.commit("00000-00002")
    assert farm.ask(A, 1, 0.0) == Wait()
    farm.commit("00000-00001")
    assert farm.is_complete
    assert farm.ask(A, 1, 0.0) == farm.ask(B, 1, 0.0) == Finish()
    assert farm.all_finished


def test_what_is_committed_from_the_start_is_not_granted() -> None:
    farm = Ledger(CHUNKS, {"00000-00000", "00000-00002", "not of this sweep"})
    assert (farm.n_chunks, farm.n_committed) == (3, 2)
    assert grant(farm, A).chunk == CHUNKS[1]


def test_a_sweep_without_chunks_is_complete() -> None:
    assert Ledger([], set()).is_complete
    assert Ledger([], set()).ask(A, 1, 0.0) == Finish()


def test_the_lease_of_a_silent_card_expires_under_a_higher_attempt() -> None:
    farm = ledger(1)
    grant(farm, A)
    assert farm.ask(B, 1, 30.0) == Wait()
    assert grant(farm, B, 30.5) == Grant(CHUNKS[0], 2)
    # The card was slow, not dead: its commit counts, and the other's lease is over.
    farm.commit("00000-00000")
    assert farm.leases() == {}
    assert farm.is_complete


def test_a_sign_of_life_renews_a_lease() -> None:
    farm = ledger(1)
    grant(farm, A)
    assert farm.hear(A, 1, 25.0)
    assert farm.ask(B, 1, 50.0) == Wait()


def test_a_new_incarnation_frees_what_the_earlier_one_held() -> None:
    farm = ledger(1)
    grant(farm, A)
    farm.join(A, 2, 1.0)
    assert farm.ask(A, 1, 1.0) == Finish()
    assert not farm.hear(A, 1, 1.0)
    assert farm.ask(A, 2, 1.0) == Grant(CHUNKS[0], 2)


def test_joining_twice_changes_nothing() -> None:
    farm = ledger(1)
    grant(farm, A)
    farm.join(A, 1, 1.0)
    farm.join(A, 0, 1.0)
    assert farm.leases() == {"00000-00000": (A, 1)}
    assert farm.n_usable_cards == 2


def test_a_newer_incarnation_is_believed_even_if_an_older_one_spoke_first() -> None:
    # A young ledger may hear a zombie before the card itself, whose join it never saw.
    farm = ledger(1, cards=())
    assert farm.hear(A, 1, 0.0)
    assert isinstance(farm.ask(A, 2, 0.0), Grant)
    assert not farm.hear(A, 1, 0.0)


def test_an_order_whose_answer_was_lost_is_given_again() -> None:
    farm = ledger(1)
    grant(farm, A)
    assert grant(farm, A) == Grant(CHUNKS[0], 2)
    # What the card has in hand it keeps.
    farm.strike(strike(3, A))
    assert farm.ask(B, 1, 0.0) == TrialGrant(CHUNKS[0], 3, 2)
    assert farm.ask(A, 1, 0.0, [3]) == Wait()
    assert farm.leases() == {"00000-00000": (A, 2)}
    assert farm.ask(B, 1, 0.0) == TrialGrant(CHUNKS[0], 3, 2)


def test_only_the_present_lease_can_be_given_back() -> None:
    farm = ledger(1)
    grant(farm, A)
    farm.give_back("00000-00000", 0)
    farm.give_back("00000-00001", 1)
    assert farm.leases() == {"00000-00000": (A, 1)}
    farm.give_back("00000-00000", 1)
    assert grant(farm, B) == Grant(CHUNKS[0], 2)


def test_a_suspect_is_tried_on_another_card() -> None:
    farm = ledger(1)
    grant(farm, A)
    assert farm.strike(strike(3, A))
    assert farm.ask(A, 1, 0.0, [3]) == Wait()
    assert farm.ask(B, 1, 0.0) == TrialGrant(CHUNKS[0], 3, 1)
    farm.end_trial(3, A, {"status": "OP_ERROR"})
    assert farm.verdicts([3]) == []
    farm.end_trial(3, B, {"status": "OK"})
    farm.end_trial(3, B, {"status": "OP_ERROR"})
    assert farm.verdicts([2, 3]) == [
        Verdict(3, None, f"HANG on {A}: 30 s, budget 2 s", {"status": "OK"})
    ]
    assert not farm.strike(strike(3, B, 1))


def test_two_strikes_condemn_and_a_repeated_report_is_no_second_one() -> None:
    farm = ledger(1)
    grant(farm, A)
    assert farm.strike(strike(3, A))
    assert not farm.strike(strike(3, A))
    assert farm.verdicts([3]) == []
    assert farm.ask(B, 1, 0.0) == TrialGrant(CHUNKS[0], 3, 1)
    assert farm.strike(strike(3, B))
    (verdict,) = farm.verdicts([3])
    assert (verdict.condemned, verdict.outcome) == ("HANG", None)
    assert verdict.evidence.count("HANG on") == 2


def test_with_three_strikes_the_next_trial_leaves_the_last_card() -> None:
    farm = ledger(1, cards=(A, B, C), max_strikes=3)
    grant(farm, A)
    farm.strike(strike(3, A))
    assert isinstance(farm.ask(B, 1, 0.0), TrialGrant)
    farm.strike(strike(3, B))
    assert farm.ask(B, 1, 0.0) == Wait()
    assert isinstance(farm.ask(C, 1, 0.0), TrialGrant)


@pytest.mark.parametrize("how", ["retired", "silent"])
def test_the_last_card_tries_its_own_suspect(how: str) -> None:
    farm = ledger(1)
    grant(farm, A)
    farm.strike(strike(3, A))
    farm.hear(A, 1, 31.0)
    if how == "retired":
        farm.retire(B)
    order = farm.ask(A, 1, 31.0, [3])
    assert order == TrialGrant(CHUNKS[0], 3, 1)


@pytest.mark.parametrize("how", ["retired", "silent", "restarted"])
def test_a_trial_whose_card_is_lost_is_given_to_another(how: str) -> None:
    farm = ledger(1, cards=(A, B, C))
    grant(farm, A)
    farm.strike(strike(3, A))
    assert isinstance(farm.ask(B, 1, 0.0), TrialGrant)
    assert farm.ask(C, 1, 0.0) == Wait()
    farm.hear(A, 1, 31.0)
    if how == "retired":
        farm.retire(B)
    elif how == "restarted":
        farm.join(B, 2, 31.0)
    assert isinstance(farm.ask(C, 1, 31.0), TrialGrant)


def test_strikes_of_earlier_runs_go_with_the_grant() -> None:
    known = [strike(3, A), strike(15, A), strike(15, B, 1)]
    farm = ledger(2, strikes=known)
    assert farm.ask(A, 1, 0.0) == Grant(CHUNKS[0], 1, (3,))
    assert [v.index for v in farm.verdicts([3, 15])] == [15]
    assert farm.ask(B, 1, 0.0) == TrialGrant(CHUNKS[0], 3, 1)


def test_suspects_of_committed_chunks_and_of_no_chunk_are_left_alone() -> None:
    farm = Ledger(CHUNKS[:2], {"00000-00000"}, strikes=[strike(3, A), strike(99, A)])
    assert grant(farm, B) == Grant(CHUNKS[1], 1)
    assert farm.ask(C, 1, 0.0) == Wait()


def test_a_retired_card_gets_nothing_and_its_leases_are_free() -> None:
    farm = ledger(1)
    grant(farm, A)
    farm.retire(A)
    assert farm.n_usable_cards == 1
    assert farm.ask(A, 1, 0.0) == Finish()
    assert grant(farm, B) == Grant(CHUNKS[0], 2)
    farm.join(A, 2, 0.0)
    assert farm.ask(A, 2, 0.0) == Finish()
    assert (farm.n_usable_cards, farm.retired_cards()) == (1, [A])


def test_draining_grants_nothing_any_more() -> None:
    farm = ledger()
    grant(farm, A)
    farm.drain()
    assert farm.ask(B, 1, 0.0) == Finish()
    assert not farm.all_finished
    farm.commit("00000-00000")
    assert farm.ask(A, 1, 0.0) == Finish()
    assert farm.all_finished
    assert not farm.is_complete


def test_a_pause_grants_nothing_and_touches_no_lease() -> None:
    farm = ledger()
    grant(farm, A)
    farm.pause(True)
    leases = farm.leases()
    assert farm.ask(B, 1, 0.0) == Wait()
    assert farm.ask(A, 1, 0.0, in_hand=["00000-00000"]) == Wait()
    assert farm.leases() == leases
    farm.commit("00000-00000")
    farm.pause(False)
    assert grant(farm, B).chunk == CHUNKS[1]


def test_a_paused_run_can_be_stopped() -> None:
    farm = ledger()
    farm.pause(True)
    farm.drain()
    assert farm.ask(A, 1, 0.0) == farm.ask(B, 1, 0.0) == Finish()
    assert farm.all_finished


def test_a_commit_of_a_foreign_chunk_is_ignored() -> None:
    farm = ledger()
    farm.commit("00009-00009")
    assert farm.n_committed == 0


def test_a_late_commit_of_a_pending_chunk_takes_it_off_the_list() -> None:
    farm = ledger(2)
    grant(farm, A)
    farm.retire(A)
    farm.commit("00000-00000")
    assert grant(farm, B) == Grant(CHUNKS[1], 1)


def test_an_idle_card_takes_a_second_go_at_a_straggler() -> None:
    chunks = [Chunk(0, i, 10 * i, 10) for i in range(2)]
    ledger = Ledger(chunks, set(), straggler_s=60.0, lease_s=1000.0)
    for card in ("a", "b", "c"):
        ledger.join(card, 1, 0.0)
    first, second = ledger.ask("a", 1, 0.0), ledger.ask("b", 1, 10.0)
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    ledger.commit(second.chunk.chunk_id)
    assert isinstance(ledger.ask("b", 1, 59.0), Wait)
    assert [ledger.n_second_goes(now_s) for now_s in (59.0, 61.0)] == [0, 1]
    copy = ledger.ask("b", 1, 61.0)
    assert copy == Grant(first.chunk, 2)
    # One second go is enough, and nobody competes with himself.
    assert isinstance(ledger.ask("c", 1, 200.0), Wait)
    assert ledger.n_second_goes(200.0) == 1, "the card that has it is still wanted"
    ledger.commit(first.chunk.chunk_id)
    assert ledger.n_second_goes(200.0) == 0
    assert ledger.is_complete
    assert ledger.leases() == {}


def test_a_straggler_whose_first_card_is_retired_stays_with_the_second() -> None:
    chunk = Chunk(0, 0, 0, 10)
    ledger = Ledger([chunk], set(), straggler_s=60.0, lease_s=1000.0)
    for card in ("a", "b", "c"):
        ledger.join(card, 1, 0.0)
    ledger.ask("a", 1, 0.0)
    ledger.ask("b", 1, 61.0)
    ledger.retire("a")
    assert ledger.leases() == {chunk.chunk_id: ("b", 2)}
    assert isinstance(ledger.ask("c", 1, 62.0), Wait)
    ledger.retire("b")
    assert isinstance(ledger.ask("c", 1, 63.0), Grant)


def test_a_vector_is_condemned_for_what_it_did_most_often() -> None:
    strikes = [Strike(str(i), 3, k, "a", "seen") for i, k in enumerate(["HANG", "HANG", "CRASH"])]
    ledger = Ledger([Chunk(0, 0, 0, 10)], set(), max_strikes=3, strikes=strikes)
    assert [v.condemned for v in ledger.verdicts([3])] == ["HANG"]
    ledger = Ledger([Chunk(0, 0, 0, 10)], set(), max_strikes=2, strikes=strikes[1:])
    assert [v.condemned for v in ledger.verdicts([3])] == ["CRASH"]


def test_a_younger_ledger_leaves_a_card_what_it_has_in_hand() -> None:
    farm = ledger(2)
    assert farm.ask(A, 7, 0.0, in_hand=["00000-00000"]) == Grant(CHUNKS[1], 1)
    assert farm.leases() == {"00000-00000": (A, 1), "00000-00001": (A, 1)}
    assert farm.ask(B, 1, 0.0) == Wait()


def test_nobody_is_granted_a_copy_of_what_it_has_in_hand() -> None:
    farm = Ledger(CHUNKS[:1], set(), straggler_s=10.0)
    assert isinstance(farm.ask(A, 1, 0.0), Grant)
    assert farm.ask(B, 1, 20.0, in_hand=["00000-00000"]) == Wait()
    assert isinstance(farm.ask(C, 1, 20.0), Grant)


def test_a_released_card_finishes_what_it_has_and_leaves() -> None:
    farm = ledger(2)
    grant(farm, A)
    farm.release(A, 1)
    assert farm.n_usable_cards == 1
    assert farm.ask(A, 1, 0.0, in_hand=["00000-00000"]) == Wait()
    farm.commit("00000-00000")
    assert farm.ask(A, 1, 0.0) == Finish()
    farm.join(A, 2, 0.0)
    assert isinstance(farm.ask(A, 2, 0.0), Grant)


def test_what_a_lost_card_had_is_free_at_once_and_it_is_not_listened_to() -> None:
    farm = ledger(1)
    grant(farm, A)
    assert farm.lose(A, 1)
    assert farm.ask(A, 1, 0.0) == Finish()
    assert grant(farm, B) == Grant(CHUNKS[0], 2)
    assert not farm.lose(A, 1)
