"""``farm stop``, ``pause``, ``resume`` and ``scale``: ask something of the run at work.

Each works from any machine that sees the sweep directory, waits for the run to answer, and says
what it said.  Exit codes: 0 the run has taken the request in (``--wait``: it has ended); 2 no run
is at work; 75 it has not answered yet, and the request stands.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from farm.card_state import is_busy, is_gone
from farm.cli.options import JsonOption
from farm.cli.places import DirectoryArgument
from farm.control.steering import ANSWER_S, Steering
from farm.errors import UsageError
from farm.store.control import MAX_CARDS, PAUSE, RESUME, STOP, Request
from farm.store.directory import SweepDirectory
from farm.store.live import Snapshot
from farm.store.location import Location

AnswerOption = Annotated[
    float, typer.Option("--answer-within", help="How long to wait for the run's answer, s.", min=1)
]


def stop(
    directory: DirectoryArgument,
    now: Annotated[
        bool, typer.Option("--now", help="Give up the chunks in flight; they are measured anew.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    answer_s: AnswerOption = ANSWER_S,
    as_json: JsonOption = False,
) -> None:
    """End the run at work: finish the chunks in flight, release the cards, write the models.

    Its farm run ends with exit code 130 and can be run again to go on.

    Example: [b]farm stop my-matmul --wait[/b]
    """
    steering = _steering(directory)
    request, snapshot = steering.ask(STOP, answer_s, is_at_once=now)
    if not as_json:
        how = "at once" if now else f"after the chunks in flight ({_in_flight(snapshot)})"
        _say_taken(snapshot, f"stops {how}")
    if wait:
        snapshot = steering.wait_for_end(snapshot.run_id, lambda seen: None)
    if as_json:
        _write_json(request, snapshot)
    elif wait:
        typer.echo(_ended(snapshot))


def pause(
    directory: DirectoryArgument, answer_s: AnswerOption = ANSWER_S, as_json: JsonOption = False
) -> None:
    """Let the run at work hand out no more chunks, until farm resume.

    Cards finish the chunks in flight and then stay claimed, but idle.

    Example: [b]farm pause my-matmul[/b]
    """
    request, snapshot = _steering(directory).ask(PAUSE, answer_s)
    if as_json:
        _write_json(request, snapshot)
        return
    _say_taken(
        snapshot,
        f"is paused: {_in_flight(snapshot)}, then the cards stay claimed, but idle; "
        f"farm resume {directory} goes on, farm stop {directory} frees them",
    )


def resume(
    directory: DirectoryArgument, answer_s: AnswerOption = ANSWER_S, as_json: JsonOption = False
) -> None:
    """Let a paused run go on.

    Example: [b]farm resume my-matmul[/b]
    """
    request, snapshot = _steering(directory).ask(RESUME, answer_s)
    if as_json:
        _write_json(request, snapshot)
        return
    _say_taken(snapshot, "goes on")


def scale(
    directory: DirectoryArgument,
    max_cards: Annotated[
        int, typer.Option("--max-cards", help="The most cards that the run may have.", min=1)
    ],
    answer_s: AnswerOption = ANSWER_S,
    as_json: JsonOption = False,
) -> None:
    """Change how many cards of its cluster the run at work may have.

    Cards that are too many finish their chunk first; the emptiest nodes are left first.

    Example: [b]farm scale my-matmul --max-cards 8[/b]
    """
    steering = _steering(directory)
    if steering.run_at_work().cluster is None:
        raise UsageError(
            f"the run at work in {directory} has the cards of one machine that it was started "
            f"with; only a run on a cluster (farm run --address) can be scaled"
        )
    request, snapshot = steering.ask(MAX_CARDS, answer_s, n_cards=max_cards)
    if as_json:
        _write_json(request, snapshot)
        return
    n_cards = sum(not is_gone(facts) for facts in snapshot.cards.values())
    _say_taken(snapshot, f"may have {max_cards} cards; at the moment it has {n_cards}")


def _steering(directory: Location) -> Steering:
    return Steering(SweepDirectory.open(directory).files)


def _in_flight(snapshot: Snapshot) -> str:
    held = [facts for facts in snapshot.cards.values() if not is_gone(facts)]
    return f"{sum(map(is_busy, held))} of {len(held)} cards finish their chunks"


def _say_taken(snapshot: Snapshot, what: str) -> None:
    if snapshot.end is not None:
        typer.echo(_ended(snapshot))
        return
    where = f"on {snapshot.host}, {snapshot.n_done:,}/{snapshot.n_vectors:,} vectors"
    typer.echo(f"run {snapshot.run_id} ({where}) {what}")


def _ended(snapshot: Snapshot) -> str:
    end = snapshot.end
    state, message = (end.state, end.message) if end is not None else ("ended", "")
    return (
        f"run {snapshot.run_id} has {state}: {message}; {snapshot.n_committed:,} of "
        f"{snapshot.n_vectors:,} vectors committed"
    )


def _write_json(request: Request, snapshot: Snapshot) -> None:
    facts = {
        "run_id": snapshot.run_id,
        "sequence": request.sequence,
        "token": request.token,
        "is_taken": request.token in snapshot.control.tokens,
        "phase": snapshot.phase,
        "n_committed": snapshot.n_committed,
        "n_vectors": snapshot.n_vectors,
        "end": None if snapshot.end is None else snapshot.as_json()["end"],
    }
    typer.echo(json.dumps(facts))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (stop, pause, resume, scale):
        app.command()(command)
