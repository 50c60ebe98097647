"""The live view on terminals of several sizes, with few cards and with hundreds."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from farm.cli.watch import JsonOutput, PlainOutput, TerminalOutput, follow
from farm.store.live import LOST_AFTER, End, Snapshot
from farm.view.live_view import draw, line, nodes_of, trouble_of

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


def incident(card: str, age_s: float, kind: str = "hang") -> dict[str, Any]:
    at = (NOW - timedelta(seconds=age_s)).isoformat()
    message = "running for 2.04 s, budget 2 s"
    return {"time": at, "kind": kind, "card": card, "index": 40, "message": message}


def a_card(number: int, state: str = "measuring 00000-00003", **more: Any) -> dict[str, Any]:
    return {
        "state": state, "n_done": 100 * number, "batch_rows": 64, "age_s": 0.3, "rate_hz": 2.5,
        "node": f"node-{number // 4}", **more,
    }  # fmt: skip


def snapshot(n_cards: int, **more: Any) -> Snapshot:
    cards = {f"node-{n // 4}/sim:{n % 4}": a_card(n) for n in range(n_cards)}
    facts: dict[str, Any] = {
        "sweep": "matmul", "device": "sim", "host": "head", "phase": "measuring",
        "n_vectors": 100_000, "n_done": 25_000, "rate_hz": 123.4, "eta_s": 607.0,
        "counts": {"OK": 24_990, "HANG": 1}, "cards": cards,
        "cluster": {"n_wanted": n_cards + 4, "n_max": 64, "n_pending": 4, "nodes": [
            {"name": f"node-{n}", "state": "alive", "n_cards": 4}
            for n in range((n_cards + 3) // 4)
        ]},
    }  # fmt: skip
    return Snapshot("run-1", **(facts | more))


def drawn(what: Snapshot, columns: int, rows: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, height=rows, color_system=None)
    console.print(draw(what, rows, "matmul on sim: run run-1 on head", NOW))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue().splitlines()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("n_cards", [1, 6, 500])
def test_nothing_is_wider_or_higher_than_the_terminal(columns: int, n_cards: int) -> None:
    lines = drawn(snapshot(n_cards), columns)
    assert max(len(text) for text in lines) <= columns
    assert len(lines) <= 40
    assert any("25,000/100,000 vectors" in text and "ETA 10:07 min" in text for text in lines)
    assert any(f"{n_cards + 4} cards wanted, 4 pending, at most 64" in text for text in lines)


def test_few_cards_get_a_row_each_and_nodes_too() -> None:
    text = "\n".join(drawn(snapshot(6), 80))
    assert len(re.findall(r"node-\d/sim:\d", text)) == 6
    assert re.search(r"node-0 +alive +4 +4 +0 +600 +10/s", text)
    assert re.search(r"node-1/sim:1 +measuring 00000-00003 +500 +2.5/s +64 +0 s ago", text)


def test_a_run_on_one_machine_has_no_nodes() -> None:
    alone = snapshot(2, cluster=None, cards={"sim:0": a_card(0, node=""), "sim:1": a_card(1)})
    text = "\n".join(drawn(alone, 80))
    assert "wanted" not in text
    assert "in trouble" not in text


def test_of_hundreds_only_those_in_trouble_have_rows() -> None:
    many = snapshot(400)
    many.cards["node-7/sim:1"] |= {"state": "retired", "incident": incident("node-7/sim:1", 9000)}
    many.cards["node-9/sim:0"] |= {"age_s": 44.0, "log": "/tmp/logs/node-9.log"}
    text = "\n".join(drawn(many, 80))
    assert "400 cards: 399 measuring, 1 retired; 2 in trouble" in text
    assert re.search(r"node-7/sim:1 +retired", text)
    assert re.search(r"node-9/sim:0 +silent \(measuring", text)
    assert "/tmp/logs/node-9.log" in text
    assert len(re.findall(r"node-\d+/sim:\d", text)) == 2
    assert text.index("node-7 ") < text.index("node-0 ")
    assert "more nodes" in text


@pytest.mark.parametrize(
    ("card", "word"),
    [
        (a_card(0), ""),
        (a_card(0, state="idle"), ""),
        (a_card(0, state="retired"), "retired"),
        (a_card(0, state="lost"), "lost"),
        (a_card(0, age_s=11.0), "silent"),
        (a_card(0, state="finished", age_s=900.0), ""),
        (a_card(0, state="left", age_s=900.0, incident=incident("c", 20)), ""),
        (a_card(0, state="unfit", age_s=900.0), "unfit"),
        (a_card(0, state="draining 00000-00003"), "draining"),
        (a_card(0, incident=incident("c", 20)), "incident"),
        (a_card(0, incident=incident("c", 20, "recovered")), ""),
        (a_card(0, incident=incident("c", 9000)), ""),
        (a_card(0, incident={"kind": "hang"}), ""),
    ],
)
def test_what_counts_as_trouble(card: dict[str, Any], word: str) -> None:
    assert trouble_of(card, NOW) == word


def test_nodes_without_cards_are_there_too() -> None:
    waiting = snapshot(0, cluster={"nodes": [{"name": "node-0", "state": "pending"}]})
    (node,) = nodes_of(waiting, NOW)
    assert (node.name, node.state, node.n_cards) == ("node-0", "pending", 0)
    assert "no card yet" in line(waiting)


def test_the_line_for_logs() -> None:
    assert line(snapshot(6, n_incidents=2)) == (
        "measuring: 25,000/100,000 vectors, 123/s, ETA 10:07 min, HANG 1, OK 24,990, incidents 2, "
        "6 measuring, cluster: 2 nodes, 10 cards wanted, 4 pending, at most 64"
    )


class Story:
    """What is read one look after the other; Ctrl-C at its end."""

    def __init__(self, *snapshots: Snapshot | None, every_s: float = 1.0) -> None:
        self.snapshots: Iterator[Snapshot | None] = iter(snapshots)
        self.now_s, self.every_s, self.n_at_rest = 0.0, every_s, 0

    def read(self) -> Snapshot | None:
        try:
            return next(self.snapshots)
        except StopIteration:
            raise KeyboardInterrupt from None

    def at_rest(self) -> dict[str, Any]:
        self.n_at_rest += 1
        return {"n_committed_vectors": 7, "n_vectors": 9, "counts": {"OK": 7}}

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds == 1.0
        self.now_s += self.every_s


def written(n_written: int, run_id: str = "run-1", **more: Any) -> Snapshot:
    now = datetime.now(UTC).isoformat()
    facts: dict[str, Any] = {"written_at": now, "n_written": n_written, "n_done": n_written}
    return Snapshot(run_id, host="head", phase="measuring", n_vectors=9, **(facts | more))


def told(story: Story, until_end: bool = False) -> list[str]:
    stream = io.StringIO()
    try:
        output = PlainOutput(stream)
        follow(story.read, story.at_rest, output, 1.0, until_end, story.clock, story.sleep)
    except KeyboardInterrupt:
        pass
    return [text[9:] for text in stream.getvalue().splitlines()]


def test_a_run_begins_ends_and_another_begins() -> None:
    end = End("stopped", 130, "stopped by ann@head; what was committed is safe")
    story = Story(None, None, written(1), written(1), written(2, end=end), written(1, "run-2"))
    assert told(story) == [
        "no run is at work; 7 of 9 vectors committed, OK 7",
        "measuring: 1/9 vectors, no card yet",
        "run run-1 on head has stopped: stopped by ann@head; 7 of 9 vectors committed, OK 7",
        "measuring: 1/9 vectors, no card yet",
    ]
    # The directory is read when something changes, not at every look.
    assert story.n_at_rest == 2


def test_a_run_that_dies_is_noticed_once() -> None:
    story = Story(written(1), written(2), *[written(2)] * (4 * LOST_AFTER))
    lines = told(story)
    assert lines[:2] == [
        "measuring: 1/9 vectors, no card yet",
        "measuring: 2/9 vectors, no card yet",
    ]
    assert "no sign of life for" in lines[2]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("last", "exit_code"),
    [
        (written(2, end=End("finished", 0)), 0),
        (written(2, end=End("stopped", 130)), 130),
        (written(2, end=End("failed", 4)), 4),
        (None, 0),
    ],
)
def test_the_view_can_end_with_the_run(last: Snapshot | None, exit_code: int) -> None:
    story = Story(written(1), last)
    output = JsonOutput(io.StringIO())
    code = follow(story.read, story.at_rest, output, 1.0, True, story.clock, story.sleep)
    assert code == exit_code


def test_json_lines_hold_the_snapshot_or_the_directory() -> None:
    story, stream = Story(written(3), None), io.StringIO()
    follow(story.read, story.at_rest, JsonOutput(stream), 1.0, True, story.clock, story.sleep)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["liveness"], first["n_written"], first["run_id"]) == ("live", 3, "run-1")
    assert (second["liveness"], second["directory"]["n_committed_vectors"]) == ("none", 7)


def test_a_terminal_is_redrawn() -> None:
    console = Console(file=io.StringIO(), width=80, height=30, force_terminal=True)
    story = Story(written(1), written(2, end=End("finished", 0, "every vector is accounted for")))
    with Live(console=console, auto_refresh=False) as live:
        output = TerminalOutput(live)
        follow(story.read, story.at_rest, output, 1.0, True, story.clock, story.sleep)
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "1/9 vectors" in file.getvalue()
    assert "has finished: every vector is accounted for" in file.getvalue()
