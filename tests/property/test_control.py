"""Requests fold to what a reader of the whole list would say, whatever was kept of it."""

from __future__ import annotations

from random import Random
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from farm.store.control import ControlFile, Request, Wanted, wanted

ASKED = st.lists(
    st.tuples(
        st.sampled_from(["run-1", "run-2"]),
        st.one_of(
            st.sampled_from([("pause", {}), ("resume", {})]),
            st.booleans().map(lambda now: ("stop", {"is_at_once": now})),
            st.integers(1, 9).map(lambda n: ("max_cards", {"n_cards": n})),
        ),
    ),
    max_size=12,
)


def _obvious(requests: list[Request]) -> tuple[bool, bool | None, int | None]:
    """Paused or not, stop at once or not or none, number of cards: by the last of each kind."""
    toggles = [r.action for r in requests if r.action in {"pause", "resume"}]
    stops = [r.is_at_once for r in requests if r.action == "stop"]
    numbers = [r.n_cards for r in requests if r.action == "max_cards"]
    return (
        toggles[-1:] == ["pause"],
        any(stops) if stops else None,
        numbers[-1] if numbers else None,
    )


@given(asked=ASKED, order=st.randoms())
def test_requests_fold_to_what_was_asked_last(
    asked: list[tuple[str, tuple[str, dict[str, Any]]]], order: Random
) -> None:
    content = ControlFile()
    for run_id, (action, more) in asked:
        content = ControlFile.decode(
            content.with_request(run_id, action, "ann@head", **more).encode()
        )
    if not asked:
        assert wanted(content.requests) == Wanted()
        return
    assert content.run_id == asked[-1][0]
    assert content.requests[-1].sequence == len(asked)
    assert len({request.token for request in content.requests}) == len(content.requests)
    shuffled = list(content.requests)
    order.shuffle(shuffled)
    found = wanted(shuffled)
    is_paused, is_at_once, n_cards = _obvious(list(content.requests))
    assert found.is_paused == is_paused
    assert (found.stop.is_at_once if found.stop else None) == is_at_once
    assert (found.max_cards.n_cards if found.max_cards else None) == n_cards
    assert found.sequence == len(asked)
    assert Wanted.from_json(found.as_json()) == found
