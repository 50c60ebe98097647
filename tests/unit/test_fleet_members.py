"""Which actors of a cluster run are let go first."""

from __future__ import annotations

from farm.cluster.member import Member, Phase, least_needed


def member(card: str, phase: Phase = Phase.WORKING, asked_s: float = 0.0) -> Member:
    node = card.partition("/")[0]
    return Member(None, None, None, asked_s, phase, node_id=node, node=node, card=card)


def chosen(members: list[Member], idle: set[str], n: int) -> list[str]:
    return [member.card for member in least_needed(members, idle, n)]


def test_those_on_their_way_go_first_and_the_youngest_of_them() -> None:
    old, young = member("", Phase.PENDING, 1.0), member("", Phase.PENDING, 2.0)
    working = member("a/sim:0")
    assert least_needed([working, old, young], set(), 2) == [young, old]
    assert least_needed([working, old, young], set(), 3)[-1] is working


def test_the_emptiest_node_is_emptied() -> None:
    members = [member(f"a/sim:{i}") for i in range(3)] + [member("b/sim:0"), member("c/sim:0")]
    assert chosen(members, set(), 1) == ["b/sim:0"]
    assert chosen(members, set(), 3)[:2] == ["b/sim:0", "c/sim:0"]


def test_nodes_with_nothing_to_do_go_before_busy_ones() -> None:
    members = [member("a/sim:0"), member("b/sim:0"), member("b/sim:1")]
    assert chosen(members, {"b/sim:0", "b/sim:1"}, 2) == ["b/sim:0", "b/sim:1"]
    assert chosen(members, {"b/sim:1"}, 1) == ["a/sim:0"]
    assert chosen(members, set(), 0) == []
    assert chosen(members, set(), -1) == []


def test_a_member_is_placed_or_parked() -> None:
    one = member("", Phase.PENDING)
    where = {"node_id": "n", "host": "h", "name": "h-1"}
    one.place({**where, "card": "h-1/sim:0", "epoch": 5})
    assert (one.phase, one.incarnation) == (Phase.WORKING, ("h-1/sim:0", 5))
    other = member("", Phase.PENDING)
    other.place({**where, "refusal": "no such device"})
    assert (other.phase, other.host, other.card) == (Phase.PENDING, "h", "")
    other.park("no such device", 3.0)
    assert (other.phase, other.reason, other.retry_s) == (Phase.PARKED, "no such device", 3.0)
